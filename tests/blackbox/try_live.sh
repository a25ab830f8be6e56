#!/bin/sh
# try_live.sh - zingq try --live: the calls of a handler are really made, as its host would make them, and nothing
# is stored or published.
#
# ctest: timeout=60
# shellcheck disable=SC2016 # $ in jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# Writes each request's method, path and key to the file "asked"; /slow never answers.
start_api() {
    serve api.port <<'PEER'
import http.server, threading
class Peer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with open("asked", "a") as asked:
            print(self.command, self.path, self.headers.get("Idempotency-Key"), file=asked)
        if self.path == "/slow":
            threading.Event().wait()
        answer = b'{"price": 42}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    do_GET = do_POST
PEER
}

api_was_asked() { # TIMES PATTERN
    [ "$(grep -c "$2" asked)" -eq "$1" ]
}

cd "$dir" || exit 1
mkdir scripts
start_api
cat >topics.conf <<CONF
http { listen = "" }
store { path = "data" }
vars { api = "http://127.0.0.1:$(cat api.port)" }
egress { allow = {"127.0.0.1"} }
service "orders" { subscribe = {"order/+"}  handler = "orders.lua"  timeout = "500ms" }
CONF
cat >scripts/orders.lua <<'LUA'
local orders = {}
orders["order/new"] = function()
  local offer = zing.step("offer", function() return zing.http.post(zing.config.api .. "/offer", {body = "x"}).json() end)
  local more = zing.http.get(zing.config.api .. "/more", {headers = {Authorization = "hidden-token"}})
  zing.state.set("price", offer.price)
  zing.publish("order/done", {price = offer.price, more = more.json().price})
end
orders["order/slow"] = function() zing.http.get(zing.config.api .. "/slow") end
orders["order/away"] = function() zing.http.get("http://127.0.0.2:9/") end
return orders
LUA
: >asked

ok "without it a handler stops at its first call" says 0 'would POST .*/offer' try orders order/new
ok "which is not made" api_was_asked 0 .
ok "with it the handler runs to its end" \
    says 0 'would publish .*"more":42' try orders order/new --live
ok "its calls are shown as they are made" test "$(grep -c -e '^live: ' -e '^answered: 200$' out)" -eq 4
ok "that calls are made is said" grep -q 'are really made' err
ok "as is that nothing else happened" grep -q '2 calls were really made; nothing was stored or published' out
ok "the peer got the key that is shown" \
    eval 'grep -q "POST /offer $(sed -n "s/^ *Idempotency-Key: //p" out)$" asked'
ok "what it answered is shown" grep -q '  {"price": 42}' out
ok "a secret is not" test "$(grep -c hidden-token out)" -eq 0
ok "no store was made" test ! -e data
ok "another try is another event, with keys of its own" ends 0 try orders order/new --live --json
ok "so the peer was asked twice" test "$(sort -u asked | grep -c '^POST /offer ')" -eq 2
ok "for programs the calls stand beside the effects" \
    jq -e '.outcome == "done" and [.calls[] | .method + " \(.answer.status)"] == ["POST 200", "GET 200"]' out
ok "a call may take what is left of the attempt's time" \
    says 1 'timed out: the attempt took longer than 500 ms' try orders order/slow --live
ok "and was made" api_was_asked 1 /slow
ok "rules for outgoing calls hold" says 1 'egress { allow }' try orders order/away --live
ok "answers are given, or calls are made" complains 2 'either --answers or --live' \
    try orders order/new --live --answers /dev/null
ok "a dead letter has none: its host must know of what is done under its key" complains 2 'unknown option --live' \
    dlq try 0192f0c1 --live
echo "1..$count"
[ "$failed" -eq 0 ]
