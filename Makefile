# Everything a developer does, and all the set-up it needs, from python3 (>= 3.11) and make.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
SAM := .venv-sam/bin
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= eu-west-1

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

setup: .venv/ready ## build .venv, with the pinned tools and this package
.venv/ready: requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) must be Python 3.11 or newer"; exit 1; }
	$(PYTHON) -m venv .venv
	@requirements/install.sh .venv requirements/dev.lock
	@echo "$(CURDIR)/src" > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/threelocks-source.pth"
	@printf '#!/bin/sh\nexec "%s/$(BIN)/python" -m threelocks.cli "$$@"\n' "$(CURDIR)" > $(BIN)/threelocks && chmod +x $(BIN)/threelocks
	@touch $@

.venv-sam/ready: requirements/sam.lock
	$(PYTHON) -m venv .venv-sam
	@requirements/install.sh .venv-sam requirements/sam.lock
	@touch $@

.venv-built/ready: requirements/built.lock
	$(PYTHON) -m venv .venv-built
	@requirements/install.sh .venv-built requirements/built.lock
	@touch $@

.venv-fuzz/ready: requirements/fuzz.lock
	$(PYTHON) -m venv .venv-fuzz
	@requirements/install.sh .venv-fuzz requirements/fuzz.lock
	@touch $@

.venv-mutants/ready: requirements/mutants.lock
	$(PYTHON) -m venv .venv-mutants
	@requirements/install.sh .venv-mutants requirements/mutants.lock
	@touch $@

demo: .venv/ready ## two simulated accounts, one share, each way it breaks: read the mails
	@$(BIN)/python -m simulation $(ARGS)

test: .venv/ready lint ## lint, type check, and run every test that needs no built package
	$(BIN)/python -m pytest -n 2 --dist loadfile

catalogue: .venv/ready ## write docs/coverage.md: the events, rules and tests of each finding code
	@$(BIN)/python -m simulation.coverage

actions: .venv/ready ## renew the table of S3 and KMS actions from AWS's service reference (needs the internet)
	@$(BIN)/python -m simulation.service_reference
	@$(BIN)/ruff format -q src/threelocks/policy/action_table.py

STEPS ?= 200000
SEED ?= 1
storm: .venv/ready ## two accounts in a storm of faults, STEPS calls to ports long, from SEED on
	$(BIN)/python -m simulation.storm --steps $(STEPS) --seed $(SEED)
	THREELOCKS_FAULTS=all $(BIN)/python -m pytest -q tests/integration/test_faults_at_calls.py

lint: .venv/ready ## ruff, mypy --strict, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/ready ## format the code and mend what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

validate: .venv-sam/ready ## lint the templates as SAM and CloudFormation see them
	$(SAM)/sam validate --lint --template template.yaml
	$(SAM)/cfn-lint relay.yaml

build: .venv-sam/ready ## build the Lambda package for AWS (python3.13)
	PATH="$(CURDIR)/$(SAM):$$PATH" $(SAM)/sam build

built-test: .venv/ready .venv-sam/ready .venv-built/ready ## build for this machine, and run the built package from an event to a mail
	$(BIN)/python -m pytest -m built tests/e2e

OPINION := build/second-opinion
$(OPINION)/ready: second_opinion/package.json second_opinion/package-lock.json
	@mkdir -p $(OPINION) && cp second_opinion/package.json second_opinion/package-lock.json $(OPINION)/
	cd $(OPINION) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

second-opinion: .venv/ready $(OPINION)/ready ## random cases against another evaluator (needs node); THREELOCKS_OPINION_CASES=500
	$(BIN)/python -m second_opinion $(OPINION)/node_modules

MAPPER := build/principal-mapper
$(MAPPER)/ready: requirements/mapper.lock
	$(PYTHON) -m venv $(MAPPER)
	@requirements/install.sh $(MAPPER) requirements/mapper.lock
	@touch $@

bench: .venv/ready ## ratios of speed: beside other evaluators, a whole judgement, the worst the size limits allow
	-@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(OPINION)/ready; fi
	-@$(MAKE) --no-print-directory $(MAPPER)/ready
	$(BIN)/python -m bench.authorize $(OPINION)/node_modules $(MAPPER)/bin/python
	$(BIN)/python -m bench.judge
	$(BIN)/python -m bench.limits

load: .venv/ready ## AWS calls, time and memory of a sweep over 10,000 contracts and of 1,000 events: ARGS="1000 50 5 200 100"
	$(BIN)/python -m bench.load $(ARGS)

fuzz: .venv/ready ## new random cases for hours if you like: ARGS="--pairs 1000000 --sets 100000 --seed TEXT --first NUMBER"
	$(BIN)/python -m fuzz $(ARGS)

fuzz-coverage: .venv-fuzz/ready ## hostile input, guided by the code it reaches: SECONDS=60 for each of HARNESSES
	.venv-fuzz/bin/python -m fuzz.guided --seconds $(or $(SECONDS),60) $(HARNESSES)

mutants: .venv/ready .venv-mutants/ready ## change the judgement's code, one place at a time, and see whether a test notices; GROUPS="condition box"
	$(BIN)/python -m fuzz.mutants $(GROUPS)

locks: .venv/ready ## renew the pinned lists in requirements/ and src/requirements.txt
	@requirements/lock.sh

clean: ## remove what the other targets made
	rm -rf .venv .venv-sam .venv-built .venv-fuzz .venv-mutants .aws-sam build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help setup demo test catalogue actions storm lint format validate build built-test fuzz fuzz-coverage mutants second-opinion bench load locks clean
