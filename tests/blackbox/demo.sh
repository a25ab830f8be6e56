#!/bin/sh
# demo.sh - the flash sale of ./dev demo: all it promises holds, also when the host is killed again
# and again, and on two hosts; and whatever ends it, nothing of it stays behind.
# ctest: busy long timeout=400
set -eu

BUILD=$(dirname "$ZINGQ")
folder=$(mktemp -d /tmp/zingq-demo-test-XXXXXX)
export BUILD
demo=
sales=
# shellcheck disable=SC2086 # processes are words
trap '[ -z "$demo$sales" ] || kill $demo $sales 2>/dev/null; wait; rm -rf "$folder"' EXIT
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

# give_folder NAME: the demo's files go there.
give_folder() {
    TMPDIR=$folder/$1
    export TMPDIR
    mkdir "$TMPDIR"
}

# Terminated in the middle of the sale. The demo writes its first line when the sale has begun.
a_sale_that_is_stopped_leaves_nothing() {
    give_folder stopped
    mkfifo "$TMPDIR.out"
    "$SOURCE_DIR/tests/demo/run" >"$TMPDIR.out" 2>&1 &
    demo=$!
    exec 3<"$TMPDIR.out"
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

# start NAME OPTION...: a sale beside the others; most of it is waiting.
start() {
    give_folder "$1"
    shift
    "$SOURCE_DIR/tests/demo/run" --once "$@" >"$TMPDIR.out" 2>&1 &
    sales="$sales$! "
    folders="${folders:-} $TMPDIR"
}

sales_keep_their_promises() {
    for TMPDIR in $folders; do
        status=0
        wait "${sales%% *}" || status=$?
        sales=${sales#* }
        cat "$TMPDIR.out"
        [ "$status" -eq 0 ] || fail "the sale in $TMPDIR ended with $status"
        assert_nothing_is_left
    done
}

a_sale_that_is_stopped_leaves_nothing
start plain
start killed --kill
start hosts --hosts 2
start hosts_killed --hosts 2 --kill
sales_keep_their_promises
