#!/bin/sh
# Writes each locked requirements file, with hashes, from its .in file. UPGRADE=1 takes the newest versions.
set -eu
cd "$(dirname "$0")/.."
lock() {
    # Relative to each file's own folder, as pip reads it.
    (cd "$(dirname "$1")" && "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate ${UPGRADE:+--upgrade} "$(basename "$1").in" -o "$(basename "$1").txt")
}
uv="$(pwd)/.venv/bin/uv"
for name in requirements requirements-dev bench/requirements; do lock "$name"; done
(cd tests && "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-deps --no-header --no-annotate ${UPGRADE:+--upgrade} rq2.in -o rq2.txt)
