#!/bin/sh
# verdict.sh - one verdict for status, top and the dashboard: what needs a look, and where; and when a
# backlog will have been worked off.
#
# ctest: timeout=240
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
cat >scripts/h.lua <<'END'
return function(event)
  if event.payload == "bad" then zing.reject("bad") end
  if event.payload == "slow" then zing.http.get("http://127.0.0.1:1/", {timeout = "1s"}) end
end
END
cat >topics.conf <<'END'
http { listen = "" }
service "h" { subscribe = {"h"}  handler = "h.lua"  retries = 0  rate = "1/s" }
END
start_broker
start_host

verdict() {
    "$ZINGQ" status --json | jq -e ".verdict | $1" >"$dir/verdict"
}

ask() {
    curl -fsS --unix-socket data/zingq.sock http://zingq/api/status
}

prints() {
    "$ZINGQ" status >"$dir/status" && grep -q -e "$1" "$dir/status"
}

ok "a host without a fault is well" wait_for 10 verdict '.level == "good" and .text == "all is well" and .sentences == []'
ok "and status says so" prints '^verdict all is well$'
pub -t h -m bad
ok "one dead letter needs a look" wait_for 10 verdict '.level == "warn" and
    (.sentences[0] | .service == "h" and .code == "dead" and .link == "#/dead?service=h")'
ok "status names the command that shows it" prints \
    '^warning h: 1 dead letter waits for a person: zingq dlq groups --service h$'
ok "so few attempts say nothing of failing" verdict '[.sentences[].code] | index("failing") == null'

# Given: a script that fails with words that are not UTF-8
cp scripts/h.lua good.lua
printf '%s\n' 'error("no \xff text")' >scripts/h.lua
ok "a script that is refused is bad, whatever it says" wait_for 20 verdict '.level == "bad" and .sentences[0].code == "script"'
ok "and its service is shown with that" eval 'ask | jq -e ".services[0].handler_error | test(\"no . text\")" >/dev/null'
mv good.lua scripts/h.lua
ok "until it is mended" wait_for 20 verdict '[.sentences[].code] | index("script") == null'

# Given: 150 events, of which one a second is done
for _ in $(seq 150); do echo good; done | mosquitto_pub -V 5 -q 1 -p "$port" -t h -l
clears() {
    ask | jq -e '.services[0].clears_in_s | . != null and . > 10 and . < 150' >/dev/null
}
ok "nothing is foreseen at first" eval 'ask | jq -e ".services[0].clears_in_s == null" >/dev/null'
ok "after a minute, when the backlog will be done" wait_for 100 clears
ok "and status says it" prints 'backlog clears in [0-9]* \(s\|min\)'
ok "what is unknown of the store is not said" eval 'ask | jq -e ".engine.full_in_s == null" >/dev/null'

kill "$broker" && wait "$broker" 2>/dev/null
broker=
ok "without its broker a host is not well" wait_for 20 verdict '.level == "bad" and
    (.sentences[0] | .level == "bad" and (.text | test("connection that")))'
ok "status says how bad it is" prints '^verdict BAD, '

echo "1..$count"
[ "$failed" -eq 0 ]
