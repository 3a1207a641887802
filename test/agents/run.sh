#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# run.sh BELAY PRESET AGENT - runs agents-test.mjs, or says by name why it is skipped.
node=$(command -v node) || {
    echo "1..0 # SKIP node is not installed; tools/deps check installs it"
    exit 0
}
exec "$node" "$(dirname "$0")/agents-test.mjs" "$@"
