#!/bin/sh
# reference.sh [--write] - the reference in docs/ is what the sources say: options, commands and Lua calls are
# made of their tables, metrics, routes and error messages stand there under their names. --write mends the pages
# that are made.
#
# ctest: timeout=60
# shellcheck disable=SC2317 # ok calls functions
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${SOURCE_DIR:=$(pwd)}" "${ZINGQ:=$(pwd)/build/zingq}" "${PYTHON:=/usr/bin/python3}"
# shellcheck source=tests/support/temp_dir.sh
. "$SOURCE_DIR/tests/support/temp_dir.sh"
# shellcheck source=tests/support/tap.sh
. "$SOURCE_DIR/tests/support/tap.sh"
dir=$(temp_dir reference)
trap 'rm -rf "$dir"' EXIT
count=0
failed=0
: >"$dir/err"


# made_of PAGE COMMAND...: the page ends with what the command prints.
made_of() {
    page=$1
    shift
    sed '/^<!-- Below: made of/q' "$page" >"$dir/page" && "$@" >>"$dir/page" || return 1
    if [ "$write" = yes ]; then
        cp "$dir/page" "$page"
    fi
    diff -u "$page" "$dir/page" >"$dir/out" && return 0
    echo "mend it with: sh tests/blackbox/reference.sh --write" >>"$dir/out"
    return 1
}

agree() {
    "$PYTHON" tests/support/reference.py "$1" "$SOURCE_DIR" >"$dir/out"
}

write=no
[ "${1:-}" != --write ] || write=yes
ok "docs/options.md has the options of topics.conf" made_of docs/options.md "$ZINGQ" manual options
ok "docs/commands.md has the commands" made_of docs/commands.md "$ZINGQ" manual commands
ok "docs/lua-reference.md has the Lua API" \
    made_of docs/lua-reference.md "$PYTHON" tests/support/reference.py lua docs/lua/zing.lua docs/lua/test.lua
ok "docs/monitoring.md has the metrics, and no others" agree metrics
ok "docs/http.md has the routes of the API" agree routes
ok "the messages of docs/errors.md are those of the program" agree errors

echo "1..$count"
exit "$failed"
