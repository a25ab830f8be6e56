#!/bin/sh
# retry_after.sh - a peer says when to come again, by seconds or by a date, and the service does; what a rate
# or a throttle forbids, a restart does not allow.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # $ in Lua and jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# The first request to each path gets 429: /seconds and /throttle with a number, /date with a date, /hour
# with a number that is an hour.
start_gateway() {
    serve gateway.port <<'PEER'
import email.utils, http.server, time
seen = set()
class Peer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        first = self.path not in seen
        seen.add(self.path)
        self.send_response(429 if first else 200)
        if first and self.path == "/date":
            self.send_header("Retry-After", email.utils.formatdate(time.time() + 2, usegmt=True))
        elif first:
            self.send_header("Retry-After", "3600" if self.path == "/hour" else "1")
        self.send_header("Content-Length", "0")
        self.end_headers()
PEER
}

count_is() { # N SERVICE BOOK
    [ "$("$ZINGQ" status --json | jq ".services[] | select(.name == \"$2\") | .$3")" = "$1" ]
}

cd "$dir" || exit 1
mkdir scripts
start_gateway
cat >topics.conf <<CONF
http { listen = "" }
vars { gateway = "http://127.0.0.1:$(cat gateway.port)" }
service "calls" { subscribe = {"call/+"} handler = "calls.lua" retries = 1 delay = "1h" jitter = 0 backoff = "constant" }
service "holds" { subscribe = {"hold/+"} handler = "calls.lua" }
service "slow"  { subscribe = {"slow"} handler = "none.lua" rate = "1/h" }
CONF
cat >scripts/calls.lua <<'LUA'
return function(event)
  local name = event.topic:match("[^/]*$")
  local answer = zing.http.post(zing.config.gateway .. "/" .. name, {body = "x"})
  if answer.status == 429 and event.topic:find("^hold") then zing.throttle(answer) end
  if answer.status == 429 then zing.retry_after(answer) end
end
LUA
echo 'return function() end' >scripts/none.lua
start_broker
start_host
pub -t call/seconds -m x
ok "it comes again after the seconds that were asked for" wait_for 30 count_is 1 calls "done"
id=$("$ZINGQ" events --service calls --json | jq -r '.[0].id')
ok "and its story says who asked" says 0 'the peer answered 429 and asks to wait 1 s (Retry-After)' trace "$id"
pub -t call/date -m x
ok "or at the date" wait_for 30 count_is 2 calls "done"
pub -t hold/throttle -m x
ok "a throttle ends at its time" wait_for 30 count_is 1 holds "done"
pub -t hold/hour -m x
ok "a longer one holds" wait_for 30 count_is 2 holds throttles
pub -t slow -m 1
ok "a rate lets the first one start" wait_for 30 count_is 1 slow "done"
pub -t slow -m 2
pub -t hold/other -m x
kill_host
start_host
pub -t call/last -m x
ok "a host that was killed goes on" wait_for 30 count_is 3 calls "done"
ok "but not faster than the rate" count_is 1 slow "done"
ok "and the throttled service waits" count_is 1 holds "done"
echo "1..$count"
[ "$failed" -eq 0 ]
