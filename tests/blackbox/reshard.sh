#!/bin/sh
# reshard.sh - one host becomes three and three become one: what waited is done once, by whoever has its key.
#
# ctest: long timeout=240
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

EVENTS=60

# send: each event under its idempotency key; twenty keys.
send() {
    n=0
    while [ "$n" -lt "$EVENTS" ]; do
        pub -t "in/k$((n % 20))" -m "event $n" -D publish user-property idempotency-key "$1-$n"
        n=$((n + 1))
    done
}

# shellcheck disable=SC2317 # called by wait_for
has_figure() {
    [ "$("$ZINGQ" status --json --data "$1" | jq ".services[0].$2")" = "$3" ]
}

# shellcheck disable=SC2317 # called by wait_for
has_heard() {
    [ "$(grep -c . "$dir/heard")" -ge "$1" ]
}

# heard_once N: so many lines, no two alike.
heard_once() {
    [ "$(grep -c . "$dir/heard")" -eq "$1" ] && [ "$(sort -u "$dir/heard" | grep -c .)" -eq "$1" ]
}

# shellcheck disable=SC2317 # called by wait_for
is_ready() {
    [ "$("$ZINGQ" status --json --data "$1" | jq .host.ready)" = true ]
}

# start_three: hosts 1 to 3, until they take messages.
start_three() {
    three=
    for i in 1 2 3; do
        ZINGQ_HOSTS_COUNT=3 ZINGQ_HOSTS_THIS=$i "$ZINGQ" run --data "h$i" \
            --broker "mqtt://127.0.0.1:$port" >>"$dir/host.$i.log" 2>&1 </dev/null &
        three="$three $!"
        keep $!
    done
    for i in 1 2 3; do
        must wait_for 30 is_ready "h$i"
    done
}

# shellcheck disable=SC2317 # called by wait_for
has_left() {
    flock -n "$1/zingq.lock" true
}

# shellcheck disable=SC2317 # called by wait_for
forwards_wait() {
    [ "$("$ZINGQ" status --json --data "$1" | jq '[.host.forwards[].waiting] | add')" -gt 0 ]
}

# A host leaves once the others have what it has for them, which one that has left cannot take.
# shellcheck disable=SC2317 # called by wait_for
no_forwards_wait() {
    [ "$("$ZINGQ" status --json --data "$1" | jq '[.host.forwards[].waiting] | add')" -eq 0 ]
}

# stop_three: those that have not left already.
stop_three() {
    for pid in $three; do
        kill "$pid" 2>/dev/null
    done
    for pid in $three; do
        wait "$pid" || return 1
    done
}

# whole: what the folder's store holds fits together.
whole() {
    ends 0 doctor --store --data "$1"
}

mkdir "$dir/scripts"
cd "$dir" || exit 1
cat >topics.conf <<'END_CONF'
store { path = "h1" }
http  { listen = "" }
service "orders" {
  subscribe = {"in/+"}
  handler   = "orders.lua"
  key       = "topic:2"
}
END_CONF
cat >scripts/orders.lua <<'END_LUA'
return function(event)
  local n = zing.state.incr("n")
  zing.publish("done/" .. event.key, event.payload .. " is number " .. n .. " of " .. event.key)
end
END_LUA

start_broker
mosquitto_sub -V 5 -q 1 -p "$port" -i heard -c -x 1000 -t 'done/#' >"$dir/heard" &
keep $!
start_host
must "$ZINGQ" pause orders >/dev/null
send first
must wait_for 20 has_figure h1 waiting "$EVENTS"

ok "a folder is refused while its host runs" \
    complains 3 'stop the hosts before you reshard' reshard --count 3 h1 h2 h3 --yes
must stop_host
ok "a folder that is missing is named" \
    complains 2 'a new one for host 3 is missing' reshard --count 3 h1 h2 --yes
ok "nobody is asked where nobody can answer" \
    complains 1 'add --yes' reshard --count 3 h1 h2 h3
ok "a dry run says what would move" says 0 '^h2 *new *2 of 3 *0 ' reshard --count 3 h1 h2 h3 --dry-run
ok "and makes nothing" [ ! -e h2 ]

for ms in 005 010 020 030 040 060 080 120; do # wherever it is by then
    timeout -s KILL "0.$ms" "$ZINGQ" reshard --count 3 h1 h2 h3 --yes >/dev/null 2>&1
done
ok "one host becomes three, however often that is killed" ends 0 reshard --count 3 h1 h2 h3 --yes
ok "each of the three stores fits together" eval 'whole h1 && whole h2 && whole h3'
ok "no event is lost" [ "$(for i in 1 2 3; do
    "$ZINGQ" status --json --data "h$i" | jq '.services[0].waiting'
done | awk '{ n += $1 } END { print n }')" = "$EVENTS" ]
ok "a host that does not know of it refuses the store" \
    complains 2 'zingq reshard --count' run --data h1 --broker "mqtt://127.0.0.1:$port"

start_three
resumed() { # on all three
    "$ZINGQ" resume orders --data h1 >/dev/null 2>&1
}
must wait_for 20 resumed
ok "each event is done" wait_for 30 has_heard "$EVENTS"
ok "once, as the next of its key" heard_once "$EVENTS"
send first
send second
ok "what comes again is known, what is new is done" wait_for 30 has_heard $((2 * EVENTS))
ok "once" heard_once $((2 * EVENTS))
stop_three
ok "a host that is to be none must have left the broker" \
    complains 1 'the host of h3 has not left the broker' reshard --count 1 h1 h2 h3 --yes
start_three
must wait_for 30 no_forwards_wait h2
must wait_for 30 no_forwards_wait h3
must "$ZINGQ" leave --data h2 --yes >/dev/null
must "$ZINGQ" leave --data h3 --yes >/dev/null
must wait_for 20 has_left h2
must wait_for 20 has_left h3
send third
ok "what comes then waits for it" wait_for 20 forwards_wait h1
ok "three hosts stop" stop_three

ok "three hosts become one" ends 0 reshard --count 1 h1 h2 h3 --yes
ok "its store fits together" whole h1
start_host
send second
send fourth
ok "the one knows what the three had" wait_for 30 has_heard $((4 * EVENTS))
ok "and does the rest once" heard_once $((4 * EVENTS))
ok "its books say that all is done" [ "$("$ZINGQ" status --json | jq '.services[0].done')" = $((4 * EVENTS)) ]
ok "it stops" stop_host

# The same with one folder for all of them, as zingq run --hosts has it.
start_fleet() {
    "$ZINGQ" run --hosts "$1" --data h1 --broker "mqtt://127.0.0.1:$port" >>"$dir/fleet.log" 2>&1 </dev/null &
    host=$!
    for i in $(seq "$1"); do
        must wait_for 30 is_ready "h1/$i"
    done
}

rm -r h2 h3
for ms in 005 010 020 030 040 060; do
    timeout -s KILL "0.$ms" "$ZINGQ" reshard --count 3 h1 --yes >/dev/null 2>&1
done
ok "a folder becomes that of three hosts, however often that is killed" ends 0 reshard --count 3 h1 --yes
start_fleet 3
send fourth
send fifth
ok "which know what it had" wait_for 30 has_heard $((5 * EVENTS))
ok "and do the rest once" heard_once $((5 * EVENTS))
must wait_for 30 no_forwards_wait h1/3
must "$ZINGQ" leave --data h1/3 --yes >/dev/null
must wait_for 20 has_left h1/3
must stop_host
ok "then of two" ends 0 reshard --count 2 --yes # h1 is store.path
ok "the third is put away" [ ! -e h1/3 ]
start_fleet 2
send fifth
send sixth
ok "which know, too" wait_for 30 has_heard $((6 * EVENTS))
ok "and go on" heard_once $((6 * EVENTS))
must stop_host

echo "1..$count"
[ "$failed" -eq 0 ]
