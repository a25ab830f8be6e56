#!/bin/sh
# history.sh - what the charts show is kept by the host, and outlasts kill -9.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
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

ask() { # PATH [OPTION...]
    path=$1
    shift
    curl -fsS "$@" --unix-socket data/zingq.sock "http://zingq$path"
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
# Given: a day of a host with 60 services, which no longer run, with a figure in each minute
"${PYTHON:-python3}" - data/history <<'PAST'
import math, struct, sys, time
def sample(step):
    return struct.pack("=I7f", step, *[1000 + math.sin(step + figure) for figure in range(7)])
def series(name, kind=0):
    minute = int(time.time()) // 60
    days = [sample(at) for at in range(minute - 1440, minute)]
    days = days[-(minute % 1440):] + days[:-(minute % 1440)] if minute % 1440 else days
    return struct.pack("=92sI288x", name.encode(), kind) + bytes(180 * 32) + b"".join(days)
with open(sys.argv[1], "wb") as file:
    file.write(b"zingq history 1\n".ljust(512, b"\0") + series("", 1) + b"".join(series("past-%d" % i) for i in range(60)))
PAST
start_host
page() { # FILE [BEFORE]: an answer, and its Zingq-Next in $next
    ask "/api/history?range=24h${2:+&before=$2}" -D "$dir/head" >"$dir/$1" || return 1
    next=$(sed -n 's/^Zingq-Next: *\([0-9.]*\).*/\1/Ip' "$dir/head")
}
pages() {
    page 1.json && [ -n "$next" ] && page 2.json "$next" && [ -n "$next" ] && page 3.json "$next" && [ -z "$next" ]
}
ok "a day of many services comes in pages" pages
ok "which have a bound" test "$(($(wc -c <"$dir/1.json") < 2400000))" = 1
ok "each service stands in one of them" eval 'jq -s -e "map(.services | keys[] | select(startswith(\"past\"))) |
    length == 60 and (unique | length == 60)" "$dir"/[123].json >/dev/null'
ok "all are of the same minutes, none is missing" eval 'jq -s -e "(map(.from) | unique | length == 1) and
    ([.[].services[\"past-59\"] // empty | .rate[] | . != null] | length == 1440 and (map(select(.)) | length >= 1438))" "$dir"/[123].json >/dev/null'
ok "only the first has the host" eval 'jq -s -e ".[0].host != {} and .[1].host == {} and .[2].host == {}" "$dir"/[123].json >/dev/null'
ok "a page may be shorter" eval 'ask "/api/history?range=24h&limit=2" | jq -e ".services | length == 2" >/dev/null'
ok "a place that is none is refused" eval '! ask "/api/history?before=1.x" 2>/dev/null'
kill_host
echo rubbish >data/history
start_host
ok "a damaged file stops no host, and is begun anew" wait_for 20 history '.services.h.dead | any(. == 1)'

echo "1..$count"
[ "$failed" -eq 0 ]
