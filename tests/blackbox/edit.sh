#!/bin/sh
# edit.sh - a dead letter's payload is corrected: it runs under the key of the new one, its refused call is
# made under another Idempotency-Key, and the operator is told both.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # $ in Lua and jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# A gateway that honours Idempotency-Keys as Stripe does: another body under a known key is a 400.
start_gateway() {
    serve gateway.port <<'PEER'
import http.server
answers = {}
class Peer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Idempotency-Key"]
        before = answers.setdefault(key, (body, 402 if b'"amount":1}' in body else 200))
        self.send_response(before[1] if before[0] == body else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()
PEER
}

count_is() { # N BOOK
    [ "$("$ZINGQ" status --json | jq ".services[0].$2")" = "$1" ]
}

cd "$dir" || exit 1
mkdir scripts
start_gateway
cat >topics.conf <<CONF
http { listen = "" }
vars { gateway = "http://127.0.0.1:$(cat gateway.port)" }
service "seats" { subscribe = {"seat"} handler = "seats.lua" key = "json:/seat" retries = 0 }
CONF
cat >scripts/seats.lua <<'LUA'
return function(event)
  zing.step("look", function() zing.state.incr("looked") end)
  local answer = zing.http.post(zing.config.gateway .. "/charge", {json = {amount = event.json.amount}})
  if answer.status ~= 200 then zing.reject("the gateway says " .. answer.status) end
  zing.state.set("sold_to", event.json.who)
end
LUA
start_broker
start_host
pub -t seat -m '{"seat":"A1","who":"ada","amount":1}'
ok "a refused charge is a dead letter" wait_for 20 count_is 1 dead
id=$("$ZINGQ" dlq list --json | jq -r '.[0].id')
ok "a payload without a key is refused" complains 2 'no value at /seat' dlq edit "$id" --payload '{"who":"ada"}'
ok "edit tells the new key" says 0 '^its key is now "A2", no longer "A1"' \
    dlq edit "$id" --payload '{"seat":"A2","who":"ada","amount":500}'
ok "edit tells which calls get new keys" grep -q 'new Idempotency-Keys: POST http' out
ok "edit names the steps whose results stay" grep -q 'finished steps stay: look$' out
ok "replay names them, too" says 0 'finished steps stay: look$' dlq replay "$id"
ok "the edited event is charged" wait_for 20 count_is 1 "done"
ok "the seat that was meant is sold" says 0 '"ada"' state get seats A2 sold_to --json
ok "the other one is not" ends 1 state get seats A1 sold_to
echo "1..$count"
[ "$failed" -eq 0 ]
