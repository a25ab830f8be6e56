#!/bin/sh
# conf_reload.sh - another topics.conf for a host that runs: services come, go and change, and no message is
# lost or doubled; a mistake changes nothing.
#
# ctest: timeout=600
# shellcheck disable=SC2016 # $ in Lua and jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# Notes each request in "asked", and answers once there is a file "go".
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

# write_conf LINE...: topics.conf with them.
write_conf() {
    {
        echo "http { listen = \"127.0.0.1:$door\" token = \"a-token-that-is-long-enough\" }"
        echo "vars { gateway = \"http://127.0.0.1:$(cat gateway.port)\" }"
        printf '%s\n' "$@"
    } >topics.conf
}

# lines_are N FILE: of zing.append, each once.
# shellcheck disable=SC2317 # called by wait_for
lines_are() {
    [ "$(wc -l <"data/files/$2")" = "$1" ] && [ "$(sort -u "data/files/$2" | wc -l)" = "$1" ]
}

# answers STATUS PATH: of a POST to the front door.
answers() {
    [ "$(curl -s -o out -w '%{http_code}' "http://127.0.0.1:$door$2" -H 'Content-Type: application/json' -d '{"n":1}')" = "$1" ]
}

# flood TOPIC FIRST LAST: numbers, one a message. Each is its own idempotency key: what the broker sends again after a
# kill is known by it alone.
flood() {
    seq -f '{"n":%.0f}' "$2" "$3" | mosquitto_pub -V 5 -q 1 -p "$port" -t "$1" -l
}

# shellcheck disable=SC2317 # called by wait_for
asked_are() { # N PATH
    [ "$(grep -c "^$2 " asked)" = "$1" ]
}

# shellcheck disable=SC2317 # called by ok
warns() { # PATTERN
    curl -s --unix-socket data/zingq.sock http://zingq/api/status >status.json &&
        jq -r '.host.warnings[], .host.conf_error' status.json | grep -q -e "$1"
}

files_open() {
    find "/proc/$host/fd" -mindepth 1 2>/dev/null | wc -l
}

# What the sanitizer keeps of freed memory is not the host's.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1
export ASAN_OPTIONS
cd "$dir" || exit 1
mkdir scripts
: >asked
door=$(free_port)
start_gateway
cat >scripts/note.lua <<'LUA'
return function(event) zing.append(event.service .. ".txt", event.payload) end
LUA
cat >scripts/call.lua <<'LUA'
return function(event)
  zing.http.post(zing.config.gateway .. "/" .. event.payload, {body = "x", timeout = "4m"})
  zing.append("call.txt", event.payload .. " " .. event.attempt)
end
LUA
one='service "one" { subscribe = {"one"} handler = "note.lua" idempotency = "json:/n" }'
two='service "two" { subscribe = {"two"} handler = "note.lua" }'
call='service "call" { subscribe = {"call"} handler = "call.lua" timeout = "5m" }'
start_broker
write_conf "$one"
start_host

# ---- a service comes and goes, under traffic ----

flood one 1 4000 &
flooding=$!
write_conf "$one" "$two"
ok "a new service is taken over" says 0 'was taken over' reload
ok "status says when topics.conf was read" says 0 '^conf  *.*topics.conf, read 20' status
flood two 1 500
ok "the new service gets every message" wait_for 30 lines_are 500 two.txt
must wait "$flooding"
ok "the other one loses and doubles none" wait_for 60 lines_are 4000 one.txt
write_conf "$one"
kill -HUP "$host"
ok "SIGHUP takes a version over as well" wait_for 10 grep -q 'taken over: 1 service$' host.log
flood two 501 520
ok "what comes for a removed service is kept" wait_for 10 service_is two 'waiting == 20'
ok "and nothing of it runs" lines_are 500 two.txt
write_conf "$one" "$two"
ok "the service comes back" says 0 'was taken over' reload
ok "and runs what was kept" wait_for 30 lines_are 520 two.txt
write_conf "$one"
ok "it goes for good, with --prune" says 0 'was taken over' reload --prune
ok "then the broker has nothing for it" wait_for 10 grep -q 'giving up the subscription $share/two/two' host.log
pub -t two -m lost
pub -t one -m '{"n":4001}'
must wait_for 10 lines_are 4001 one.txt
ok "so nothing more is kept" eval '! service_is two "waiting > 0"'
ok "an unchanged file changes nothing" says 0 'has not changed' reload

# ---- what changes ----

write_conf 'service "one" { subscribe = {"one"} handler = "note.lua" key = "json:/k" retries = 0 }' \
    'endpoint "/api/in" { publish = "one" auth = none }' \
    'schedule "tick" { cron = "0 3 * * *" publish = "one" }'
ok "options, endpoints and schedules change" says 0 'was taken over' reload
ok "the endpoint is there" answers 202 /api/in
ok "the key rule counts" wait_for 10 service_is one 'dead == 1'
ok "the schedule is there" eval 'ends 0 status --json && jq -e ".schedules[] | select(.name == \"tick\")" out'
write_conf "$one"
ok "and they go again" says 0 'was taken over' reload
ok "the endpoint with them" answers 401 /api/in

# ---- mistakes ----

cp topics.conf good.conf
echo 'service "bad" { subscribe = {"bad"} handler = "note.lua" retires = 1 }' >>topics.conf
ok "a mistake is named, with its line" complains 2 'topics.conf:4:.*did you mean "retries"' reload
kill -HUP "$host"
ok "the host says so at SIGHUP, too" wait_for 10 grep -q 'not taken over.*retires' host.log
ok "and goes on saying it" warns 'not taken over.*retires'
echo 'return function(' >scripts/broken.lua
{ cat good.conf && echo 'service "bad" { subscribe = {"bad"} handler = "broken.lua" }'; } >topics.conf
ok "a script that does not compile is named, too" complains 2 'scripts/broken.lua:2:' reload
sed 's/127.0.0.1:[0-9]*/127.0.0.1:1/' good.conf >topics.conf
ok "and what needs a restart" complains 2 'a change of http.listen needs a restart' reload
pub -t one -m '{"n":4002}'
ok "meanwhile the host runs what it ran before" wait_for 10 lines_are 4002 one.txt
cp good.conf topics.conf
ok "a good file is good again" says 0 'has not changed' reload
ok "and the warning is gone" eval '! warns "taken over"'

# ---- calls under way ----

write_conf "$one" "$call"
must "$ZINGQ" reload >/dev/null
pub -t call -m quick
must wait_for 10 asked_are 1 /quick
write_conf "$one" "$two" "$call"
"$ZINGQ" reload >reloaded 2>&1 &
reloading=$!
: >go
ok "a call that ends in time ends as if nothing was" wait_for 10 grep -q '^quick 1$' data/files/call.txt
must wait "$reloading"
rm go
pub -t call -m slow
must wait_for 10 asked_are 1 /slow
write_conf "$one" "$call"
ok "one that does not is cut" says 0 'was taken over' reload
ok "and made again" wait_for 10 asked_are 2 /slow
: >go
ok "uncounted" wait_for 10 grep -q '^slow 1$' data/files/call.txt
ok "under the same key" [ "$(grep '^/slow ' asked | sort -u | wc -l)" = 1 ]

# ---- leaving meanwhile ----

# waits_for_calls: a reload is under way; the first one asked begins it.
# shellcheck disable=SC2317 # called by wait_for
waits_for_calls() {
    timeout 1 "$ZINGQ" reload 2>&1 | grep -q 'under way'
}
rm go
pub -t call -m last
must wait_for 10 asked_are 1 /last
write_conf "$one" "$two" "$call"
taken_over=$(grep -c 'taken over' host.log)
must wait_for 3 waits_for_calls
ok "a host that waits for calls may leave" says 0 'is leaving' leave --yes
: >go
must wait "$host"
ok "the call ends" grep -q '^last 1$' data/files/call.txt
ok "and nothing is taken over, or subscribed again" [ "$(grep -c 'taken over' host.log)" = "$taken_over" ]
write_conf "$one" "$call"
start_host

# ---- under load, and killed in between ----

flood one 5001 10000 &
flooding=$!
for i in 1 2 3 4 5 6; do
    if [ $((i % 2)) = 1 ]; then write_conf "$one" "$two"; else write_conf "$one" "$two" "$call"; fi
    "$ZINGQ" reload >/dev/null 2>&1 &
    reloading=$!
    if [ $((i % 3)) = 0 ]; then
        kill_host
        start_host
    fi
    wait "$reloading"
done
must wait "$flooding"
ok "reloads and kills under load lose and double nothing" wait_for 60 lines_are 9002 one.txt

# ---- again and again ----

# again N: as many reloads, each with another version.
again() {
    for i in $(seq 1 "$1"); do
        if [ $((i % 2)) = 1 ]; then write_conf "$one" "$two"; else write_conf "$one" "$two" "$call"; fi
        "$ZINGQ" reload >/dev/null 2>err || return 1
    done
}
kilobytes() {
    awk '/^VmRSS/ { print $2 }' "/proc/$host/status"
}
ok "many reloads in a row" again 20
files=$(files_open)
before=$(kilobytes)
ok "and many more" again "${RELOADS:-80}"
ok "leave no file open" [ "$(files_open)" -le "$((files + 2))" ]
ok "and keep no memory" [ "$(kilobytes)" -le "$((before + 4096))" ]
ok "the host ends well" stop_host
echo "1..$count"
[ "$failed" -eq 0 ]
