#!/usr/bin/env bash
# Renew every pinned list. The runtime list obeys the development list, so that what is tested is what is deployed.
set -euo pipefail
cd "$(dirname "$0")"
compile() {
    ${UV:-../.venv/bin/uv} pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make locks" --no-annotate "$@"
}
compile dev.in -o dev.lock
compile runtime.in -c dev.lock -o ../src/requirements.txt
compile built.in -c dev.lock -o built.lock
compile sam.in -o sam.lock
compile installer.in -o installer.lock
compile fuzz.in -c dev.lock -o fuzz.lock
compile mutants.in -c dev.lock -o mutants.lock
compile mapper.in -o mapper.lock
