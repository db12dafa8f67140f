#!/bin/sh
# Runs a script of this folder with a Python 3.11 or newer: python.sh SCRIPT [ARGUMENT…]. No .venv is needed for it.
set -eu
cd "$(dirname "$0")/.."

works() {
    "$1" -c 'import sys, ctypes, sqlite3, ssl, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-} python3.11 python3 python3.12 python3.13 python3.14 /usr/bin/python3; do
        if works "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

if ! python=$(find_python); then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "No Python 3.11 or newer here: installing Debian's." >&2
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q </dev/null >&2
        apt-get install -y -q --no-install-recommends python3 python3-venv </dev/null >&2
    fi
    if ! python=$(find_python); then
        echo "setup: no Python 3.11 or newer was found. Install one (Debian 12: apt-get install python3 python3-venv)," >&2
        echo "       or name it: make setup PYTHON=/path/to/python3" >&2
        exit 1
    fi
fi
script=$1
shift
exec "$python" -I ".setup/$script" "$@"
