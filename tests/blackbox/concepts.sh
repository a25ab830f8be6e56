#!/bin/sh
# concepts.sh - what docs/concepts.md shows happens: its files on a real broker and a real host, its
# commands in order, what they print.
#
# ctest: timeout=180
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/wait.sh
. "$SOURCE_DIR/tests/support/wait.sh"

page=$SOURCE_DIR/docs/concepts.md
dir=$(mktemp -d)
host=
broker=

# shellcheck disable=SC2317 # called by the trap
end() {
    [ -z "$host" ] || kill -9 "$host" 2>/dev/null
    [ -z "$broker" ] || kill -9 "$broker" 2>/dev/null
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 1' INT TERM

cd "$dir" || exit 1
P=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export P
"$PYTHON" "$SOURCE_DIR/tests/support/run_page.py" --files "$page" "$dir" || exit 1
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$P" >broker.conf
PATH=$(dirname "$ZINGQ"):$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH
mosquitto -c broker.conf >broker.log 2>&1 &
broker=$!
wait_for 10 mosquitto_pub -V 5 -p "$P" -t ready -n
zingq run --broker "mqtt://127.0.0.1:$P" >host.log 2>&1 &
host=$!
is_ready() {
    zingq status --json | jq -e .host.ready
}
wait_for 20 is_ready || {
    cat host.log
    echo "Bail out! the host does not start"
    exit 1
}
# The last subscription of all has taken something: a signal that names nothing is a dead letter.
probe() {
    mosquitto_pub -V 5 -q 1 -p "$P" -t 'zingq/signal/trips/%zz/probe' -m '1'
    zingq dlq list --service trips | grep -q 'hex digits'
}
wait_for 20 probe || {
    cat host.log
    echo "Bail out! the host takes no messages"
    exit 1
}
"$PYTHON" "$SOURCE_DIR/tests/support/run_page.py" "$page" "$dir" || {
    cat host.log
    exit 1
}
