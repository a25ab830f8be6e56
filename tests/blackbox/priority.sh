#!/bin/sh
# priority.sh - urgent events beside 12,000 that are not, most of them on disk: by a rule, a property, the
# command line, the API and a handler; what is seen of them; a host that is killed meanwhile.
#
# ctest: timeout=600
# shellcheck disable=SC2016,SC2317 # $ in Lua and jq; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

CALM=12000
ALL=$((CALM + 6))

figure() { # SERVICE FIELD
    "$ZINGQ" status --json | jq ".services[] | select(.name == \"$1\") | .$2"
}

is() { # N SERVICE FIELD
    [ "$(figure "$2" "$3")" = "$1" ]
}

more() { # N SERVICE FIELD
    [ "$(figure "$2" "$3")" -gt "$1" ]
}

metric() { # PATTERN
    curl -sf "http://127.0.0.1:$front/metrics" | grep -q -e "$1"
}


cd "$dir" || exit 1
mkdir scripts
front=$(free_port)
cat >topics.conf <<CONF
http { listen = "127.0.0.1:$front" }
endpoint "/api/key-a" { publish = "key/a" }
service "work"  { subscribe = {"work/+"} handler = "work.lua" order = none priority = "topic:2" concurrency = 1 }
service "keys"  { subscribe = {"key/+"}  handler = "keys.lua" key = "topic:2" concurrency = 1 }
service "asks"  { subscribe = {"ask"}    handler = "asks.lua" }
CONF
echo 'return function(event) zing.append("work.log", event.payload) end' >scripts/work.lua
echo 'return function(event) zing.append("keys.log", event.payload) end' >scripts/keys.lua
echo 'return function() zing.publish("work/0", "handler", {priority = 6}) end' >scripts/asks.lua
ok "check says where priorities come from" says 0 'by priority, zingq-priority or topic:2; then in order of arrival' check
start_broker
start_host
must "$ZINGQ" pause work >/dev/null
yes calm | head -n "$CALM" | pub -t work/2 -l
must wait_for 300 is "$CALM" work waiting
ok "what does not fit into memory waits on disk" more 9000 work live.queued
pub -t work/9 -m rule
pub -t work/0 -m property -D PUBLISH user-property zingq-priority 8
must "$ZINGQ" publish --priority 7 work/0 shell >/dev/null
pub -t ask -m x
pub -t work/0 -m bad -D PUBLISH user-property zingq-priority 3.5
pub -t work/none -m worse
must wait_for 60 is "$ALL" work waiting
ok "what is no priority is counted" is 2 work live.bad_priorities
ok "and told" says 0 '2 priorities that cannot be read' status
ok "status has what waits in memory" says 0 'in memory of priority 9: 1, 8: 1, 7: 1, 6: 1, 4: 2, 2: [0-9]' status
ok "and so has a metric" metric '^zingq_waiting_in_memory{service="work",priority="9"} 1'
ok "of the others, too" metric '^zingq_bad_priorities_total{service="work"} 2'
ok "a priority beyond 9 is a mistake" complains 2 '"10"' publish --priority 10 work/0 x
kill_host
start_host
must wait_for 60 is 1 work 'live.priorities["9"]'
must "$ZINGQ" resume work >/dev/null
ok "all is done" wait_for 300 is "$ALL" work "done"
ok "the urgent ones first, over a kill and past the backlog" \
    test "$(head -n 7 data/files/work.log | paste -sd' ')" = "rule property shell handler bad worse calm"
ok "and each once" test "$(wc -l <data/files/work.log)" -eq "$ALL"
id=$("$ZINGQ" events --service work --json | jq -r '[.[] | select(.priority == 9)][0].id // empty')
ok "an event is listed with its priority" test -n "$id"
ok "its story names it" says 0 'priority 9' trace "$id"
must "$ZINGQ" pause keys >/dev/null
pub -t key/a -m a1
pub -t key/b -m b1
pub -t key/a -m a2 -D PUBLISH user-property zingq-priority 9
must wait_for 30 is 3 keys waiting
must "$ZINGQ" resume keys >/dev/null
must wait_for 30 is 3 keys "done"
ok "priorities rank keys, and each stays in order" \
    test "$(paste -sd' ' data/files/keys.log)" = "a1 a2 b1"
post_urgent() { # STATUS PRIORITY N: to the endpoint
    [ "$1" = "$(curl -s -o out -w '%{http_code}' "http://127.0.0.1:$front/api/key-a" -d "{\"n\":$3}" \
        -H "zingq-priority: $2" -H 'Content-Type: application/json')" ]
}
priority_of() { # TOPIC: of the last event
    "$ZINGQ" events --service keys --topic "$1" --json | jq '.[0].priority'
}
ok "a header of a request to an endpoint names it" post_urgent 202 8 1
must wait_for 30 is 4 keys "done"
ok "for the event" test "$(priority_of key/a)" = 8
ok "what is none is refused" post_urgent 400 high 2
ok "in words" grep -q 'zingq-priority is a number from 0 to 9, not \\"high\\"' out
ok "of POST /api/publish, too" test 202 = "$(curl -s -o out -w '%{http_code}' --unix-socket data/zingq.sock -X POST \
    'http://zingq/api/publish?topic=key/c' -d x -H 'zingq-priority: 7')"
must wait_for 30 is 5 keys "done"
ok "for its event" test "$(priority_of key/c)" = 7
echo "1..$count"
[ "$failed" -eq 0 ]
