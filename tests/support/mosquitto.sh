#!/bin/sh
# mosquitto.sh - for shell tests: a Mosquitto, and ports. Sourced, behind wait.sh.

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # Debian's mosquitto; a user's PATH may lack it

# Remembered, as a test may put another $ZINGQ in its place.
bench_port=$(dirname "$ZINGQ")/tests/bench/bench_port

# A port that is kept for the test a minute long: support/port.h.
free_port() {
    "$bench_port"
}

# run_mosquitto LOG WORD...: a Mosquitto with these arguments, its output behind LOG; $broker is its
# process. Waits until it runs, fails when it does not; while its port is taken, tries again. It must log
# notices.
run_mosquitto() {
    mosquitto_log=$1
    shift
    mosquitto_tries=30
    : >>"$mosquitto_log"
    while :; do
        mosquitto_before=$(wc -l <"$mosquitto_log")
        mosquitto "$@" >>"$mosquitto_log" 2>&1 &
        broker=$!
        wait_for 20 mosquitto_runs_or_has_ended
        mosquitto_said 'Address already in use' || break
        mosquitto_tries=$((mosquitto_tries - 1))
        [ "$mosquitto_tries" -gt 0 ] || break
        sleep 1
    done
    mosquitto_said ' running$'
}

# Since it was started.
mosquitto_said() {
    tail -n "+$((mosquitto_before + 1))" "$mosquitto_log" | grep -q -e "$1"
}

# shellcheck disable=SC2317 # called by wait_for
mosquitto_runs_or_has_ended() {
    mosquitto_said ' running$' || ! kill -0 "$broker"
}
