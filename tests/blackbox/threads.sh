#!/bin/sh
# threads.sh - everything that runs beside the loop, at once: connections to a broker that goes and comes, look-ups
# of names by libcurl and for a database; requests, streams, a reload, backups meanwhile. Then no name is answered any more,
# and the host ends nevertheless. Under ThreadSanitizer (./dev threads) a race ends it with status 66.
#
# ctest: timeout=300
# shellcheck disable=SC2016,SC2154 # $ in Lua and jq; $broker is mosquitto.sh's
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

JOBS=${JOBS:-60} # and $ROUNDS: ./dev torture has more
ROUNDS=${ROUNDS:-2}

# write_conf ROUND: in each the gateway has another name, which libcurl does not know yet.
write_conf() {
    cat >topics.conf <<CONF
http { listen = "127.0.0.1:$http" }
limits { stop_timeout = "1s" }
vars { gateway = "http://gateway-$1.example:$gateway" }
telemetry { otlp = "http://telemetry.example:$gateway" }
database "shop" { url = "postgres://shop:x@database.example:$nowhere/shop"  timeout = "1s" }
endpoint "/jobs" { publish = "jobs" }
endpoint "/rows" { publish = "after/row" }
service "jobs" { subscribe = {"jobs"}  handler = "jobs.lua"  retries = 200  delay = "50ms"  backoff = "constant" }
service "after" { subscribe = {"after/+"}  handler = "after.lua" }
service "long"  { subscribe = {"long"}  handler = "long.lua"  retries = 0 }
CONF
}

write_handlers() {
    mkdir scripts
    cat >scripts/jobs.lua <<'LUA'
return function(event)
  local answer = zing.http.post(zing.config.gateway .. "/charge", {body = "x", timeout = "30s"})
  if answer.status ~= 200 then error("the gateway says " .. answer.status) end
  zing.append("jobs.txt", event.id .. "\n")
  zing.publish("after/job", {id = event.id})
end
LUA
    cat >scripts/after.lua <<'LUA'
return function() pcall(zing.sql, "shop", "select 1") end
LUA
    echo 'return function() while true do end end' >scripts/long.lua
}

start_gateway() {
    serve gateway.port <<'PEER'
import http.server
class Peer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
PEER
}

listen_in() {
    curl -sN --unix-socket data/zingq.sock http://host/api/live >"live.$1" &
    keep $!
}

# a_round N: everything an operator may do, and another broker at the same address.
a_round() {
    write_conf "$1"
    echo "-- $1" >>scripts/after.lua
    ends 0 reload && ends 0 backup "copy.$1" && ends 0 status --turns &&
        kill "$broker" && { wait "$broker" || true; } && start_broker && wait_for 20 host_is_ready
}

# shellcheck disable=SC2317 # called by ok
rounds() {
    for n in $(seq "$ROUNDS"); do
        a_round "$n" || return 1
    done
}

# flood PATH COUNT: requests at once; prints how many got which status.
flood() {
    "$PYTHON" "$SOURCE_DIR/tests/support/flood.py" bodies "$http" "$1" "$2" 2000
}

cd "$dir" || exit 1
http=$(free_port)
nowhere=$(free_port)
start_gateway
gateway=$(cat gateway.port)
write_conf 0
write_handlers
start_broker
export ZINGQ_TEST_LATE="$dir/late"
program=$ZINGQ
ZINGQ=${ZINGQ%/*}/tests/zingq_late
start_host
ZINGQ=$program
listen_in 1
listen_in 2
flood /jobs "$JOBS" >taken &
flood=$!
pub -t long -m x
ok "a host is reloaded, backed up and connected again while it works" rounds
wait "$flood"
ok "every request was taken" grep -qx "202 $JOBS" taken
ok "every job is done" wait_for 20 service_is jobs "done == $JOBS"
ok "once" [ "$(sort -u data/files/jobs.txt | wc -l)" = "$(wc -l <data/files/jobs.txt)" ]
ok "what ran too long was ended" wait_for 20 service_is long "dead == 1"
ok "streams have had it all" grep -q '^event: status' live.1 live.2

# is_asked_for NAME: by a thread that waits for it.
# shellcheck disable=SC2317 # called by wait_for
is_asked_for() {
    grep -qx "$1" late.asked
}

# Given: a name server that answers no more, and a broker that went
mkfifo late
kill -9 "$broker"
# When
write_conf late
must ends 0 reload
flood /jobs 1 >taken
flood /rows 1 >taken
# Then
ok "libcurl waits for a name" wait_for 20 is_asked_for gateway-late.example
ok "the look-up of a database waits" wait_for 20 is_asked_for database.example
ok "libmosquitto waits for one" wait_for 20 is_asked_for 127.0.0.1
ok "a host that is stopped ends all the same" stop_host
echo "1..$count"
[ "$failed" -eq 0 ]
