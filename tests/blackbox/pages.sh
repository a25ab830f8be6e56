#!/bin/sh
# pages.sh - what the walks of the documentation show happens: every file and command of a page in order, and what
# it prints; and the book of all pages is made without a warning.
#
# ctest: timeout=180
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
PATH=$(dirname "$ZINGQ"):$PATH
export PATH

# follows PAGE [--set OLD=NEW]...: in a folder of its own. Its TAP is that of the page: only the verdict is ours.
follows() {
    page=$1
    shift
    mkdir "$dir/$page" && "$PYTHON" "$SOURCE_DIR/tests/support/run_page.py" "$@" \
        "$SOURCE_DIR/docs/$page.md" "$dir/$page" >"$dir/out" 2>"$dir/err"
}

book() {
    (cd "$SOURCE_DIR" && mkdocs build --quiet --site-dir "$dir/book") >"$dir/out" 2>"$dir/err"
}

ok "the tutorial: a handler that calls an API, and its test" follows tutorial
ok "TLS and client certificates: set up, broken, mended" \
    follows tls --set "8883=$(free_port)" --set "8884=$(free_port)"
ok "a backup, restored elsewhere" follows backup
ok "two hosts that divide the keys" follows two-hosts --set "1883=$(free_port)"
if mkdocs build --help 2>/dev/null | grep -q -w material; then
    ok "./dev docs: each page, and each link to a page or a heading, is there" book
else
    count=$((count + 1))
    echo "ok $count # skipped: the book (no mkdocs here; ./dev docs installs it)"
fi

echo "1..$count"
exit "$failed"
