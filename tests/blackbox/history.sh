#!/bin/sh
# history.sh - what the charts show is kept by the host, and outlasts kill -9.
#
# ctest: timeout=120
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function(event) if event.payload == "bad" then zing.reject("bad") end end' >scripts/h.lua
cat >topics.conf <<'END'
http { listen = "" }
service "h" { subscribe = {"h"}  handler = "h.lua"  retries = 0 }
END
start_broker
start_host

ask() {
    curl -fsS --unix-socket data/zingq.sock "http://zingq$1"
}

# history JQ-CONDITION [QUERY]: of the answer.
history() {
    ask "/api/history?range=15m${2:-}" >"$dir/history.json" && jq -e "$1" "$dir/history.json" >/dev/null
}

refused() {
    [ "$(curl -s -o "$dir/refused" -w '%{http_code}' --unix-socket data/zingq.sock \
        "http://zingq/api/history?range=1y")" = 400 ] && grep -q '15m' "$dir/refused"
}

ok "a step is noted of a service" wait_for 20 history '.services.h.waiting | any(. != null)'
pub -t h -m good
pub -t h -m bad
ok "what was done, failed and died is in it" wait_for 20 history '.services.h |
    (.rate | add > 0) and (.failures | add > 0) and (.dead | any(. == 1)) and (.p99 | any(. != null))'
ok "and in the sums of the host" history '.host | (.rate | add > 0) and (.dead | any(. == 1)) and
    (.room | any(. != null and . > 1000000)) and (.commit | any(. != null and . > 0))'
ok "its range and steps are said" history '.range == "15m" and .step == 5 and (.from % 5) == 0 and
    ([.services.h[] | length] | all(. == 180)) and (now - .from - 900 | . >= 0 and . < 10)'
ok "24 hours are minutes" eval 'ask "/api/history?range=24h" |
    jq -e ".step == 60 and (.host.rate | length == 1440)" >/dev/null'
ok "one service can be asked for" history '(.services | keys == ["h"]) and .host == {}' '&service=h'
ok "another has none" history '.services == {}' '&service=other'
ok "an unknown range is refused" refused

# Given: a step that has ended
history '[.services.h.dead | to_entries[] | select(.value == 1)][0].key * 5 + .from'
step=$(jq '[.services.h.dead | to_entries[] | select(.value == 1)][0].key * 5 + .from' "$dir/history.json")
kill_host
start_host
ok "kill -9 loses nothing of it" history \
    "(($step - .from) / 5) as \$i | .services.h.dead[\$i] == 1 and .services.h.rate[\$i] != null"
ok "the file is its owner's" eval '[ "$(stat -c %a data/history)" = 600 ]'
kill_host
echo rubbish >data/history
start_host
ok "a damaged file stops no host, and is begun anew" wait_for 20 history '.services.h.dead | any(. == 1)'

echo "1..$count"
[ "$failed" -eq 0 ]
