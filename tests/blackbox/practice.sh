#!/bin/sh
# practice.sh - the practice set as it ships, with the commands of docs/practice.md: what each page says
# can be seen is seen, also when the host is killed in between.
#
# ctest: timeout=120
# shellcheck disable=SC2016,SC2317 # what sh -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

listen() {
    mosquitto_sub -V 5 -q 1 -p "$port" -t 'practice/noticed' -t 'practice/recovered' \
        -t 'practice/ordered/+' -t 'logs-per-minute/+' -F '%t %p' >heard 2>/dev/null &
    keep $!
}

heard() { # TIMES PATTERN
    [ "$(grep -c -e "$2" heard)" -eq "$1" ]
}

cd "$dir" || exit 1
cp -R "$SOURCE_DIR/scripts" .
sed "s|listen = \"127.0.0.1:8080\"|listen = \"unix:$dir/front.sock\"|" "$SOURCE_DIR/topics.conf" >topics.conf
start_broker
listen
start_host

# --- log aggregator ---

pub -t logs/web/error -m 'cannot reach the database'
seq 2000 | sed 's/.*/line &/' | pub -t logs/web/info -l &
lines=$!
wait_for 20 sh -c '[ "$(cat data/files/logs-*.log | wc -l)" -gt 100 ]'
kill_host
start_host
wait "$lines"
# What the broker delivers again, since its acknowledgement was lost, is a line of its own.
ok "every line is in the file of its day, though the host was killed" wait_for 30 sh -c \
    '[ "$(cut -d " " -f 4- data/files/logs-*.log | sort -u | wc -l)" -eq 2001 ]'
wait_for 20 sh -c '"$ZINGQ" status --json | jq -e "[.services[] | .waiting] | add == 0"'
ok "a line has time, level, app and text" grep -q 'Z error web cannot reach the database$' data/files/logs-*.log
ok "a line and its event are one" sh -c '[ "$("$ZINGQ" status --json |
    jq ".services[] | select(.name == \"logs\") | .done")" -eq "$(cat data/files/logs-*.log | wc -l)" ]'
ok "a line and its count, too" sh -c '[ "$("$ZINGQ" state get logs info --json |
    jq "[.[] | .value] | add")" -eq "$(grep -c " info web " data/files/logs-*.log)" ]'
pub -t logs/web -m x
ok "a line without a level is a dead letter that says so" wait_for 10 \
    says 0 'the topic has 2 levels' dlq list --service logs

# --- broadcast ---

ZINGQ_HTTP_LISTEN='' "$ZINGQ" run --service notices --data "$dir/second" --broker "mqtt://127.0.0.1:$port" >second.log 2>&1 &
second=$!
must wait_for 20 grep -q 'connected to' second.log
# Until both have subscribed: each notice is another one.
notice() {
    notices=$((${notices:-0} + 1))
    pub -t practice/notice -m "prices-$notices"
    [ "$(sed -n 's/.*"notice":"\(prices-[0-9]*\)".*/\1/p' heard | sort | uniq -d | wc -l)" -ge 1 ]
}
ok "each of two hosts gets a notice" wait_for 20 notice
# For good: a member of the groups that is only stopped would still be dealt its share.
ok "a host leaves for good" ends 0 leave --yes --data second
wait "$second" 2>/dev/null
second=

# --- retry ---

pub -t practice/flaky -m '{"fails": 3}'
ok "what fails three times recovers" wait_for 20 heard 1 'practice/recovered.*4'
id=$("$ZINGQ" events --service flaky --json | jq -r '.[0].id')
ok "its delays have doubled" sh -c '"$ZINGQ" trace '"$id"' --json | "$PYTHON" -c "
import json, sys
from datetime import datetime
events = json.load(sys.stdin)[\"events\"]
at = [datetime.fromisoformat(a[\"at\"].replace(\"Z\", \"+00:00\")) for a in events[0][\"history\"]]
gaps = [(b - a).total_seconds() for a, b in zip(at, at[1:])]
assert len(at) == 3 and gaps[0] >= 0.2 and gaps[1] >= 0.4, gaps
"'
pub -t practice/flaky -m '{"fails": 9}'
ok "more than its retries is a dead letter" wait_for 30 says 0 'attempt 6 of 9' dlq list --service flaky

# --- dead letters ---

pub -t practice/order -m '{"sku": "A-1", "count": "two"}'
ok "a wrong order is a dead letter" wait_for 10 says 0 'not two' dlq list --service warehouse
id=$("$ZINGQ" dlq list --service warehouse --json | jq -r '.[0].id')
ok "it can be edited" ends 0 dlq edit "$id" --payload '{"sku": "A-1", "count": 2}'
ok "and replayed" ends 0 dlq replay "$id"
ok "then it counts" wait_for 10 says 0 '2' state get warehouse A-1 ordered
ok "on_dead was told" grep -q "$id" data/files/rejected-orders.log

# --- from the shell ---

pub -t practice/order -m '{"sku":"B-1","count":1}' -D publish user-property idempotency-key o-17
pub -t practice/order -m '{"sku":"B-1","count":1}' -D publish user-property idempotency-key o-17
ok "an order given twice counts once" wait_for 10 sh -c '"$ZINGQ" status --json |
    jq -e ".services[] | select(.name == \"warehouse\") | .duplicates == 1" >/dev/null'
ok "and is answered once" heard 1 'practice/ordered/B-1'
must ends 0 publish practice/order '{"sku":"B-9","count":1}' --after 1s
ok "a delayed one comes later" wait_for 10 heard 1 'practice/ordered/B-9'

echo "1..$count"
exit "$failed"
