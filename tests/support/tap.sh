#!/bin/sh
# tap.sh - for shell tests of the program: promises as TAP lines, commands with the status and the words
# they must end with. Sourced; wants $dir (a folder of the test's), and $count and $failed at 0.
# shellcheck disable=SC2154 # they are the test's

# ok SENTENCE COMMAND...: the promise, and what must succeed.
ok() {
    count=$((count + 1))
    sentence=$1
    shift
    if "$@"; then
        echo "ok $count $sentence"
    else
        failed=$((failed + 1))
        echo "not ok $count $sentence"
        show_failure
    fi
}

# What is shown of a promise that was not kept; a test may have its own.
show_failure() {
    sed 's/^/# out: /' "$dir/out"
    sed 's/^/# err: /' "$dir/err"
}

# must COMMAND...: what later promises rest on; without it there is nothing to test.
must() {
    "$@" || {
        echo "Bail out! $*"
        exit 1
    }
}

# ends STATUS COMMAND... / says STATUS PATTERN COMMAND... / complains STATUS PATTERN COMMAND...
ends() {
    wanted=$1
    shift
    "$ZINGQ" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [ "$got" -eq "$wanted" ] || {
        echo "# zingq $*: status $got, not $wanted"
        return 1
    }
}

says() {
    wanted=$1
    pattern=$2
    shift 2
    ends "$wanted" "$@" && grep -q -e "$pattern" "$dir/out"
}

complains() {
    wanted=$1
    pattern=$2
    shift 2
    ends "$wanted" "$@" && grep -q -e "$pattern" "$dir/err"
}
