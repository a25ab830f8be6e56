#!/bin/sh
# wait.sh - for shell tests: waiting for a condition, because a nap is too short on a slow machine
# and too long on every other. Sourced.

# wait_for SECONDS COMMAND... - until the command succeeds; fails when the time is up. The seconds are
# those of a quiet machine: a busy one gets three times as long.
wait_for() {
    wait_steps=$(($1 * 60))
    shift
    while ! "$@" >/dev/null 2>&1; do
        wait_steps=$((wait_steps - 1))
        [ "$wait_steps" -gt 0 ] || return 1
        sleep 0.05
    done
}
