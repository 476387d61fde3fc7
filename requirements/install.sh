#!/usr/bin/env bash
# install.sh VENV LOCK: install a hashed list into a virtual environment; with uv where pip can fetch it, else with pip.
set -euo pipefail
venv=$1 lock=$2
export PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "installing $lock into $venv"
if "$venv/bin/pip" install --quiet --require-hashes -r "$(dirname "$0")/installer.lock" >"$log" 2>&1 &&
    VIRTUAL_ENV=$venv "$venv/bin/uv" pip install --quiet --require-hashes -r "$lock" >"$log" 2>&1; then
    exit 0
fi
if "$venv/bin/pip" install --quiet --require-hashes -r "$lock" >"$log" 2>&1; then
    exit 0
fi
cat "$log" >&2
exit 1
