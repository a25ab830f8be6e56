#!/bin/sh
# fair.sh - one tenant with 12,000 events, most of them on disk, beside a hundred with one each; keys at
# their limits; what is seen of both; a host that is killed meanwhile.
#
# ctest: timeout=600
# shellcheck disable=SC2016,SC2317 # $ in Lua and jq; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

BIG=12000

figure() { # SERVICE FIELD
    "$ZINGQ" status --json | jq ".services[] | select(.name == \"$1\") | .$2"
}

is() { # N SERVICE FIELD
    [ "$(figure "$2" "$3")" = "$1" ]
}

more() { # N SERVICE FIELD
    [ "$(figure "$2" "live.$3")" -gt "$1" ]
}

metric() { # PATTERN
    curl -sf "http://127.0.0.1:$front/metrics" | grep -q -e "$1"
}

# How many lines of the big tenant stand before the last of the small ones.
big_ones_before() {
    awk '/^one/ { seen = big } /^big/ { big++ } END { print seen + 0 }' data/files/mails.log
}

small_ones_are_done() {
    [ "$(grep -c '^one' data/files/mails.log)" -eq 100 ]
}

cd "$dir" || exit 1
mkdir scripts
front=$(free_port)
cat >topics.conf <<CONF
http { listen = "127.0.0.1:$front" }
service "mails" { subscribe = {"mail/+"} handler = "mails.lua" order = none fair = "json:/tenant" concurrency = 1 }
service "calls" { subscribe = {"call/+"} handler = "calls.lua" key = "topic:2" order = none key_concurrency = 1 }
service "slow"  { subscribe = {"slow/+"} handler = "none.lua" key = "topic:2" key_rate = "1/h" }
CONF
echo 'return function(event) zing.append("mails.log", event.json.tenant) end' >scripts/mails.lua
echo 'return function(event) if event.key == "a" then zing.throttle("1h", {key = true}) end end' >scripts/calls.lua
echo 'return function() end' >scripts/none.lua
ok "check says how turns are dealt" says 0 'each tenant in turn, by json:/tenant' check
ok "and what limits a key" says 0 'of a key 1 at once' check
start_broker
start_host
pub -t slow/a -m 1
ok "the rate of a key lets one start" wait_for 30 is 1 slow "done"
pub -t slow/a -m 2
pub -t slow/b -m 1
ok "and one of another key" wait_for 30 is 2 slow "done"
must "$ZINGQ" pause mails >/dev/null
yes '{"tenant":"big"}' | head -n "$BIG" | pub -t mail/x -l
must wait_for 300 is "$BIG" mails waiting
for n in $(seq 100); do
    echo "{\"tenant\":\"one$n\"}"
done | pub -t mail/y -l
must wait_for 300 is $((BIG + 100)) mails waiting
ok "what does not fit into memory waits on disk" more 9000 mails queued
ok "and is a metric" metric '^zingq_queued{service="mails"} [1-9]'
ok "status says so" says 0 "on disk until their turns" status
kill_host
start_host
ok "a restart forgets nobody" is $((BIG + 100)) mails waiting
must "$ZINGQ" resume mails >/dev/null
ok "the hundred are soon done" wait_for 120 small_ones_are_done
ok "each with its share of the turns" test "$(big_ones_before)" -le 110
kill_host
start_host
ok "a host that was killed goes on" wait_for 300 is $((BIG + 100)) mails "done"
ok "and each event has run once" test "$(wc -l <data/files/mails.log)" -eq $((BIG + 100))
id=$("$ZINGQ" events --service mails --json | jq -r '.[0].id')
ok "the story of an event names its tenant" says 0 'tenant [bo]' trace "$id"
pub -t call/a -m 1
ok "a key that is throttled waits" wait_for 30 is 1 calls throttles
pub -t call/a -m 2
pub -t call/b -m 1
ok "and no other" wait_for 30 is 1 calls "done"
ok "which is seen" is 1 calls live.keys_held
kill_host
start_host
ok "a restart lifts no throttle of a key" is 1 calls "done"
ok "and no rate" is 2 slow "done"
echo "1..$count"
[ "$failed" -eq 0 ]
