#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# forks.sh DEPTH FILE - a fork bomb with an end: every process makes two more, DEPTH times, so
# 2^(DEPTH+1)-1 of them. Each adds one line to FILE; the last ones stay a moment, so that all
# stand at once.
grow() {
    echo x >>"$2"
    if [ "$1" -eq 0 ]; then
        exec sleep 2
    fi
    grow $(($1 - 1)) "$2" &
    grow $(($1 - 1)) "$2" &
    wait
}
grow "$1" "$2"
