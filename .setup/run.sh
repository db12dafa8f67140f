#!/bin/sh
# Runs a command of the project with the libraries that setup unpacked without root rights, if it had to.
set -eu
local_environment="$(dirname "$0")/../.local/environment.sh"
if [ -f "$local_environment" ]; then
    # shellcheck source=/dev/null
    . "$local_environment"
fi
exec "$@"
