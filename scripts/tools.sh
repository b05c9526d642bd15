#!/bin/sh
# Gets what the tests need besides Python: a Chromium, promtool and Node.js. What is there is used as it is; as root on
# Debian or Ubuntu the rest is installed. Says what it could not get, and fails.
set -eu
cd "$(dirname "$0")/.."

missing=""

have_chromium() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ] && return 0
    .venv/bin/python - <<'PYTHON' >/dev/null 2>&1
import sys
from pathlib import Path
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    sys.exit(not Path(p.chromium.executable_path).exists())
PYTHON
}

# get COMMAND-OR-TEST PACKAGE: installs a Debian package when the test fails and this user may.
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
if ! command -v node >/dev/null 2>&1; then
    install nodejs || missing="$missing
  Node.js, for the tests of the scripts in the page: apt-get install nodejs, or brew install node"
fi

if [ -n "$missing" ]; then
    echo "make test needs what could not be installed here:$missing" >&2
    exit 1
fi
