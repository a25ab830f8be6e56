#!/bin/sh
# batch.sh - a service with batches against a real bulk interface: a thousand events, of which some are
# refused one by one, while the host is killed again and again.
#
# ctest: timeout=120
# shellcheck disable=SC2016,SC2317 # what sh -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# POST /bulk takes a JSON list of readings and answers what is wrong with each, or null. A reading of 13
# is never taken, one of 7 at the second asking. GET /books: how many times each was taken, and the requests.
start_peer() {
    serve peer.port <<'PEER'
import http.server, json, threading
lock, taken, asked, requests = threading.Lock(), {}, {}, []
class Peer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body):
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def do_GET(self):
        with lock:
            self.answer({"taken": taken, "requests": requests})
    def take(self, reading):
        n = str(reading["n"])
        asked[n] = asked.get(n, 0) + 1
        if reading["n"] % 100 == 13:
            return "no sensor has that"
        if reading["n"] % 100 == 7 and asked[n] == 1:
            return "busy"
        taken[n] = taken.get(n, 0) + 1
        return None
    def do_POST(self):
        readings = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with lock:
            requests.append(len(readings))
            answer = [self.take(r) for r in readings]
        self.answer(answer)
PEER
}

write_project() {
    mkdir scripts
    cat >scripts/readings.lua <<'LUA'
return function(events)
    local rows, failed = {}, {}
    for i, event in ipairs(events) do
        rows[i] = event.json
    end
    local answer = zing.http.post(zing.config.bulk_url, {json = zing.json.array(rows)})
    if answer.status ~= 200 then
        zing.retry(nil, "the bulk interface says " .. answer.status)
    end
    for i, wrong in ipairs(zing.json.decode(answer.body)) do
        if wrong == "busy" then
            failed[i] = wrong
        elseif wrong ~= zing.json.null then
            failed[i] = {dead = wrong}
        end
    end
    return failed
end
LUA
    cat >topics.conf <<CONF
http { listen = "unix:$dir/front.sock" }
vars { bulk_url = "http://127.0.0.1:$(cat peer.port)/bulk" }
service "readings" {
  subscribe = {"readings/#"}
  handler   = "readings.lua"
  batch     = 100
  linger    = "200ms"
  delay     = "100ms"
  crashes   = 0
}
CONF
}

books() { # the peer's, for jq EXPRESSION
    curl -s "http://127.0.0.1:$(cat peer.port)/books" | jq -e "$1" >out
}

at_rest() {
    [ "$("$ZINGQ" status --json | jq '[.services[] | .waiting] + [.engine.outbox] | add == 0')" = true ]
}

done_are() { # COUNT
    [ "$("$ZINGQ" status --json | jq '.services[0].done')" = "$1" ]
}

cd "$dir" || exit 1
start_broker
start_peer
write_project
ok "check tells how events come together" says 0 'batches of up to 100, after at most 200 ms' check
start_host

# --- a thousand events ---

seq 1 1000 | sed 's/.*/{"n":&}/' | pub -t readings/a -l
ok "a thousand events are decided" wait_for 30 done_are 990
ok "each that can be taken was taken once" books '(.taken | length) == 990 and ([.taken[]] | max) == 1'
ok "in far fewer requests" books '(.requests | length) < 200 and (.requests | max) > 50'
ok "those refused are dead letters of their own" says 0 'no sensor has that' dlq list
ok "the ten of them" sh -c '"$ZINGQ" status --json | jq -e ".services[0].dead == 10"'
"$ZINGQ" events --state 'done' --limit 1 --json | jq -r '.[0].id' >id
ok "an event tells of its batch" says 0 'in a batch of [0-9]' trace "$(cat id)"
ok "a dry run gives the handler a list of one" says 0 '\[{"n":1}\]' try readings readings/a --payload '{"n":1}'

# --- the host is killed in between ---

for round in 1 2 3 4 5; do
    seq $((round * 10000)) $((round * 10000 + 199)) | sed 's/.*/{"n":&}/' |
        pub -t readings/c -l
    kill_host
    start_host
done
ok "nothing is lost over kill -9" wait_for 60 books '[.taken | keys[] | tonumber | select(. >= 10000)] | length == 990'
ok "and all of it comes to its end" wait_for 60 at_rest

echo "1..$count"
exit "$failed"
