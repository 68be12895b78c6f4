#!/bin/sh
# Installs the browser that tests/end_to_end/test_web_page.py drives. Debian and Ubuntu, as root.
set -eu
if command -v chromium google-chrome >/dev/null 2>&1; then
    echo "a browser is installed already"
elif command -v apt-get >/dev/null 2>&1; then
    apt-get update
    apt-get install -y --no-install-recommends chromium
else
    echo "error: expected apt-get, found none; install Chromium the way your system does" >&2
    exit 1
fi
