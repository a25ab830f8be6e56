#!/bin/sh
# stop.sh - SIGTERM: attempts may go on for stop_timeout, and one that is cut counts as nothing: its call is
# made again under the same Idempotency-Key.
#
# ctest: timeout=180
# shellcheck disable=SC2016 # $ in Lua and jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# Notes the path and the key of each request in "asked", and answers once there is a file "go".
start_gateway() {
    serve gateway.port <<'PEER'
import http.server, os, time
class Peer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with open("asked", "a") as asked:
            asked.write(self.path + " " + self.headers["Idempotency-Key"] + "\n")
        while not os.path.exists("go"):
            time.sleep(0.05)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
PEER
}

asked_are() { # N PATH
    [ "$(grep -c "^$2 " asked)" = "$1" ]
}

count_is() { # N SERVICE BOOK
    [ "$("$ZINGQ" status --json | jq ".services[] | select(.name == \"$2\") | .$3")" = "$1" ]
}

cd "$dir" || exit 1
mkdir scripts
start_gateway
: >asked
cat >topics.conf <<CONF
http { listen = "" }
limits { stop_timeout = "1s" }
vars { gateway = "http://127.0.0.1:$(cat gateway.port)" }
service "hasty" { subscribe = {"hasty"} handler = "call.lua" retries = 0 timeout = "5m" }
service "patient" { subscribe = {"patient"} handler = "call.lua" retries = 0 timeout = "5m" stop_timeout = "5m" }
CONF
cat >scripts/call.lua <<'LUA'
return function(event)
  zing.http.post(zing.config.gateway .. "/" .. event.topic, {body = "x", timeout = "4m"})
  zing.state.set("attempt", event.attempt)
end
LUA
start_broker
start_host
pub -t hasty -m x
ok "a call is under way" wait_for 20 asked_are 1 /hasty
ok "a host that stops cuts it" stop_host
ok "the log says so" grep -q 'service "hasty" still wait for a call after 1 s (stop_timeout)' host.log
start_host
ok "it is made again at the next start" wait_for 20 asked_are 2 /hasty
ok "under the same key" [ "$(sort -u asked | wc -l)" = 1 ]
pub -t patient -m x
ok "another one is under way" wait_for 20 asked_are 1 /patient
kill "$host"
ok "the first is cut again" wait_for 20 sh -c '[ "$(grep -c "stop_timeout" host.log)" = 2 ]'
: >go
wait "$host"
ok "the host ends well once the second has its answer" [ $? -eq 0 ]
host=
start_host
ok "the first is done" wait_for 20 count_is 1 hasty "done"
ok "the second was done before" count_is 1 patient "done"
ok "its call was made once" asked_are 1 /patient
ok "no attempt was counted that was cut" says 0 '^state .* 1$' state get hasty "" attempt
ok "and none as a crash" count_is 0 hasty crashes
echo "1..$count"
[ "$failed" -eq 0 ]
