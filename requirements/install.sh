#!/bin/sh
# Makes .venv in the checkout with every pinned, hash-checked dependency and
# the workspace's members in editable form. Needs Python >= 3.11 and a C compiler.
set -eu
cd "$(dirname "$0")/.."
want=${1:-dev}
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Cinelog needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
[ -x .venv/bin/python ] || "$python" -m venv .venv || {
    echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 2; }
.venv/bin/python -c 'import uv' 2>/dev/null ||
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
export VIRTUAL_ENV="$PWD/.venv"
uv=.venv/bin/uv
cat requirements/bootstrap.txt "requirements/$want.txt" > .venv/wanted.txt
# Compiled once here, so that the command starts at once even where nothing may be written later.
$uv pip sync -q --compile-bytecode --require-hashes .venv/wanted.txt
# One build backend, already pinned above: nothing is fetched while building.
$uv pip install -q --no-deps --no-build-isolation --reinstall-package cinelog-fastio \
    -e libs/fastio -e libs/common -e services/download -e services/transcode -e services/merge \
    -e services/gateway -e services/storage -e cli -e tests/kit
.venv/bin/python -m compileall -q libs services cli
touch .venv/.installed
