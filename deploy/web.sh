#!/bin/sh
# What a platform (Heroku, Railway) starts. It is behind that platform's one proxy, and reached from outside.
set -eu
export HEADWAY_HOST="${HEADWAY_HOST:-0.0.0.0}"
export HEADWAY_TRUSTED_HOPS="${HEADWAY_TRUSTED_HOPS:-1}"

# Heroku's Redis speaks TLS with a certificate that it signed itself, inside Heroku's own network.
if [ -n "${DYNO:-}" ]; then
    case "${REDIS_URL:-}" in
        *ssl_cert_reqs=*) ;;
        rediss://*\?*) export REDIS_URL="$REDIS_URL&ssl_cert_reqs=none" ;;
        rediss://*) export REDIS_URL="$REDIS_URL?ssl_cert_reqs=none" ;;
    esac
fi

exec gunicorn
