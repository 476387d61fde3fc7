"""What tries hard to prove the policy engine wrong: `make fuzz`, `make fuzz-coverage`, `make mutants`.

None of it is needed by `make test`; docs/assurance.md says what came out of it.
"""
