#!/bin/sh
# roles.sh - requests by chance, by every role, to every route that docs/http.md has: who may not, is
# refused, and the audit log has what the others changed, once, and nothing else.
#
# ZINGQ_TEST_SEED asks for another order, ZINGQ_TEST_ROUNDS for more requests.
#
# ctest: timeout=120
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:=python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function(event) if event.payload == "{}" then zing.reject("as told") end end' >scripts/h.lua
door=$(free_port)
start_broker
cat >topics.conf <<END_CONF
store { path = "data" }
http { listen = "127.0.0.1:$door" token = "the-admin-of-this-host" }
token "reader" { value = "reads-and-nothing-else" role = read }
token "shop" { value = "posts-and-nothing-else" role = submit }
token "shift" { value = "operates-and-no-more" role = operate }
service "jobs" { subscribe = {"jobs"} handler = "h.lua" }
endpoint "/api/order" { publish = "jobs" auth = token }
END_CONF
start_host
ok "each request is answered as its role allows, and each change is on record once" \
    "$PYTHON" "$SOURCE_DIR/tests/blackbox/roles.py" "$door" "$SOURCE_DIR/docs/http.md" data/audit.jsonl

echo "1..$count"
[ "$failed" -eq 0 ]
