#!/bin/sh
# marks.sh - what a message says of being handled is believed when a host of ours said it: alone, among two
# hosts with one secret, in a fleet that makes its own; and a stranger's word is not.
#
# ctest: timeout=180
# shellcheck disable=SC2016,SC2086,SC2317 # jq gets $; words are split; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1

SECRET="of all the hosts here"

# folder NAME HOSTS: "first" publishes what "second" is handed, which has no key: nothing but the mark keeps
# another host from running the broker's copy again.
folder() {
    mkdir -p "$1/scripts"
    echo 'return function(e) zing.publish("two", e.payload) end' >"$1/scripts/first.lua"
    echo 'return function(e) zing.publish("out", e.payload) end' >"$1/scripts/second.lua"
    cat >"$1/topics.conf" <<CONF
broker { url = "mqtt://127.0.0.1:$port" }
http { listen = "" }
sys { interval = "200ms" }
hosts { $2 }
service "first" { subscribe = {"one"}  handler = "first.lua" }
service "second" { subscribe = {"two"}  handler = "second.lua" }
service "keyed" { subscribe = {"keyed/+"}  handler = "second.lua"  key = "topic:2" }
CONF
}

launch() { # NAME [OPTION...]
    name=$1
    shift
    (cd "$name" && exec "$ZINGQ" run "$@") >>"$name/host.log" 2>&1 </dev/null &
    eval "$name=$!"
    keep $!
}

end() { # NAME
    eval "pid=\$$1"
    { kill -TERM "$pid" && wait "$pid"; } 2>/dev/null
}

status() { # DATA FILTER: of a host's status; what jq prints is "true"
    [ "$("$ZINGQ" status --json --data "$1" 2>/dev/null | jq "$2" 2>/dev/null)" = true ]
}

alone() { # DATA: it knows of no other host
    status "$1" '.host.ready and .hosts_known'
}

books() { # BOOK DATA...: of "second", over these hosts
    book=$1
    shift
    for data; do
        "$ZINGQ" status --json --data "$data" | jq --arg book "$book" \
            '.services[] | select(.name == "second") | .[$book]'
    done | jq -s add
}

books_are() { # BOOK COUNT DATA...
    book=$1
    wanted=$2
    shift 2
    [ "$(books "$book" "$@")" = "$wanted" ]
}

forge() { # PAYLOAD: as if "second" had it already
    pub -t two -m "$1" -D publish user-property zingq-handled second \
        -D publish user-property zingq-mark 00112233445566778899aabbccddeeff \
        -D publish user-property zingq-id "forged-$1"
}

chain() { # FROM TO: so many events for "first"
    for n in $(seq "$1" "$2"); do
        pub -t one -m "$n"
    done
}

start_broker

# --- a host alone ---

folder a ''
launch a
must wait_for 20 alone a/data
chain 1 5
ok "what was handed over runs once" wait_for 20 books_are handed_over 5 a/data
forge a-1
ok "a stranger's word that a message was handled is not believed" wait_for 20 books_are "done" 6 a/data
ok "and no copy was taken for one of a stranger" books_are accepted 6 a/data
must ends 0 leave --yes --data a/data

# --- two hosts with one secret ---

for n in 1 2; do
    folder "h$n" "count = 2  this = $n  secret = \"$SECRET\""
    launch "h$n"
done
for n in 1 2; do
    must wait_for 20 status "h$n/data" '.host.ready and ([.hosts[] | select(.state == "up")] | length == 2)'
done
chain 1 20
ok "what one hands over the other skips" wait_for 20 books_are handed_over 20 h1/data h2/data
ok "so that each event runs once" wait_for 20 books_are "done" 20 h1/data h2/data
for n in 1 2 3 4; do
    forge "h-$n"
done
ok "both believe no stranger" wait_for 20 books_are "done" 24 h1/data h2/data
ok "nor do they call each other one" books_are accepted 24 h1/data h2/data

# --- what hosts send each other ---

keyed_done() { # COUNT
    [ "$(for n in 1 2; do "$ZINGQ" status --json --data "h$n/data" |
        jq '.services[] | select(.name == "keyed") | .done'; done | jq -s add)" = "$1" ]
}

paused() { # whether host 2 has paused "second"
    status h2/data '[.services[] | select(.name == "second" and .paused)] | length == 1'
}

refused() { # COUNT: so many messages were refused by host 2
    status h2/data ".engine.forwards_refused >= $1"
}

for n in $(seq 40); do
    pub -t "keyed/$n" -m "$n"
done
ok "events are forwarded with a mark" wait_for 20 keyed_done 40
ok "and none was refused" status h2/data '.engine.forwards_refused == 0 and .engine.forwards_taken > 0'
pub -r -t listening -m yes
mosquitto_sub -V 5 -p "$port" -t zingq/ask/default/2 -t listening -F '%t %x' -C 2 -W 60 >heard &
sub=$!
must wait_for 20 grep -q ^listening heard
must ends 0 pause second --data h1/data --host 2
wait "$sub"
sed -n 's/^zingq.ask.default.2 //p' heard | "$PYTHON" -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' >asked
must test -s asked
ok "so are requests" paused
must ends 0 resume second --data h1/data --host 2
mosquitto_pub -V 5 -q 1 -p "$port" -t zingq/ask/default/2 -f asked -D publish correlation-data 0123456789abcdef \
    -D publish response-topic zingq/answer/default/1
ok "a stranger's request is refused" wait_for 20 refused 1
ok "and not executed: the service is not paused" status h2/data '[.services[] | select(.paused)] == []'
pub -t zingq/forward/default/2 -m 'ZQF1 anything'
pub -t zingq/receipt/default/2 -m 'ZQR1 anything'
ok "and what a stranger forwards" wait_for 20 refused 3
ok "which the log says" grep -q 'it has no mark of a host with the same hosts.secret' h2/host.log

# --- one of them without it ---

end h2
sed -i "s/ secret = .* }/ }/" h2/topics.conf
launch h2
ok "a host without the secret is named" wait_for 20 grep -q 'has another hosts.secret, or none' h1/host.log
chain 21 40
ok "and what it hands over is believed, and what the other does" wait_for 20 books_are handed_over 40 h1/data h2/data
ok "so that each event runs once" wait_for 20 books_are "done" 44 h1/data h2/data
must ends 0 leave --yes --data h2/data
must ends 0 leave --yes --data h1/data

# --- a fleet makes its own ---

folder f ''
launch f --hosts 2
for n in 1 2; do
    must wait_for 20 status "f/data/$n" '.host.ready and ([.hosts[] | select(.state == "up")] | length == 2)'
done
ok "its secret is its owner's alone" test "$(stat -c %a f/data/secret)" = 600
chain 1 20
ok "what a host of a fleet hands over the others skip" wait_for 20 books_are handed_over 20 f/data/1 f/data/2
forge f-1
ok "and they believe no stranger" wait_for 20 books_are "done" 21 f/data/1 f/data/2

echo "1..$count"
exit "$failed"
