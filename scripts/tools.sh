#!/bin/sh
# Gets what the tests need besides Python: a Chromium and promtool. What is there is used as it is; as root on
# Debian or Ubuntu the rest is installed. Says what it could not get, and fails.
set -eu
cd "$(dirname "$0")/.."

missing=""

# As scripts/shots.py looks for it: the one that is named, the system's, Playwright's own.
have_chromium() {
    [ -x "${CHROMIUM:-/usr/bin/chromium}" ] && return 0
    .venv/bin/python - <<'PYTHON' >/dev/null 2>&1
import sys
from pathlib import Path
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    sys.exit(not Path(p.chromium.executable_path).exists())
PYTHON
}

# Installs a Debian package where this user may.
apt_updated=""
install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
    echo "Installing $1"
    if [ -z "$apt_updated" ]; then
        apt-get update -qq >/dev/null || return 1
        apt_updated=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null 2>&1
}

if ! have_chromium; then
    # Ubuntu's package of this name only leads to a snap, which a container can't run.
    { ! grep -qi ubuntu /etc/os-release 2>/dev/null && install chromium; } \
        || { echo "Installing a Chromium for Playwright" && .venv/bin/playwright install chromium; } \
        || missing="$missing
  Chromium, for the browser tests: .venv/bin/playwright install --with-deps chromium"
fi
if ! command -v promtool >/dev/null 2>&1; then
    install prometheus || missing="$missing
  promtool, for the metrics tests: apt-get install prometheus, or brew install prometheus"
fi
if [ -n "$missing" ]; then
    echo "make test needs what could not be installed here:$missing" >&2
    exit 1
fi
