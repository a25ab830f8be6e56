#!/bin/sh
# telemetry.sh - one trace through three services and an HTTP API, from a message and from a request: its spans come
# to a real receiver, each once and each below its cause, also when the receiver is busy or away, and over kill -9.
#
# ctest: timeout=180
# shellcheck disable=SC2016 # $ in Lua and jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

otlp="$SOURCE_DIR/tests/support/otlp.py"
receiver=

# start_receiver: on $otlp_port, the same again the second time.
start_receiver() {
    rm -f otlp.port
    "$PYTHON" "$otlp" serve "${otlp_port:-0}" >otlp.port 2>>otlp.err &
    receiver=$!
    keep $receiver
    must wait_for 10 test -s otlp.port
    otlp_port=$(cat otlp.port)
}

# The first charge of each booking fails; that of "slow" is not answered for as long as there is a file `hold`.
start_gateway() {
    serve gateway.port <<'PEER'
import http.server, json, os, time
seen = set()
class Peer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        who = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["id"]
        with open("gateway.log", "a") as log:
            print(who, self.headers["traceparent"], self.headers["tracestate"], file=log)
        while who == "slow" and os.path.exists("hold"):
            time.sleep(0.02)
        self.send_response(500 if who not in seen else 200)
        seen.add(who)
        self.send_header("Content-Length", "0")
        self.end_headers()
PEER
}

write_conf() { # SAMPLE
    cat >topics.conf <<CONF
http { listen = "127.0.0.1:$http" }
vars { gateway = "http://user:secret@127.0.0.1:$(cat gateway.port)" }
telemetry { otlp = "http://127.0.0.1:$otlp_port/"  headers = {"X-Team: env:TEAM"}  service_name = "sale"  sample = $1 }
endpoint "/api/booking" { publish = "booking/request" }
service "seats"    { subscribe = {"booking/request"}  handler = "seats.lua"  key = "json:/seat" }
service "payments" { subscribe = {"booking/reserved/+"}  handler = "payments.lua"  delay = "50ms"  retries = 5 }
service "mails"    { subscribe = {"booking/paid"}  handler = "mails.lua" }
CONF
}

write_handlers() {
    mkdir scripts
    cat >scripts/seats.lua <<'LUA'
return function(event)
  local booking = event.json
  zing.step("reserve", function() zing.state.set("buyer", booking.id) return true end)
  zing.publish("booking/reserved/" .. booking.id, booking)
end
LUA
    cat >scripts/payments.lua <<'LUA'
return function(event)
  local answer = zing.http.post(zing.config.gateway .. "/charge?token=secret", {json = {id = event.json.id}})
  if answer.status ~= 200 then error("the gateway says " .. answer.status) end
  zing.publish("booking/paid", event.json)
end
LUA
    echo 'return function(event) zing.publish("confirmed/" .. event.json.id, event.json) end' >scripts/mails.lua
}

# book ID [TRACEPARENT]: by a message; post ID TRACEPARENT: by a request.
book() {
    if [ $# -eq 1 ]; then
        pub -t booking/request -m "{\"id\":\"$1\",\"seat\":\"$1\"}"
    else
        pub -t booking/request -m "{\"id\":\"$1\",\"seat\":\"$1\"}" -D publish user-property traceparent "$2" \
            -D publish user-property tracestate vendor=1
    fi
}

post() {
    curl -sS -f -o "$dir/out" "http://127.0.0.1:$http/api/booking" -H 'Content-Type: application/json' \
        -H "traceparent: $2" -H 'tracestate: vendor=1' -d "{\"id\":\"$1\",\"seat\":\"$1\"}"
}

# shellcheck disable=SC2317 # called by wait_for
has_ended() { # TRACE: its last span has come
    grep "\"$1\"" spans.jsonl | grep -q '"attempt mails"'
}

tree() { # TRACE SPAN
    "$PYTHON" "$otlp" check "$1" "$2" >"$dir/out" 2>"$dir/err"
}

cat >"$dir/whole" <<'TREE'
process booking/request consumer
  attempt seats internal
    reserve internal
    send booking/reserved/+ producer
      process booking/reserved/+ consumer
        attempt payments internal failed
          POST client failed
        attempt payments internal
          POST client
          send booking/paid producer
            process booking/paid consumer
              attempt mails internal
                send producer
TREE

is_whole() { # TRACE SPAN
    tree "$1" "$2" && diff "$dir/whole" "$dir/out"
}

# The calls of the booking carried the trace, each from a span that was sent.
calls_are_told() { # ID TRACE
    while read -r id parent state; do
        [ "$id" != "$1" ] && continue
        span=${parent#00-"$2"-}
        [ "$state" = vendor=1 ] || return 1
        jq "select(.spanId == \"${span%-01}\" and .name == \"POST\")" spans.jsonl >"$dir/out"
        [ -s "$dir/out" ] || return 1
    done <gateway.log
    [ "$(grep -c "^$1 " gateway.log)" -eq 2 ]
}

is_of_sale() {
    grep -q 'X-Team: blue' headers && [ "$(jq -r '.resource["service.name"]' spans.jsonl | sort -u)" = sale ]
}

all_done() { # N
    service_is mails "done == $1"
}

spans_are() { # CONDITION: of the host's figures
    "$ZINGQ" status --json | jq -e ".host.telemetry | $1"
}

# A store in memory, in a test, is bad for other reasons.
doctor_says() {
    "$ZINGQ" doctor --broker "mqtt://127.0.0.1:$port" >"$dir/out" 2>"$dir/err"
    grep -q "$1" "$dir/out"
}

trace_of() { # N: a trace id and the span that caused it
    printf '%032x' "$((0xabc000 + $1))"
}

cd "$dir" || exit 1
export TEAM=blue
echo 200 >answer
: >spans.jsonl
http=$(free_port)
start_receiver
start_gateway
write_conf 1
write_handlers
start_broker
mosquitto_sub -V 5 -p "$port" -i observer -t 'confirmed/#' -F '%t %P' >confirmed &
keep $!
wait_for 10 grep -q "as observer " broker.log || exit 1
start_host

root=b7ad6b7169203331
trace=$(trace_of 1)
book ada "00-$trace-$root-01"
ok "a message's trace comes whole" wait_for 20 has_ended "$trace"
ok "each span once, below its cause and within its time" is_whole "$trace" $root
ok "the calls carried it on" calls_are_told ada "$trace"
ok "and so did the last publish" wait_for 10 grep -q "confirmed/ada .*traceparent:00-$trace-.*-01 tracestate:vendor=1" confirmed
ok "resource and headers are as topics.conf says" is_of_sale
ok "no secret is in it" sh -c '! grep -q secret spans.jsonl'

trace=$(trace_of 2)
ok "a request is accepted" post bob "00-$trace-$root-01"
ok "its trace comes whole as well" wait_for 20 has_ended "$trace"
ok "with the same spans" is_whole "$trace" $root

book eve
ok "an event without a trace begins one" wait_for 20 all_done 3
id=$("$ZINGQ" events --service seats --json | jq -r 'sort_by(.received_at) | last | .id')
trace=$(echo "$id" | tr -d -)
ok "that has its id" wait_for 20 has_ended "$trace"
ok "and a root" is_whole "$trace" ""
ok "zingq trace shows it" says 0 "trace id $trace" trace "$id"

trace=$(trace_of 3)
book max "00-$trace-$root-00"
ok "a trace that is not sampled goes on" wait_for 10 grep -q "confirmed/max .*traceparent:00-$trace-.*-00 " confirmed

echo '503 1' >answer
trace=$(trace_of 4)
book ann "00-$trace-$root-01"
ok "a receiver that is busy holds up nothing" wait_for 20 all_done 5
ok "its spans wait" wait_for 20 spans_are '.waiting > 0 and .error == "HTTP status 503"'
echo 200 >answer
ok "and come when it takes them" wait_for 20 has_ended "$trace"
ok "each once" is_whole "$trace" $root
ok "of the unsampled trace none came" sh -c "! grep -q $(trace_of 3) spans.jsonl"

{ kill -9 $receiver && wait $receiver; } 2>/dev/null
trace=$(trace_of 5)
book joe "00-$trace-$root-01"
ok "a receiver that is away holds up nothing" wait_for 20 all_done 6
ok "status says so" wait_for 20 says 0 'which does not take them' status
ok "and doctor" doctor_says "warn  telemetry: http://127.0.0.1:$otlp_port/: no answer"
start_receiver
ok "its spans come when it is back" wait_for 60 has_ended "$trace"
ok "each once, too" is_whole "$trace" $root
ok "doctor finds it" doctor_says "good  telemetry: http://127.0.0.1:$otlp_port/ takes spans"

echo 400 >answer
book bad
ok "spans that are refused are dropped, and counted" wait_for 20 spans_are '.dropped > 0 and .waiting == 0'
dropped=$("$ZINGQ" status --json | jq .host.telemetry.dropped)
echo partial >answer
book part
ok "one of a batch, too" wait_for 20 spans_are ".dropped == $dropped + 1 and .waiting == 0"
echo 200 >answer

: >hold
trace=$(trace_of 6)
book slow "00-$trace-$root-01"
ok "an attempt waits for its call" wait_for 20 grep -q '^slow ' gateway.log
ok "what was before it is told" wait_for 20 spans_are '.waiting == 0'
kill_host
rm hold
start_host
ok "a host that was killed in it goes on" wait_for 20 has_ended "$trace"
ok "and leaves no orphan and nothing twice" tree "$trace" $root

write_conf 0
ok "telemetry is reloaded" ends 0 reload
book last
ok "with sample = 0 events are handled" wait_for 20 all_done 10
trace=$(trace_of 7)
book end "00-$trace-$root-01"
ok "and a sampled trace is told all the same" wait_for 20 all_done 11
ok "the host stops" stop_host
ok "after it has sent its last spans" has_ended "$trace"
ok "and all of them" tree "$trace" $root
ok "check says where they go" says 0 "spans of 0 % of the traces go to http://127.0.0.1:$otlp_port/" check
echo "1..$count"
[ "$failed" -eq 0 ]
