#!/bin/sh
# durable.sh - steps, waits, signals and sagas on the real program: signals by MQTT, HTTP and command,
# kill -9 of the host while it waits and while it undoes, and what a person sees and does then.
#
# ctest: timeout=120
# shellcheck disable=SC2016,SC2317 # what sh -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# A peer that answers a POST to /x with what the file status.x says, else
# 200, and writes down path, Idempotency-Key and status.
start_peer() {
    serve peer.port <<'PEER'
import http.server
class Peer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            status = int(open("status" + self.path.replace("/", ".")).read())
        except FileNotFoundError:
            status = 200
        with open("asked", "a") as asked:
            asked.write(f"{self.path} {self.headers['Idempotency-Key']} {status}\n")
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
PEER
}

order() { # KEY HOW
    pub -t "order/$2" -m "{\"id\":\"$1\"}" \
        -D publish user-property idempotency-key "$1"
}

state_is() { # KEY STATE
    [ "$("$ZINGQ" trace orders "$1" --json 2>/dev/null | jq -r '.events[-1].state')" = "$2" ]
}

event_of() { # KEY
    "$ZINGQ" trace orders "$1" --json | jq -r '.events[-1].id'
}

asked() { # TIMES PATH: with how many different keys
    [ "$(grep "^$2 " asked 2>/dev/null | cut -d ' ' -f 2 | sort -u | wc -l)" -eq "$1" ]
}

cd "$dir" || exit 1
mkdir scripts
: >asked
start_broker
start_peer
cat >topics.conf <<CONF
http { listen = "unix:$dir/front.sock" }
vars { peer = "http://127.0.0.1:$(cat peer.port)" }
service "orders" {
  subscribe = {"order/+"}  handler = "orders.lua"  key = "json:/id"
  retries = 2  delay = "50ms"  jitter = 0  crashes = 0
}
CONF
cat >scripts/orders.lua <<'LUA'
local function ask(what)
  return function()
    local r = zing.http.post(zing.config.peer .. "/" .. what)
    if r.status >= 400 then error("the peer says " .. r.status) end
    zing.state.incr(what)
    return what
  end
end
local orders = {}
orders["order/paid"] = function(event)
  zing.step("hold", ask("hold"))
  local value, why = zing.wait("paid", "1h")
  zing.step("ship", ask("ship"))
  zing.publish("shipped/" .. event.key, value or why)
end
orders["order/bad"] = function(event)
  local saga = zing.saga()
  saga:step("hold", ask("hold"), ask("free"))
  saga:step("charge", ask("charge"), ask("refund"))
  zing.reject("sold out")
end
orders["order/slow"] = function(event)
  local saga = zing.saga()
  saga:step("hold", ask("hold"), ask("free"))
  zing.sleep("30d")
end
return orders
LUA
start_host

# --- waits ---

order a paid
ok "a waiting handler sleeps" wait_for 10 state_is a sleeping
ok "and says what for" says 0 'waits for the signal "paid"' keys show orders a
ok "also for programs, and in the list of several hosts" eval '[ "$("$ZINGQ" keys list --json | jq -r ".[0].signal")" = paid ]'
kill_host
start_host
ok "it is still waiting after kill -9" wait_for 10 state_is a sleeping
pub -t zingq/signal/orders/a/paid -m '{"by":"mqtt"}'
ok "a signal by MQTT ends it" wait_for 10 state_is a 'done'
ok "each step was asked for once" asked 1 /hold
ok "trace shows its steps" says 0 'step hold: done' trace orders a
ok "and the signal's value" says 0 '"by": *"mqtt"' trace orders a
ok "and its calls with their keys" says 0 'call POST .*/ship: settled 200.* key orders-.*:ship' trace orders a

signal() { # KEY
    curl -sS -o out -w '%{http_code}\n' -X POST --unix-socket front.sock -d '"web"' \
        -H 'Idempotency-Key: evt_1' "http://localhost/api/signals/orders/$1/paid" >code
    grep -q 202 code
}
ok "a webhook may come before its order" signal b
ok "and twice" signal b
ok "it is kept, and seen" says 0 'kept signal  paid  "web", until' keys show orders b
order b paid
ok "the order finds it" wait_for 10 state_is b 'done'
nothing_kept() {
    ends 0 keys show orders b && ! grep -q 'kept signal' out
}
ok "the second one was none" nothing_kept

order c paid
must wait_for 10 state_is c sleeping
ok "a person can signal" ends 0 signal orders c paid '"by hand"'
ok "which ends the wait" wait_for 10 state_is c 'done'
ok "an unknown service is told" complains 1 'no service "nobody"' signal nobody c paid

# --- sagas ---

: >asked
order d bad
ok "what fails for good is undone" wait_for 10 state_is d dead
ok "the charge was given back" asked 1 /refund
ok "and then the seat" sh -c 'tail -n 2 asked | head -n 1 | grep -q refund && tail -n 1 asked | grep -q free'
ok "trace says that it is undone" says 0 'saga step charge: done.*-> undone' trace orders d

echo 500 >status.refund
: >asked
order e bad
ok "a compensation that fails for good needs a person" wait_for 20 state_is e needs-person
id=$(event_of e)
ok "the dead letter says what is not undone" says 0 '-> NOT undone' dlq show "$id"
ok "so does its reason" says 0 'not undone: charge, hold; it failed as: sold out' dlq show "$id"
ok "it is counted" sh -c '"$ZINGQ" status --json | jq -e ".services[0].needs_person == 1"'
ok "it is not let go by the way" complains 1 'without-compensation' dlq discard "$id"
kill_host
rm status.refund
start_host
ok "replayed it goes on undoing" ends 0 dlq replay "$id"
ok "until nothing is open" wait_for 20 state_is e dead
ok "under one key each" asked 1 /refund

# --- cancelling ---

order f slow
ok "an order sleeps" wait_for 10 state_is f sleeping
id=$(event_of f)
ok "a saga that has done something is not cancelled by the way" complains 1 'compensate' cancel "$id"
ok "with --compensate it is undone" ends 0 cancel "$id" --compensate
ok "and discarded" wait_for 10 state_is f discarded

echo "1..$count"
exit "$failed"
