#!/bin/sh
# Everything that must hold: style, types, tests. Arguments go to pytest, and then only tests run.
set -eu
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
    .venv/bin/ruff check
    .venv/bin/ruff format --check
    .venv/bin/mypy
fi
# A file's tests stay together: they share servers and browsers. Many of them wait more than they work. tests/conftest.py puts
# them in order.
exec .venv/bin/python -m pytest -n "${WORKERS:-4}" --dist loadfile --no-loadscope-reorder "$@"
