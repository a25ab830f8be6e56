#!/bin/sh
# concepts.sh - what docs/concepts.md shows happens: its files on a real broker and a real host, its
# commands in order, what they print.
#
# ctest: timeout=180
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

page=$SOURCE_DIR/docs/concepts.md

cd "$dir" || exit 1
"$PYTHON" "$SOURCE_DIR/tests/support/run_page.py" --files "$page" "$dir" || exit 1
PATH=$(dirname "$ZINGQ"):$PATH
export PATH
start_broker
P=$port
export P
start_host
# The last subscription of all has taken something: a signal that names nothing is a dead letter.
probe() {
    pub -t 'zingq/signal/trips/%zz/probe' -m '1'
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
