#!/bin/sh
# follow.sh - `zingq events -f`: what a host accepts, as it comes, and over a restart of the host.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function(event) if event.payload == "bad" then zing.reject("no good") end end' >scripts/h.lua
cat >topics.conf <<'END'
http { listen = "" }
service "h" { subscribe = {"h/+"}  handler = "h.lua"  key = "topic:2"  retries = 0 }
service "other" { subscribe = {"other"}  handler = "h.lua" }
service "left"  { subscribe = {"both"}  handler = "h.lua"  retries = 0 }
service "right" { subscribe = {"both"}  handler = "h.lua"  retries = 0 }
END
start_broker

# What a shell runs in the background does not heed Ctrl-C otherwise.
follow() {
    env --default-signal=INT "$ZINGQ" events -f "$@" >"$dir/lines" 2>"$dir/said" &
    follower=$!
    keep "$follower"
}

unfollow() {
    kill -INT "$follower"
    { wait "$follower"; } 2>/dev/null
    [ $? -eq 130 ]
}

# lines N PATTERN: so many lines match.
lines() {
    [ "$(grep -c -e "$2" "$dir/lines")" = "$1" ]
}

ok "without a host there is nothing to follow" complains 3 'no host is running' events -f
start_host
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do pub -t "h/k$i" -m good; done
must wait_for 20 service_is h 'done == 12'
follow --service h
ok "it begins with the last ten" wait_for 10 lines 10 '  done  '
ok "the oldest of them first" eval 'head -n 1 "$dir/lines" | grep -q "  k3  h/k3  "'
pub -t h/new -m bad
ok "a new one follows, with why it died" wait_for 10 lines 1 '  dead  new  h/new  .*  no good$'
pub -t other -m good
pub -t h/last -m good
ok "what is not asked for is left out" eval 'wait_for 10 lines 1 h/last && lines 0 "  other  "'
kill_host
ok "a host that goes away is waited for" wait_for 10 grep -q '^the host does not answer' "$dir/said"
start_host
pub -t h/again -m good
ok "when it is back, it goes on" wait_for 20 lines 1 h/again
ok "and says so" grep -qx 'the host is back' "$dir/said"
ok "nothing is printed twice in one state" eval '[ -z "$(cut -d " " -f 2- "$dir/lines" | sort | uniq -d)" ]'
ok "Ctrl-C ends it" unfollow
follow --state dead --limit 1 --json
ok "in JSON, a line each" wait_for 10 eval 'jq -e ".state == \"dead\" and .key == \"new\"" "$dir/lines" >/dev/null'
"$ZINGQ" pause h >/dev/null
pub -t h/later -m bad
"$ZINGQ" resume h >/dev/null
ok "an event is shown when it comes into the state" wait_for 10 lines 1 '"key": *"later"'
unfollow
follow --topic 'both'
"$ZINGQ" publish both good >/dev/null
ok "an event that two services take has a line of each" wait_for 10 eval \
    'lines 1 "  left  .*  done  " && lines 1 "  right .*  done  "'
"$ZINGQ" publish both bad >/dev/null
ok "also when it ends alike in both" wait_for 10 eval 'lines 1 "  left  .*  dead  " && lines 1 "  right .*  dead  "'
ok "and no line comes again" eval '[ -z "$(cut -d " " -f 2- "$dir/lines" | sort | uniq -d)" ]'
unfollow
ok "-f is of commands that follow" complains 2 'unknown option -f' status -f

echo "1..$count"
[ "$failed" -eq 0 ]
