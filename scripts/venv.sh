#!/bin/sh
# Makes .venv and installs the locked requirements files that are named into it, only when something changed.
#   scripts/venv.sh requirements.txt [requirements-dev.txt …]
# PYTHON names the interpreter to begin with; otherwise the first fitting one on the PATH is taken.
set -eu
cd "$(dirname "$0")/.."

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if fits "$name"; then
            command -v "$name"
            return
        fi
    done
    if [ -n "${PYTHON:-}" ]; then
        echo "PYTHON ($PYTHON) is no Python 3.11 or newer, for example PYTHON=/usr/bin/python3.12" >&2
    else
        echo "Headway needs Python 3.11 or newer and found none: install it, or name it, for example PYTHON=/usr/bin/python3.12" >&2
    fi
    exit 1
}

# A folder that was moved, or whose interpreter is gone, is made anew.
state() { pwd -P; cat "$@" | cksum; .venv/bin/python -c 'import sys; print(sys.version)'; }

stamp() { echo ".venv/installed-$(echo "$*" | tr -c 'a-z0-9\n' '-')"; }

if [ -f "$(stamp "$@")" ] && [ "$(cat "$(stamp "$@")")" = "$(state "$@" 2>/dev/null)" ]; then
    exit 0
fi

if ! fits .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1 || ! grep -qF "$(pwd -P)/.venv" .venv/bin/activate; then
    python=$(find_python)
    echo "Making .venv with $("$python" --version)"
    rm -rf .venv
    if ! said=$("$python" -m venv .venv 2>&1); then
        rm -rf .venv
        echo "$said" >&2
        echo "$python can't make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    fi
fi

echo "Installing $*"
rm -f .venv/installed-*
files=""
for file in "$@"; do files="$files -r $file"; done
# shellcheck disable=SC2086  # file names without spaces
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes $files

# Whoever asks for the first of these files alone has them too.
first=""
for file in "$@"; do
    first="$first $file"
    # shellcheck disable=SC2086
    state $first > "$(stamp $first)"
done
