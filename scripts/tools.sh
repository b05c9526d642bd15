#!/bin/sh
# Gets what the tests need besides Python: a Chromium, Prometheus, PostgreSQL, nginx, RabbitMQ, Node.js, the packages of tests/npm, and an
# older RQ.
# What is there is used as it is; as root on Debian or Ubuntu the rest is installed. Says what it could not get, and fails.
# `tools.sh ahead` gets what needs no .venv while that is being made, and leaves it to the later call to say what is missing.
set -eu
cd "$(dirname "$0")/.."

missing=""
ahead=${1:-}

# As scripts/shots.py looks for it: the one that is named, the system's, Playwright's own.
have_chromium() {
    [ -x "${CHROMIUM:-/usr/bin/chromium}" ] && return 0
    [ -z "$ahead" ] || return 1
    .venv/bin/python - <<'PYTHON' >/dev/null 2>&1
import sys
from pathlib import Path
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    sys.exit(not Path(p.chromium.executable_path).exists())
PYTHON
}

# Debian starts a server that it installs, unless this says no.
policy=/usr/sbin/policy-rc.d
keep_servers_stopped() {
    [ ! -e "$policy" ] || return 0
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
}

# Installs Debian packages where this user may.
apt_updated=""
install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
    echo "Installing $*"
    if [ -z "$apt_updated" ]; then
        apt-get update -qq >/dev/null || return 1
        apt_updated=yes
        keep_servers_stopped
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

# A Node.js whose module loader takes hooks (18.19 or newer), and npm.
have_node() {
    node -e 'process.exit(typeof require("node:module").register === "function" ? 0 : 1)' >/dev/null 2>&1 \
        && command -v npm >/dev/null 2>&1
}

# The packages of tests/npm, only when something changed.
npm_packages() {
    stamp=tests/npm/node_modules/.installed
    state=$(cat tests/npm/package.json tests/npm/package-lock.json | cksum; node --version)
    [ "$(cat "$stamp" 2>/dev/null)" = "$state" ] && return 0
    echo "Installing tests/npm"
    npm ci --prefix tests/npm --loglevel error --no-audit --no-fund --no-update-notifier >/dev/null || return 1
    echo "$state" > "$stamp"
}

# RQ's earlier major version, beside the present one, only when something changed.
earlier_rq() {
    [ -z "$ahead" ] || return 0
    state=$(cksum < tests/rq2.txt)
    [ "$(cat .venv/rq2/.installed 2>/dev/null)" = "$state" ] && return 0
    echo "Installing tests/rq2.txt"
    rm -rf .venv/rq2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --target .venv/rq2 -r tests/rq2.txt || return 1
    echo "$state" > .venv/rq2/.installed
}

# The same browser without what only a screen needs takes half the time; most tests take it where it is.
[ -n "${CHROMIUM:-}" ] || [ -x /usr/bin/chromium-headless-shell ] || install chromium-headless-shell || true
if ! have_chromium; then
    # Ubuntu's package of this name only leads to a snap, which a container can't run.
    { ! grep -qi ubuntu /etc/os-release 2>/dev/null && install chromium; } \
        || [ -n "$ahead" ] \
        || { echo "Installing a Chromium for Playwright" && .venv/bin/playwright install chromium; } \
        || missing="$missing
  Chromium, for the browser tests: .venv/bin/playwright install --with-deps chromium"
fi
if ! { command -v promtool && command -v prometheus; } >/dev/null 2>&1; then
    install prometheus || missing="$missing
  Prometheus with promtool, for the tests of metrics and tiles: apt-get install prometheus, or brew install prometheus"
fi
# Debian keeps its programs in a folder a version, where tests/postgres.py looks too.
if ! { command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1; then
    install postgresql || missing="$missing
  PostgreSQL's server, for the tests of tiles: apt-get install postgresql, or brew install postgresql"
fi
# Only root has its folder on the PATH in places.
if ! PATH="$PATH:/usr/sbin" command -v nginx >/dev/null 2>&1; then
    install nginx-light || install nginx || missing="$missing
  nginx, for the tests behind a proxy: apt-get install nginx-light, or brew install nginx"
fi
# Homebrew keeps it off the PATH too.
if ! PATH="$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin" command -v rabbitmq-server >/dev/null 2>&1; then
    install rabbitmq-server || missing="$missing
  RabbitMQ's server, for the tests of queues: apt-get install rabbitmq-server, or brew install rabbitmq"
fi
if ! have_node && ! { install nodejs npm && have_node; }; then
    missing="$missing
  Node.js 18.19 or newer with npm, for the tests of clients: https://nodejs.org/en/download"
elif ! npm_packages; then
    missing="$missing
  the packages of tests/npm, which npm has to reach its registry for: npm ci --prefix tests/npm"
fi
earlier_rq || missing="$missing
  RQ 2, for the tests of queues: .venv/bin/python -m pip install --target .venv/rq2 --no-deps -r tests/rq2.txt"
if [ -n "$missing" ] && [ -z "$ahead" ]; then
    echo "make test needs what could not be installed here:$missing" >&2
    exit 1
fi
