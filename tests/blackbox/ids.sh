#!/bin/sh
# ids.sh - an id is given by its last digits, to commands and requests, while the host runs and after it has
# stopped; several that fit are listed, and nothing is done.
#
# ctest: timeout=120
# shellcheck disable=SC2317 # ok and wait_for call functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# Two letters whose ids end alike, and one that stands alone; done is none of them.
one=0192f0c1-2345-7abc-8def-01230000b9c1
two=0192f0c1-2345-7abc-8def-01231111b9c1
lone=0192f0c1-2345-7abc-8def-0123456789ab

send() { # TOPIC ID
    must pub -t "$1" -D publish user-property zingq-id "$2" -m '{"id":"a"}'
}

letters() { # COUNT
    [ "$("$ZINGQ" dlq list --json | jq length)" -eq "$1" ]
}

# answers STATUS METHOD PATH: the body into "body".
answers() {
    [ "$(curl -s -o body -w '%{http_code}' -X "$2" --unix-socket data/zingq.sock "http://zingq$3")" = "$1" ]
}

# has FILTER: the body.
has() {
    jq -e "$1" body >/dev/null
}

cd "$dir" || exit 1
mkdir scripts
start_broker
cat >topics.conf <<'CONF'
store { path = "data" }
http  { listen = "" }
service "jobs" {
  subscribe = {"job/+"}  handler = "jobs.lua"  key = "json:/id"  retries = 0
}
CONF
cat >scripts/jobs.lua <<'LUA'
local jobs = {}
jobs["job/fail"] = function() error("broken") end
jobs["job/good"] = function() end
return jobs
LUA
start_host
send job/fail $one
send job/fail $two
send job/fail $lone
good=0192f0c1-2345-7abc-8def-0123456700aa
send job/good $good
must wait_for 20 letters 3

# ---- while the host runs ----

ok "a table shows the last 8 digits" says 0 ' 456789ab ' dlq list
ok "and no whole id" test "$(grep -c 0192f0c1 out)" -eq 0
ok "JSON has the whole one" says 0 "$lone" dlq list --json
ok "events shows them too" says 0 ' 456700aa' events
ok "what a table shows is found" says 0 "$lone" dlq show 456789ab
ok "by 4 digits, in either case" says 0 "$lone" dlq show 89AB
ok "trace finds an event, and shows the whole id" says 0 "$good" trace 00aa
ok "3 digits are no id" complains 2 'is not an event id' trace 0aa
ok "what nothing ends in is no" complains 1 'no event or publish has an id that ends in "00ab"' trace 00ab
ok "an event that is done is no letter" complains 1 'no dead letter has an id' dlq show 00aa
ok "several are listed" complains 1 "several ids end in \"b9c1\".*$one" dlq show b9c1
ok "each of them" grep -q "$two" err
ok "more digits tell them apart" says 0 "$two" dlq show 1111b9c1
ok "of several letters none is replayed if one is unclear" complains 1 'several ids' dlq replay 89ab b9c1
ok "so all are still dead" letters 3

api_finds() {
    answers 200 GET "/api/events/00aa" && has ".id == \"$good\""
}
ok "the API takes them" api_finds
api_lists() {
    answers 200 GET "/api/ids/b9c1?of=letter" && has "sort == [\"$one\", \"$two\"]"
}
ok "and finds whole ids" api_lists
ok "an odd kind is refused" answers 400 GET "/api/ids/b9c1?of=things"
api_refuses() {
    answers 409 POST "/api/dlq/b9c1/discard" && has ".ids | sort == [\"$one\", \"$two\"]"
}
ok "several are a 409 with the candidates" api_refuses
ok "and nothing is done" letters 3
ok "none is a 404" answers 404 POST "/api/dlq/00ab/discard"
ok "a letter is tried" answers 200 POST "/api/dlq/89ab/try"
api_reruns() {
    answers 200 POST "/api/replay?id=00aa&dry=1" || answers 202 POST "/api/replay?id=00aa&dry=1"
}
ok "an event to be replayed is found" api_reruns
ok "a command, too" says 0 '1' replay --id 00aa --dry-run

ok "a letter is discarded by its digits" says 0 '^1 discarded' dlq discard 456789ab
ok "it alone" letters 2
ok "the audit log has the whole id" says 0 "/api/dlq/$lone/discard" audit --json
ok "its table the short one" says 0 '/api/dlq/456789ab/discard' audit
later=$("$ZINGQ" publish later/on x --after 1h)
ok "a delayed publish is listed by its digits" says 0 "$(printf %s "$later" | tail -c 8)" delayed
ok "and taken back" says 0 "$later is cancelled" cancel "$(printf %s "$later" | tail -c 8)"

# ---- and stopped ----

ok "the host stops" stop_host
ok "the store is searched when no host runs" says 0 "$two" dlq show 1111b9c1
ok "trace, too" says 0 "$good" trace 00aa
ok "several are listed as well" complains 1 "several ids end in \"b9c1\".*$one" trace b9c1
ok "none is no" complains 1 'no dead letter has an id that ends in "00ab"' dlq show 00ab

echo "1..$count"
[ "$failed" -eq 0 ]
