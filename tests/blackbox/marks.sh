#!/bin/sh
# marks.sh - what a message says of being handled is believed when a host of ours said it: alone, among two
# hosts with one secret, in a fleet that makes its own; and a stranger's word is not.
#
# ctest: timeout=360
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
"$PYTHON" "$SOURCE_DIR/tests/support/replay.py" "$port" zingq/ask/default/2 learnt &
keep $!
must wait_for 20 test -e learnt.ready
must ends 0 pause second --data h1/data --host 2
must ends 0 resume second --data h1/data --host 2
must wait_for 20 test -s learnt # which was under no ticket, or under that of an earlier run
"$PYTHON" "$SOURCE_DIR/tests/support/replay.py" "$port" zingq/ask/default/2 asked &
keep $!
must wait_for 20 test -e asked.ready
must ends 0 pause second --data h1/data --host 2
must wait_for 20 test -s asked
ok "so are requests" paused
must ends 0 resume second --data h1/data --host 2

pauses() { # COUNT: so often host 2 was told to pause "second"
    [ "$(grep -c '"second" paused by an operator' h2/host.log)" = "$1" ]
}

not_paused() {
    status h2/data '[.services[] | select(.paused)] == []'
}

for file in asked learnt; do
    must "$PYTHON" "$SOURCE_DIR/tests/support/replay.py" "$port" "$file"
done
must ends 0 resume second --data h1/data --host 2 # which arrives after them
ok "what somebody recorded is not executed again" not_paused
ok "not even for a moment" pauses 2
mosquitto_pub -V 5 -q 1 -p "$port" -t zingq/ask/default/2 -m rubbish -D publish correlation-data 0123456789abcdef \
    -D publish response-topic zingq/answer/default/1
ok "a stranger's request is refused" wait_for 20 refused 1
ok "and not executed: the service is not paused" not_paused
pub -t zingq/forward/default/2 -m 'ZQF1 anything'
pub -t zingq/receipt/default/2 -m 'ZQR1 anything'
ok "and what a stranger forwards" wait_for 20 refused 3
ok "which the log says" grep -q 'it has no mark made with a hosts.secret of this host' h2/host.log

# --- a stranger's presence ---

member() { # HOST STATE SINCE SECRET-NAME: what a host would say on zingq/hosts/default/HOST
    printf '{"host":"%s","id":"%s-id","version":"0.1.0","group":"default","mark":"%s","count":1,"this":1,' "$1" "$1" "$4"
    printf '"alone":false,"state":"%s","hello":true,"since":%s,"client_id":"of-somebody","services":{"keyed":' "$2" "$3"
    printf '{"key":"topic:2","idempotency":"none","order":"key","several_hosts":"divided","held":false}}}'
}

pretend() { # HOST STATE
    pub -r -t "zingq/hosts/default/$1" -m "$(member "$1" "$2" 1 ffeeddccbbaa99887766554433221100)" \
        -D publish user-property zingq-mark 00112233445566778899aabbccddeeff
}

both() { # FILTER: holds for both hosts
    status h1/data "$1" && status h2/data "$1"
}

told() { # HOST-NAME: both warn of its presence
    both "[.host.warnings[] | select(contains(\"zingq/hosts/default/$1 is not believed\"))] | length == 1"
}

name_of_2=$("$ZINGQ" status --json --data h2/data | jq -r '.hosts[] | select(.self) | .host')
pretend mallory up
ok "a stranger's presence is named in the status, with what to do" wait_for 20 told mallory
ok "and in the log" grep -q 'hosts/default/mallory is not believed.*same hosts.secret' h2/host.log
ok "and counts for nothing: no service is held" both '.host.ready and ([.services[] | select(.held)] == [])'
ok "it is no host" both '[.hosts[] | select(.host == "mallory")] == []'
for n in 5 6 7 8; do
    forge "h-$n"
done
ok "and both still believe no stranger's message" wait_for 20 books_are "done" 28 h1/data h2/data
ok "nor do they call it handled" books_are accepted 28 h1/data h2/data
pretend "$name_of_2" gone
pub -t zingq/hosts/default/up -r -n
ok "who says that a host is gone is not believed" status h1/data '[.hosts[] | select(.state == "up")] | length == 2'
held() { # what the broker has of host 2 is its own
    mosquitto_sub -V 5 -p "$port" -t "zingq/hosts/default/$name_of_2" -C 1 -W 5 | grep -q '"state":"up"'
}
ok "and that host says again that it is up" wait_for 20 held
for n in $(seq 41 60); do
    pub -t "keyed/$n" -m "$n"
done
ok "events still reach the host of their key" wait_for 20 keyed_done 60
pub -r -n -t "zingq/hosts/default/$name_of_2"
ok "nor who clears its presence" wait_for 20 held
ok "so that nobody loses sight of it" status h1/data '[.hosts[] | select(.state == "up")] | length == 2'
pub -r -n -t zingq/hosts/default/mallory
ok "a presence that is cleared is no longer warned of" wait_for 20 both '[.host.warnings[] | select(contains("mallory"))] == []'

# --- another secret, one host after the other ---

LATER="of all the hosts, later"

reconfigure() { # NUMBER SECRETS: with these, while the other runs
    end "h$1"
    sed -i "s/ secret = .* }/ secret = $2 }/" "h$1/topics.conf"
    launch "h$1"
    must wait_for 20 both '.host.ready and ([.hosts[] | select(.state == "up")] | length == 2)'
}

chained=20
ran=28
carry_on() { # WHEN: chains and forwards do what they did
    from=$((chained + 1))
    chained=$((chained + 10))
    ran=$((ran + 10))
    chain "$from" "$chained"
    wait_for 20 books_are "done" "$ran" h1/data h2/data && books_are accepted "$ran" h1/data h2/data
}

carried() { # SECRETS: both get them, one after the other
    for n in 1 2; do
        reconfigure "$n" "$1"
        ok "each event runs once when host $n has $1" carry_on
    done
}

carried "{\"$SECRET\", \"$LATER\"}"
carried "{\"$LATER\", \"$SECRET\"}"
carried "{\"$LATER\"}"
ok "no host was a stranger to the other meanwhile" test -z "$(grep -h "hosts/default/.* is not believed" h?/host.log | grep -v mallory)"
ok "nor any forward" both '.engine.forwards_refused == 0'

# --- one of them with another, or none ---

strange() { # whether host 1 warns of host 2
    status h1/data "[.host.warnings[] | select(contains(\"$name_of_2 is not believed\"))] | length == 1"
}

end h2
sed -i "s/ secret = .* }/ secret = {\"$SECRET\"} }/" h2/topics.conf
launch h2
ok "a host with another secret is a stranger" wait_for 20 strange
end h2
sed -i "s/ secret = .* }/ }/" h2/topics.conf
launch h2
ok "a host without one, too" wait_for 20 strange

# --- until all have one ---

end h1
end h2
sed -i "s/ secret = .* }/ }/" h1/topics.conf
launch h1
launch h2
must wait_for 20 both '.host.ready and ([.hosts[] | select(.state == "up")] | length == 2)'
ok "without any, they believe each other" grep -q 'has another secret than this one' h1/host.log
for n in 1 2; do
    sed -i "s/ this = $n /& secret = \"\" /" "h$n/topics.conf"
done
carried "{\"$LATER\", \"any\"}"
carried "{\"$LATER\"}"
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
