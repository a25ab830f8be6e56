#!/bin/sh
# hosts_ask.sh - two hosts that divide the keys, on one broker: whoever is asked, the one that has the
# key answers; and what happens in words when it is away.
#
# ctest: long timeout=120
# shellcheck disable=SC2016,SC2317 # what sh -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# api N METHOD PATH [CURL-OPTION...]: on host N's socket; the body into $dir/out, the status into $status.
api() {
    api_host=$1
    api_method=$2
    api_path=$3
    shift 3
    status=$(curl -s -o "$dir/out" -w '%{http_code}' -X "$api_method" "$@" \
        --unix-socket "$dir/data$api_host/zingq.sock" "http://zingq$api_path")
}

# answers STATUS PATTERN N METHOD PATH [CURL-OPTION...]
answers() {
    wanted=$1
    pattern=$2
    shift 2
    api "$@"
    [ "$status" = "$wanted" ] && grep -q -e "$pattern" "$dir/out"
}

is_up() { # N
    api "$1" GET /api/status && [ "$(jq .host.ready "$dir/out")" = true ]
}

start_one() { # N
    ZINGQ_HOSTS_COUNT=2 ZINGQ_HOSTS_THIS=$1 "$ZINGQ" run --conf "$1.conf" --data "data$1" \
        --broker "mqtt://127.0.0.1:$port" >>"host$1.log" 2>&1 </dev/null &
    eval "pid$1=$!"
    keep $!
    must wait_for 20 is_up "$1"
}

# shellcheck disable=SC2154 # pid2 is set by start_one
stop_one() { # N
    eval "kill \$pid$1; wait \$pid$1 2>/dev/null"
}

# what N KEY: the state of a key in the store of host N, and there alone.
has_key() {
    api "$1" GET "/api/state/seats?key=$2&host=$1" && [ "$(jq length "$dir/out")" -gt 0 ]
}

# owned N: a key that host N has, found by looking.
owned() {
    for owned_i in $(seq 1 40); do
        if has_key "$1" "k$owned_i"; then
            echo "k$owned_i"
            return
        fi
    done
}

cd "$dir" || exit 1
mkdir scripts
start_broker
serve slow.port <<'PEER' # answers nobody
import http.server
class Peer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.connection.recv(1)
PEER
for n in 1 2; do
    cat >$n.conf <<CONF
http { listen = "unix:$dir/front$n.sock" }
vars { slow = "http://127.0.0.1:$(cat slow.port)/" }
endpoint "/api/book" { publish = "book" }
service "seats" {
  subscribe = {"seat/+"}  handler = "seats.lua"  key = "json:/id"  retries = 0
}
service "trips" {
  subscribe = {"trip/+"}  handler = "trips.lua"  key = "json:/id"  retries = 0
}
service "watchers" {
  subscribe = {"watch/+"}  handler = "watchers.lua"  key = "json:/id"  retries = 0
}
CONF
done
cat >scripts/watchers.lua <<'LUA'
local watchers = {}
watchers["watch/peek"] = function(event)
  local ok, seen = pcall(zing.peek, "seats", event.json.at, event.json.name)
  zing.state.set("seen", ok and (seen == nil and "nothing" or seen) or "error: " .. seen)
end
watchers["watch/chain"] = function(event)
  zing.publish(event.json.topic, {id = event.json.to, by = "ann"})
end
watchers["watch/cancel"] = function(event)
  zing.state.set("was", zing.cancel(event.json.which))
end
return watchers
LUA
cat >scripts/seats.lua <<'LUA'
local seats = {}
seats["seat/take"] = function(event)
  zing.state.set("taken", {by = event.json.by, n = 1.5})
end
seats["seat/many"] = function(event)
  for i = 1, 300 do zing.state.set(event.json.part .. i, i) end
  zing.state.set("zz", "the last")
end
seats["seat/fat"] = function() end
seats["seat/fail"] = function(event)
  if zing.state.get("mended") == nil then error("not yet") end
end
return seats
LUA
cat >scripts/trips.lua <<'LUA'
local trips = {}
trips["trip/saga"] = function()
  local saga = zing.saga()
  saga:step("hotel", function() return "h-1" end, function(hotel) zing.state.set("undone", hotel) end)
  zing.wait("never")
end
trips["trip/call"] = function() zing.http.get(zing.config.slow, {timeout = "9m"}) end
trips["trip/none"] = function() end
return trips
LUA
start_one 1
start_one 2
for i in $(seq 1 40); do
    must pub -t seat/take -m "{\"id\":\"k$i\",\"by\":\"ann\"}"
done
both_have() {
    one=$(owned 1) && two=$(owned 2) && [ -n "$one" ] && [ -n "$two" ]
}
ok "keys are divided among two hosts" wait_for 20 both_have
one=$(owned 1)
two=$(owned 2)

# ---- a key ----

ok "host 1 answers for its own key" answers 200 taken 1 GET "/api/state/seats?key=$one"
ok "and for a key of host 2" wait_for 10 answers 200 taken 1 GET "/api/state/seats?key=$two"
ok "and host 2 for a key of host 1" wait_for 10 answers 200 taken 2 GET "/api/state/seats?key=$one"
ok "?host=1 looks into host 1 only" answers 200 '^\[\]$' 2 GET "/api/state/seats?key=$two&host=1"
ok "?host=2 is about host 2, whatever it is" answers 200 '/2\.conf"' 1 GET "/api/status?host=2"
ok "there is no third host" answers 400 "from 1 to 2" 1 GET "/api/status?host=3"
ok "a stream is had from its own host" answers 501 stream 1 GET "/api/live?host=2"

signalled() { # HOW OFTEN: the signals kept for the key of host 2
    api 1 GET "/api/keys/seats?key=$two" && [ "$(jq '.signals | length' "$dir/out")" -eq "$1" ]
}
send_signal() { # N
    answers 202 ok "$1" POST "/api/signals/seats/$two/go" -H "Idempotency-Key: s1" -d 17
}
ok "a signal sent at host 1 waits at the host of its key" send_signal 1
ok "sent at host 2 under the same Idempotency-Key" send_signal 2
ok "it is one" signalled 1

# ---- an id ----

must pub -t seat/fail -m "{\"id\":\"$two\"}"
letter_of() { # N
    api "$1" GET "/api/dlq?host=$1" && letter=$(jq -r '.[0].event.id // .[0].id // empty' "$dir/out") && [ -n "$letter" ]
}
must wait_for 20 letter_of 2
ok "host 1 shows a letter that lies at host 2" answers 200 "not yet" 1 GET "/api/dlq/$letter"
ok "its own host knows what is no letter anywhere" \
    answers 404 error 1 GET "/api/dlq/00000000-0000-7000-8000-000000000001"
short=$(printf %s "$letter" | tail -c 8)
ok "the last digits of its id will do" answers 200 "$letter" 1 GET "/api/dlq/$short"
ok "all hosts are asked for them" answers 200 "^\[\"$letter\"\]$" 1 GET "/api/ids/$short?of=letter"
ok "?host=1 looks for them at host 1 only" answers 404 error 2 GET "/api/dlq/$short?host=1"
ok "?host=2 at host 2" answers 200 "$letter" 1 GET "/api/dlq/$short?host=2"
ok "what no host has is a 404" answers 404 "no dead letter" 1 GET "/api/dlq/0000"
by_digits() {
    "$ZINGQ" dlq show "$short" -c 1.conf --data data1 | grep -q "$letter"
}
ok "a command finds them at the other host" by_digits
ok "a dead letter of host 2 is replayed at host 1" answers 200 ok 1 POST "/api/dlq/$short/replay"
ok "and is dead again there" wait_for 20 letter_of 2

# ---- a handler that peeks ----

watched() { # N KEY PATTERN: what the watcher of the key, at host N or elsewhere, has seen
    answers 200 "$3" "$1" GET "/api/state/watchers?key=$2"
}
peek_at() { # KEY AT NAME
    must pub -t watch/peek -m "{\"id\":\"$1\",\"at\":\"$2\",\"name\":\"$3\"}"
}
peek_at w1 "$one" taken
peek_at w2 "$two" taken
peek_at w3 "$one" taken
peek_at w4 "$two" nothing
for key in w1 w2 w3; do
    ok "the handler of $key sees the state of another key, wherever both are" \
        wait_for 20 watched 1 $key 'by.*ann.*1.5'
done
ok "what is not there is nil" wait_for 20 watched 1 w4 nothing

# ---- a handler that cancels ----

# cancel_by KEY ANSWER: a publish that waits at host 2, taken back by the watcher of the key, wherever it is.
later() { # N: a publish that waits there
    api "$1" POST "/api/publish?topic=later&after_ms=3600000" -d x && which=$(jq -r .id "$dir/out")
}
cancel_by() {
    must pub -t watch/cancel -m "{\"id\":\"$1\",\"which\":\"$which\"}"
    wait_for 20 watched 1 "$1" "\"value\":$2"
}
for key in c1 c2 c3 c4; do
    must later 2
    ok "the handler of $key takes back a publish that waits at host 2" cancel_by $key true
done
ok "once it is taken back it does not wait anywhere" cancel_by c5 false
must later 1
ok "an operator takes back at host 2 what waits at host 1" answers 200 ok 2 POST "/api/cancel/$which"
ok "and nobody has it any more" answers 404 "nothing waits" 1 POST "/api/cancel/$which"

# ---- a job over two hosts ----

# follow N STATE: what became of the job, asked there: its event at host 1, and that of its publish at host 2.
job() { # TO TOPIC: handled at host 1, its publish at the host of the key TO
    for job_i in $(seq 1 40); do
        answers 202 id 1 POST "/api/publish?topic=watch/chain" \
            -d "{\"id\":\"j$job_i\",\"to\":\"$1\",\"topic\":\"$2\"}" || return 1
        job=$(jq -r .id "$dir/out")
        wait_for 10 answers 200 '"state":"\(done\|dead\)".*"service":"seats"' 1 GET "/api/events/$job" || return 1
        [ "$(jq -r '.events[0].host' "$dir/out")" = 1 ] && return
    done
    return 1
}
follow() {
    api "$1" GET "/api/events/$job" && [ "$(jq -r .state "$dir/out")" = "$2" ] &&
        [ "$(jq -c '[.events[].host, .events[].publishes[].events[].host]' "$dir/out")" = '[1,2]' ] &&
        [ "$(jq -c .unanswered "$dir/out")" = '[]' ]
}
must job "$two" seat/take
ok "a job is followed to another host" wait_for 10 follow 1 'done'
ok "from there, too" follow 2 'done'
must job "$two" seat/fail
ok "what dies at the other host makes it dead" wait_for 10 follow 1 dead
ok "?host=1 tells of host 1 alone" \
    answers 200 '"state":"done"' 1 GET "/api/events/$job?host=1"
chained=$job

# ---- the commands ----

cli() { # N STATUS PATTERN COMMAND...: beside host N
    cli_n=$1
    cli_status=$2
    cli_pattern=$3
    shift 3
    says "$cli_status" "$cli_pattern" "$@" --conf "$cli_n.conf" --data "data$cli_n"
}
ok "state get finds a key of the other host" cli 1 0 'taken.*ann' state get seats "$two"
ok "and one name of it" cli 1 0 'taken.*ann' state get seats "$two" taken
ok "and says no when there is none" cli 1 1 'no such state' state get seats "$two" given
ok "as JSON, too" cli 1 0 '"by": *"ann"' state get seats "$two" --json
ok "trace shows the events of a key of the other host" cli 1 0 seat/take trace seats "$two"
ok "and an event by its id" cli 1 0 "not yet" trace "$letter"
ok "dlq show does" cli 1 0 "not yet" dlq show "$letter"
ok "dlq try does, with what would happen" cli 1 0 '"outcome": *"error"' dlq try "$letter"
ok "dlq list --host 2 is the other host's" cli 1 0 "$(printf %s "$letter" | tail -c 8).*not yet" dlq list --host 2
ok "--host 1 is the host's own" cli 2 0 "no dead letters" dlq list --host 1
ok "and without --host all hosts', each row with its number" cli 1 0 "^2 .*not yet" dlq list
ok "groups, too" cli 1 0 "^2 .*not yet" dlq groups
ok "an event's filter may find it at any host" cli 1 0 "^2 .*seat/fail" events --topic seat/fail --limit 1
ok "dlq groups --host 2" cli 1 0 "not yet" dlq groups --host 2
ok "events --host 2" cli 1 0 "seat/take" events --host 2 --service seats --limit 500
ok "keys list --host 2" cli 1 0 . keys list --host 2
ok "keys show of a key of the other host" cli 1 0 . keys show seats "$two"
ok "status --host 2" cli 1 0 seats status --host 2
ok "status has a line for each host, and their sum" cli 1 0 '^all  *[0-9.]*/s  *[0-9]* ' status
sums() {
    "$ZINGQ" status --json --conf 2.conf --data data2 >"$dir/out" &&
        jq -e '.division | (.hosts | map(.host)) == [1, 2] and .dead == ([.hosts[].dead] | add) and .dead > 0 and .missing == []' "$dir/out" >/dev/null
}
ok "as JSON, too" sums
ok "status --host 2 as JSON" cli 1 0 '/2\.conf"' status --host 2 --json
ok "pause --host 2 pauses there" cli 1 0 paused pause seats --host 2
is_paused() {
    api 1 GET "/api/services?host=$1" && [ "$(jq -r '.[]|select(.name=="seats").paused' "$dir/out")" = "$2" ]
}
ok "and only there" is_paused 2 true
ok "not here" is_paused 1 false
ok "resume --host 2 goes on there" cli 1 0 "is resumed" resume seats --host 2
ok "pause without it pauses on all hosts" cli 1 0 paused pause seats
ok "on this one" is_paused 1 true
ok "and on the other" is_paused 2 true
ok "and so does resume" cli 2 0 "is resumed" resume seats
ok "here" is_paused 1 false
ok "and there" is_paused 2 false
no_third() {
    complains 2 "from 1 to 2" dlq list --host 3 --conf 1.conf --data data1
}
ok "there is no host 3" no_third
about_here() {
    complains 2 'works on local files' check --host 2 --conf 1.conf
}
ok "check is about what is here" about_here
no_link() {
    complains 2 'on its own machine only' dashboard --host 2 --conf 1.conf --data data1
}
ok "the link with a host's token does not pass the broker" no_link
printf '{"id":"w9","at":"%s","name":"taken"}' "$two" >peek.json
try_peek() {
    ZINGQ_HOSTS_COUNT=2 ZINGQ_HOSTS_THIS=1 says 0 "would ask: peek at seats of host 2" \
        try watchers watch/peek --file peek.json --conf 1.conf --data data1
}
ok "a dry run says whom it would ask" try_peek
ok "dlq replay at host 1 of a letter that lies at host 2" cli 1 0 . dlq replay "$letter"
must wait_for 20 letter_of 2
ok "dlq replay --service --host 2 is a job there" cli 1 0 '^[1-9][0-9]* replayed' dlq replay --service seats --host 2
must wait_for 20 letter_of 2

ok "without --host it is one job after the other, at all hosts" cli 1 0 '^[1-9][0-9]* replayed' dlq replay --service seats
must wait_for 20 letter_of 2
ok "as a request it must say whose letters" answers 400 'host=1 to host=2' 1 POST "/api/dlq/replay?service=seats"
one_key() {
    answers 202 '"host":2' 1 POST "/api/replay?service=seats&key=$two&dry=1"
}
ok "a replay of events, too, but of one key" answers 400 'host=1 to host=2' 1 POST "/api/replay?service=seats&from_ms=0&dry=1"
ok "which goes to the host that has it" one_key
one_event() { # of host 2
    api 2 GET "/api/events?service=seats&key=$two&state=done&host=2" &&
        answers 202 '"host":2' 1 POST "/api/replay?id=$(jq -r '.[0].id' "$dir/out")&dry=1"
}
ok "and that of one event, wherever it is" one_event
ok "an event that none has is a 404" answers 404 'no event' 1 POST "/api/replay?id=00000000-0000-7000-8000-000000000001&dry=1"

# ---- lists of both ----

# whole N PATH: what that host lists of all, at once, in "$dir/all"; pages N PATH: the same in pages of seven rows.
whole() {
    api "$1" GET "$2?limit=1000" && jq -c '.[]' "$dir/out" >"$dir/all" && [ -s "$dir/all" ]
}
pages() {
    : >"$dir/paged"
    before=""
    while api "$1" GET "$2" -G -D "$dir/head" -d limit=7 ${before:+--data-urlencode "before=$before"}; do
        jq -c '.[]' "$dir/out" >>"$dir/paged"
        before=$(sed -n 's/^Zingq-Next: \(.*\)\r$/\1/p' "$dir/head")
        if [ "$status" != 200 ] || [ -z "$before" ]; then
            break
        fi
    done
    [ "$status" = 200 ]
}
same_in_pages() { # PATH
    whole 1 "$1" && pages 2 "$1" && cmp -s "$dir/all" "$dir/paged"
}
later 1
later 2
for list in events dlq state/seats delayed; do
    ok "/api/$list of both hosts is the same in pages, from either" same_in_pages "/api/$list"
done
both_in() { # PATH
    whole 1 "$1" && [ "$(jq -s -c '[.[].host] | unique' "$dir/all")" = '[1,2]' ]
}
ok "each event says whose it is" both_in /api/events
ok "the newest is the first" test "$(jq -s -c '[.[].id] == ([.[].id] | sort | reverse)' "$dir/all")" = true
ok "state is of both" both_in /api/state/seats
ok "what was changed, too" eval 'api 1 POST /api/services/seats/resume && api 2 POST /api/services/seats/resume && both_in /api/audit'
ok "in pages as well" same_in_pages /api/audit
ok "the list of a key is of its host alone" answers 200 '"key":"'"$two"'"' 1 GET "/api/events?service=seats&key=$two"
ok "?host=2 is of host 2 alone" eval 'api 1 GET "/api/events?host=2" && [ "$(jq -c "map(has(\"host\")) | any" "$dir/out")" = false ]'
ok "a cursor of other hosts is refused" answers 400 Zingq-Next 1 GET "/api/events?before=1~2~3"
ok "and what no host accepts" answers 400 'limit is a number' 1 GET "/api/events?limit=0"
head -c 61440 /dev/zero | tr '\0' x >fat
for i in $(seq 1 30); do # 1.8 MiB at host 1; of a page of 2 MiB, its share at first is 1
    printf '{"id":"%s","fat":"%s"}' "$one" "$(cat fat)" >fat.json
    must pub -t seat/fat -f fat.json
done
fat_page() { # HOW MANY rows it has
    api 2 GET "/api/events?topic=seat/fat&limit=$1" && [ "$(jq length "$dir/out")" = "$1" ]
}
ok "a host with most of the newest rows has the page that others do not need" wait_for 20 fat_page 30
ok "groups are counted whole, however few are shown" \
    eval 'api 1 GET "/api/dlq/groups" && all=$(jq .[0].count "$dir/out") && api 1 GET "/api/dlq/groups?limit=1" && [ "$(jq .[0].count "$dir/out")" = "$all" ]'
ok "a service that none has is a 404" answers 404 'no service' 1 GET "/api/dlq?service=nobody"

# ---- an event of the other host is cancelled ----

key_of_2() { # leaves a key that host 2 has in $trip_key
    api 2 GET "/api/events?host=2&service=trips" &&
        trip_key=$(jq -r '.[0].key // empty' "$dir/out") && [ -n "$trip_key" ]
}
trip_of() { # TOPIC STATE: its event at host 2, if that is its state there; leaves it in $trip
    api 2 GET "/api/events?host=2&service=trips&topic=trip/$1&key=$trip_key" &&
        trip=$(jq -r --arg state "$2" '[.[] | select(.state == $state)][0].id // empty' "$dir/out") && [ -n "$trip" ]
}
for i in $(seq 1 10); do
    must pub -t trip/none -m "{\"id\":\"t$i\"}"
done
must wait_for 20 key_of_2
trip() { # TOPIC STATE
    must pub -t "trip/$1" -m "{\"id\":\"$trip_key\"}"
    must wait_for 20 trip_of "$1" "$2"
}
cli_complains() { # STATUS PATTERN COMMAND...: of host 1
    complains "$@" --conf 1.conf --data data1
}
trip saga sleeping
ok "status at host 1 tells of it" cli 1 0 'trips' status --host 2
ok "what its saga has done must be spoken of" cli_complains 1 'has done something (hotel)' cancel "$trip"
ok "until then it waits" trip_of saga sleeping
ok "cancel --compensate at host 1 undoes it at host 2" cli 1 0 'cancelled' cancel "$trip" --compensate
ok "its saga is undone" wait_for 20 answers 200 'undone.*h-1' 1 GET "/api/state/trips?key=$trip_key"
ok "trace at host 1 tells how it ended" wait_for 20 cli 1 0 'cancelled by' trace "$trip"
ok "it is discarded" trip_of saga discarded
ok "and is gone for good" cli_complains 1 'nothing waits under the id' cancel "$trip"
trip saga sleeping
ok "or it is left as it is" cli 1 0 'cancelled' cancel "$trip" --without-compensation
trip call running
ok "one that waits for a call is cancelled, too" cli 1 0 'aborted' cancel "$trip"
ok "and its trace says so" cli 1 0 'cancelled by an operator; GET .* was aborted' trace "$trip"
ok "a script cancels at host 1 by the API, too" answers 404 'nothing waits' 1 POST "/api/cancel/$trip"

# ---- a publish under a key ----

publish_once() { # N KEY BODY
    answers 202 '"id"' "$1" POST "/api/publish?topic=note" -H "Idempotency-Key: $2" -d "$3" &&
        jq -r .id "$dir/out" >"id$1"
}
same_id() { # KEY
    publish_once 1 "$1" x && publish_once 2 "$1" x && cmp -s id1 id2
}
ok "the same Idempotency-Key at both hosts is one id" same_id a1
for key in a2 a3 a4 a5 a6; do
    ok "also under $key" same_id "$key"
done
ok "another body under it is refused at the other host" \
    answers 409 "same idempotency key" 2 POST "/api/publish?topic=note" -H "Idempotency-Key: a1" -d y
book() { # N KEY BODY: at the front door
    status=$(curl -s -o "$dir/out" -w '%{http_code}' --unix-socket "front$1.sock" -H "Idempotency-Key: $2" \
        -H 'Content-Type: application/json' -d "$3" http://localhost/api/book)
    jq -r .id "$dir/out" >"id$1"
}
same_booking() { # KEY
    book 1 "$1" '{"a":1}' && [ "$status" = 202 ] && book 2 "$1" '{"a":1}' && [ "$status" = 202 ] &&
        cmp -s id1 id2 && grep -q '"status":"/api/events/' "$dir/out"
}
for key in b1 b2 b3 b4; do
    ok "an endpoint at both doors under $key is one job" same_booking "$key"
done
other_booking() {
    book 2 b1 '{"a":2}'
    [ "$status" = 409 ]
}
ok "another body under it is a 409 there, too" other_booking
ok "the job is followed at either host" answers 200 '"id"' 1 GET "/api/events/$(cat id1)"

# ---- a host that is away ----

# Somebody who listens to everything: the broker always finds a subscriber.
mosquitto_sub -V 5 -p "$port" -t '#' >/dev/null 2>&1 &
keep $!
stop_one 2
ok "a key of a host that is away: 503 in words, at once" \
    answers 503 "host 2 is not connected" 1 GET "/api/state/seats?key=$two"
ok "an id that may be there: the same" answers 503 "host 2 is not connected" 1 GET "/api/dlq/$letter"
partly_known() {
    api 1 GET "/api/events/$chained" && [ "$status" = 200 ] && [ "$(jq -c .unanswered "$dir/out")" = '[2]' ] &&
        [ "$(jq -r .state "$dir/out")" = unknown ]
}
ok "of a job what is known is told, and who did not answer" partly_known
missing_in() { # PATH: a list of host 1 that names host 2 as missing
    answers 200 . 1 GET "$1" -D "$dir/head" && grep -q '^Zingq-Missing: \[{"host":2,"why":"host 2 is not connected' "$dir/head"
}
ok "a list without it says so" missing_in /api/events
ok "so does the command, and its exit status" cli_complains 3 'lacks host 2: host 2 is not connected' events --limit 3
ok "it lists the others" cli 1 3 '^1 ' events --limit 3
ok "status says that it does not answer" cli 1 0 '^2  *? .*host 2 is not connected' status
ok "a pause that did not reach all names who" cli_complains 3 'done on host 1, and not on host 2 (host 2 is not' pause seats
ok "a retry of all refused publishes, too" cli_complains 3 'done on host 1, and not on host 2' outbox retry
ok "and holds on the others" is_paused 1 true
ok "until it is resumed" cli_complains 3 'done on host 1' resume seats
ok "a replay goes on at the others" cli_complains 3 'host 2 is not connected' dlq replay --service seats
ok "keys of the host that is there are answered" answers 200 taken 1 GET "/api/state/seats?key=$one"
refused_bookings() {
    for refused_key in c1 c2 c3 c4 c5 c6 c7 c8; do
        book 1 "$refused_key" '{"a":1}'
        [ "$status" = 202 ] || [ "$status" = 503 ] || return 1
        [ "$status" = 202 ] || grep -q "nothing was done" "$dir/out" || return 1
    done
}
ok "a booking under a key of its own is refused or taken, never left open" refused_bookings
here() { # a watcher's key that host 1 has
    for here_i in $(seq 1 40); do
        peek_at "h$here_i" "$two" taken
    done
    wait_for 20 sees_error
}
sees_error() {
    for sees_i in $(seq 1 40); do
        answers 200 "error: zing.peek: host 2 is not connected" 1 GET "/api/state/watchers?key=h$sees_i&host=1" &&
            return
    done
    return 1
}
ok "a handler that peeks there gets an error in words" here
start_one 2
ok "and when it is back it answers again" wait_for 20 answers 200 taken 1 GET "/api/state/seats?key=$two"

# A host that hangs: it is connected and does not answer.
eval "kill -STOP \$pid2"
ok "a host that hangs: 504 after the deadline" \
    answers 504 "host 2 did not answer within 5 s" 1 GET "/api/state/seats?key=$two"
eval "kill -CONT \$pid2"
ok "and when it goes on it answers" wait_for 20 answers 200 taken 1 GET "/api/state/seats?key=$two"

metrics_say() {
    curl -s --unix-socket front1.sock http://localhost/metrics | grep zingq_ask >>"$dir/out"
    curl -s --unix-socket front1.sock http://localhost/metrics | grep -q 'zingq_asks_total{result="silent"} 1'
}
ok "the figures count what was not answered" metrics_say

# ---- long lists ----

for part in a b c d; do
    must pub -t seat/many -m "{\"id\":\"$one\",\"part\":\"$part\"}"
done
names_are() { # LEAST MOST COMMAND...: so many rows, of host 1 by host 2
    least=$1
    most=$2
    shift 2
    "$ZINGQ" "$@" --data data2 --host 1 --json >"$dir/out" || return 1
    rows=$(jq length "$dir/out")
    [ "$rows" -ge "$least" ] && [ "$rows" -le "$most" ]
}
# 300 KiB of older changes at host 2
seq 1 1500 | awk '{ printf "{\"id\":\"old-%d\",\"who\":\"somebody-who-did-it\",\"from\":\"\",\"method\":\"POST\",\"path\":\"/api/services/seats/pause-or-so\",\"query\":{},\"status\":200,\"at\":\"2020-01-01T00:00:00.%04dZ\",\"at_ms\":%d}\n", $1, $1, 1577836800000 + $1 }' >>data2/audit.jsonl
old_changes() {
    "$ZINGQ" audit --data data1 --conf 1.conf --json >"$dir/out" && [ "$(jq '[.[] | select(.who == "somebody-who-did-it")] | length' "$dir/out")" = 1500 ]
}
ok "audit tells all changes of all hosts, however many" old_changes
ok "--host has a key whole, also in several pages" wait_for 20 names_are 1201 1210 state get seats "$one"
ok "and as much of a list as is wanted" names_are 1150 1150 state list seats --limit 1150
ok "a name on the last page is found" names_are 1 1 state get seats "$one" zz

echo "1..$count"
[ "$failed" -eq 0 ]
