#!/bin/sh
# handler_tests.sh - zingq test: what it says of tests that hold and of tests that do not, and that a
# handler whose effects a crash doubles is found. ctest: long
# The scripts that ship have tests of their own: see scripts/*_test.lua.
set -u

: "${ZINGQ:?}" "${SOURCE_DIR:?}"
. "$SOURCE_DIR/tests/support/temp_dir.sh"
dir=$(temp_dir handler-tests) || exit 1
trap 'rm -rf "$dir"' EXIT
unset TMPDIR
count=0
failed=0
. "$SOURCE_DIR/tests/support/tap.sh"
. "$SOURCE_DIR/tests/support/wait.sh"

# What tests write lies in memory; what is left of it is compared at the end.
left_behind() {
    find /dev/shm -maxdepth 1 -name 'zingq-test-*' 2>/dev/null | sort
}
before=$(left_behind)

# passed_so_far NUMBER: so often --watch has printed totals.
passed_so_far() {
    [ "$(grep -c 'passed' "$dir/watched")" -ge "$1" ]
}

watches() {
    "$ZINGQ" test --watch scripts/ledger_test.lua >"$dir/watched" 2>&1 &
    watcher=$!
    wait_for 20 passed_so_far 1 && cp scripts/shop.lua scripts/shop.new &&
        mv scripts/shop.new scripts/shop.lua && wait_for 20 passed_so_far 2
    seen=$?
    kill -INT "$watcher"
    wait "$watcher" && [ "$seen" -eq 0 ]
}

same_names() { # LISTED-BY-THE-PROGRAM PATTERN-IN-STUBS
    sed -n "$1" "$dir/listed" | sort -u >"$dir/program"
    sed -n "$2" "$SOURCE_DIR/docs/lua/test.lua" | sort -u >"$dir/editor"
    [ -s "$dir/program" ] && diff "$dir/program" "$dir/editor"
}

mkdir "$dir/scripts"
cp "$SOURCE_DIR/tests/blackbox/handler_tests/"*.lua "$dir/scripts/"
cat >"$dir/topics.conf" <<'END'
http { listen = "" }
vars { gateway = "http://gateway.example"  smtp_url = "smtp://127.0.0.1:25"  token = "env:NOT_SET_ANYWHERE" }
service "shop"   { subscribe = {"shop/order"}  handler = "shop.lua"  key = "json:/id"  secrets = {"token"} }
service "ledger" { subscribe = {"shop/sold"}   handler = "ledger.lua"  key = "json:/id" }
service "lines"  { subscribe = {"lines/#"}     handler = "lines.lua"  batch = 10 }
service "clumsy" { subscribe = {"clumsy/#"}    handler = "clumsy.lua" }
service "stock"  { subscribe = {"stock/#"}     handler = "stock.lua" }
database "store" { url = "env:NOT_SET_ANYWHERE" }
END
cd "$dir" || exit 1

ok "tests that hold end with status 0" says 0 '^[0-9]* passed' test scripts/shop_test.lua
ok "each is named, under its file" grep -q '✓ an order is charged and sold' out
ok "with crashes the same is seen, and each effect once" \
    says 0 'an order is charged and sold, also with [0-9]* crashes' test --crash-everywhere scripts/shop_test.lua
ok "a burst becomes a batch" says 0 '^1 passed, [0-9]* crashes' test --crash-everywhere scripts/lines_test.lua
ok "statements are answered, and zing.sql.once holds for every crash" \
    says 0 '^7 passed, [0-9]* crashes' test --crash-everywhere scripts/stock_test.lua
ok "a transaction that a crash doubles is found" \
    says 1 'sql store: zing.sql.once: 2 times instead of 1' test --crash-everywhere scripts/stock_clumsy_test.lua
ok "a statement that does not hold is told" says 1 ' 5 failed' test scripts/stock_wrong_test.lua
ok "without an answer with the one to give" \
    grep -q 't:sql("store", "select price, tags from items where id = .1", {rows = {}})' out
ok "with an answer that no database gives" grep -q '"status": the answer of a database has rows' out
ok "with a value that has no column" grep -q 'row 2 has "prize", and columns does not' out
ok "with a SQLSTATE that is none" grep -q 'sqlstate is a text of five digits and capital letters' out
ok "that was missed with those that were executed" grep -q '^ *sql store: select price' out
export NOT_SET_ANYWHERE=postgres://x/y
ok "a dry run may be given rows, too" says 0 'would publish *store/left.*"left":4' \
    try stock stock/order --payload '{"item":"pen"}' --answers /dev/fd/3 3<<'END'
[{"rows": [{"price": "9.90", "tags": ["new"]}]}, {"rows": [{"result": null}]}, {"count": 1},
 {"rows": [{"stock": 4}]}, {"count": 1}]
END
ok "and errors" says 0 'would publish *store/noted *known' \
    try stock stock/note --payload '{"id":1}' --answers /dev/fd/3 3<<'END'
[{"sqlstate": "23505"}]
END
ok "but no answer of a web server" says 1 '"status": the answer of a database has rows' \
    try stock stock/note --payload '{"id":1}' --answers /dev/fd/3 3<<'END'
[{"status": 200}]
END
unset NOT_SET_ANYWHERE
ok "for programs there are formats of their own" complains 2 'there are --tap and --junit' test --json
ok "--name runs some of them" says 0 '^1 passed' test --name 'charged and sold' scripts/shop_test.lua
ok "one that does not hold ends with status 1" says 1 ' 5 failed' test scripts/wrong_test.lua
ok "a wrong payload is shown as a difference" grep -q '^    + *amount = 4200,$' out
ok "with the line of the test" grep -q '^    > *10 |   t:published' out
ok "a call without an answer says how to give one" grep -q 't:http("POST", "/v1/charges", {status = 200' out
ok "a missing publish says what became of the event" \
    grep -q 'shop/order (shop): retrying, attempt 1: the gateway says 500' out
ok "a topic that nobody subscribes to is named, with those that are" \
    grep -q 'subscribes to "shop/orders" (shop: shop/order)' out
ok "an error in the test has its line" grep -q "scripts/wrong_test.lua:29: attempt to index a nil value" out
ok "what the handler logged stands below" grep -q 'info  handler: charging' out

ok "a handler that is good for every crash but one passes without" says 0 '^1 passed' test scripts/clumsy_test.lua
ok "and is found with them" says 1 'took effect' test --crash-everywhere scripts/clumsy_test.lua
ok "with what it did twice, and the crash that made it" \
    grep -q 'POST http://gateway.example/once: 2 times instead of 1' out

ok "--tap is TAP" says 1 '^not ok [0-9]* - scripts/wrong_test.lua: a wrong payload' test --tap scripts/wrong_test.lua
ok "with its plan" grep -q '^1\.\.5$' out
ok "--junit writes XML that parses" ends 1 test --junit "$dir/out.xml" scripts/wrong_test.lua
ok "and counts" "${PYTHON:-python3}" - "$dir/out.xml" <<'END'
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()
cases = suite.findall("testcase")
sys.exit(not (suite.get("failures") == "5" == str(len(cases)) and all(c.find("failure") is not None for c in cases)))
END

ok "a service that does not exist is named, with those that do" \
    says 1 'no service "shopp".*its services: shop, ledger, lines, clumsy, stock' test scripts/unknown_test.lua
ok "a test that never ends is ended" \
    says 1 'the test takes longer than 1 s' test --timeout 1s scripts/endless_test.lua
ok "a file that is not Lua is a failure" says 1 'expected near <eof>' test scripts/torn_test.lua
mkfifo scripts/pipe_test.lua
ok "a pipe is a failure, and not waited for" \
    says 1 'it is not a regular file' test scripts/pipe_test.lua
rm scripts/pipe_test.lua
ok "no tests are no success" complains 1 'has no file whose name ends in _test.lua' test "$dir"
# first LANGUAGE FILE: the first block of that language in a page.
first() {
    awk -v begin="\`\`\`$1" '
        /^```/ && open { if (on) exit; open = 0; next }
        /^```/ { open = 1; on = $0 == begin; next }
        on' "$SOURCE_DIR/$2"
}
mkdir -p page/scripts
first lua README.md >page/scripts/sale.lua
first lua docs/testing.md >page/scripts/sale_test.lua
{
    first conf README.md
    echo 'vars { gateway_url = "http://gateway.example" }'
} >page/topics.conf
ok "the example of docs/testing.md holds for the handler of README.md" \
    says 0 '^2 passed, 12 crashes' test --crash-everywhere -c page/topics.conf

"$ZINGQ" test scripts/names_test.lua >listed 2>&1
ok "editors know what a world can do" same_names 's/^t:\([a-z_]*\)$/\1/p' 's/^function Kit:\([a-z_]*\)(.*/\1/p'
ok "and what test has" same_names 's/^test.\([a-z_]*\)$/\1/p' \
    's/^function test\.\([a-z_]*\)(.*/\1/p; /^---@class test$/,/^test/s/^---@field \([a-z_]*\) .*/\1/p'
ok "--watch runs them again when a script is saved, and ends with Ctrl-C" watches
ok "nothing is left behind" test "$before" = "$(left_behind)"

echo "1..$count"
exit $((failed > 0))
