#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# install.sh - puts the agents under test into a cache folder and prints that folder.
#
# The versions are fixed, so a test says the same today and next year. Install scripts do not
# run: both packages hold a finished program. A folder that is already complete is reused; two
# runs at the same time wait for one another.
#
# Environment: BELAY_TEST_AGENTS the folder (default: ${XDG_CACHE_HOME:-~/.cache}/belay-test/agents)
# Exit status: 0 ready; 77 cannot be had here, the reason on standard error.
set -eu

claude_version=2.1.330
codex_version=0.169.0

skip() {
    echo "install.sh: $*" >&2
    exit 77
}

folder=${BELAY_TEST_AGENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/belay-test/agents}
case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) skip "the agents have no package for $(uname -m)" ;;
esac
wanted="claude $claude_version codex $codex_version $arch"
ready() { [ "$(cat "$folder/ready" 2>/dev/null)" = "$wanted" ]; }

if ! ready; then
    command -v npm >/dev/null || skip "npm is not installed; tools/deps check installs it"
    mkdir -p "$folder"
    exec 9>"$folder/lock"
    flock -w 300 9 || skip "another installation holds $folder/lock for five minutes"
fi
if ! ready; then
    rm -rf "$folder/ready" "$folder/node_modules" "$folder/package-lock.json"
    echo '{ "private": true }' >"$folder/package.json"
    echo "install.sh: fetching Claude Code $claude_version and Codex $codex_version from npm" >&2
    (
        cd "$folder"
        timeout 280 npm install --ignore-scripts --no-audit --no-fund --no-update-notifier \
            --loglevel error --save-exact --fetch-retries 1 --fetch-retry-maxtimeout 10000 \
            "@anthropic-ai/claude-code-linux-$arch@$claude_version" "@openai/codex@$codex_version"
    ) >"$folder/npm.log" 2>&1 || skip "npm cannot install the agents: $(grep -m 1 -iE 'err!?.*(code|reason|network|fail)' \
        "$folder/npm.log" || tail -n 1 "$folder/npm.log")"
    echo "$wanted" >"$folder/ready"
fi
echo "$folder"
