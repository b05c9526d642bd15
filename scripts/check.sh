#!/bin/sh
# Everything that must hold: style, types, tests. Arguments go to pytest, and then only tests run.
set -eu
cd "$(dirname "$0")/.."
# Tests are compiled once, for all workers and servers that they start.
export PYTHONDONTWRITEBYTECODE=
types=""
if [ $# -eq 0 ]; then
    .venv/bin/ruff check
    .venv/bin/ruff format --check
    # Types are checked beside the tests, many of which wait more than they work.
    said=$(mktemp)
    trap 'rm -f "$said"' EXIT
    .venv/bin/mypy > "$said" 2>&1 &
    types=$!
    .venv/bin/python -m pytest --collect-only -qq > /dev/null || true  # what can't be read is told below
fi
failed=0
# A file's tests stay together: they share servers and browsers. tests/conftest.py puts them in order.
.venv/bin/python -m pytest -n "${WORKERS:-5}" --dist loadfile --no-loadscope-reorder "$@" || failed=$?
if [ -n "$types" ]; then
    wait "$types" || failed=1
    cat "$said"
fi
exit "$failed"
