#!/bin/sh
# demo.sh - the flash sale of ./dev demo: all it promises holds, also when the host is killed again
# and again, and on two hosts; and whatever ends it, nothing of it stays behind.
# ctest: serial timeout=400
set -eu

BUILD=$(dirname "$ZINGQ")
TMPDIR=$(mktemp -d /tmp/zingq-demo-test-XXXXXX)
export BUILD TMPDIR
demo=
trap '[ -z "$demo" ] || kill -9 "$demo" 2>/dev/null; rm -rf "$TMPDIR"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# All programs of the demo have its folder among their arguments.
assert_nothing_is_left() {
    [ -z "$(ls -A "$TMPDIR")" ] || fail "files are left: $(ls -R "$TMPDIR")"
    left=$(pgrep -af "$TMPDIR/zingq-demo" || true)
    [ -z "$left" ] || fail "programs are left: $left"
}

a_sale_keeps_its_promises() {
    "$SOURCE_DIR/tests/demo/run" --once "$@" || fail "run --once $* ended with $?"
    assert_nothing_is_left
}

# Terminated in the middle of the sale. The demo writes its first line when the sale has begun.
a_sale_that_is_stopped_leaves_nothing() {
    mkfifo "$TMPDIR.out"
    "$SOURCE_DIR/tests/demo/run" >"$TMPDIR.out" 2>&1 &
    demo=$!
    exec 3<"$TMPDIR.out"
    rm "$TMPDIR.out"
    while read -r line <&3; do
        case $line in
        '1 s '*) break ;;
        esac
    done
    kill -TERM "$demo"
    status=0
    wait "$demo" || status=$?
    demo=
    exec 3<&-
    [ "$status" -eq 143 ] || fail "a stopped sale ended with $status"
    assert_nothing_is_left
}

a_sale_that_is_stopped_leaves_nothing
a_sale_keeps_its_promises
a_sale_keeps_its_promises --kill
a_sale_keeps_its_promises --hosts 2
a_sale_keeps_its_promises --hosts 2 --kill
