#!/bin/sh
# snippets.sh - what README.md and docs/ show is understood by the program: Lua compiles and calls what there is,
# topics.conf is good, commands and their options are there.
#
# ctest: timeout=120
# ctest: long
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/temp_dir.sh
. "$SOURCE_DIR/tests/support/temp_dir.sh"
# shellcheck source=tests/support/tap.sh
. "$SOURCE_DIR/tests/support/tap.sh"
dir=$(temp_dir snippets)
trap 'rm -rf "$dir"' EXIT
count=0
failed=0
: >"$dir/err"
mkdir "$dir/good" "$dir/wrong" "$dir/repo" "$dir/repo/docs"

understood() {
    "$PYTHON" "$SOURCE_DIR/tests/support/snippets.py" "$1" "$ZINGQ" "$2" >"$dir/out" 2>"$dir/err"
}

# finds PATTERN: in a page with mistakes.
finds() {
    grep -q -e "$1" "$dir/out"
}

ok "every block and command of the documentation" understood "$SOURCE_DIR" "$dir/good"
grep '^#' "$dir/out"

cp "$SOURCE_DIR/dev" "$dir/repo/"
: >"$dir/repo/README.md"
cat >"$dir/repo/docs/wrong.md" <<'END_PAGE'
```lua
zing.publsh("a", 1)
```

```lua
local a = = 1
```

    service "s" { subscribe = {"a"}  handler = "s.lua"  retires = 3 }

Run `zingq statos`, or `zingq status --trns`, or `./dev tset`.
END_PAGE
refused() {
    ! understood "$dir/repo" "$dir/wrong"
}
ok "mistakes fail" refused
for mistake in 'wrong.md:1: .*publsh' 'wrong.md:5: ' 'wrong.md:9: .*retires' 'no command: zingq statos' 'has no --trns' \
    'no ./dev tset'; do
    ok "found: $mistake" finds "$mistake"
done

echo "1..$count"
exit "$failed"
