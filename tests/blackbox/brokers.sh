#!/bin/sh
# brokers.sh - several brokers in broker.url: tried in turn, both connections at the same one, and what was
# learned of one is not held against the next. And: a broker that never had a session of this data folder
# may end the host, wherever else the folder was.
#
# ctest: timeout=120
# ctest: label=torture
# shellcheck disable=SC2016,SC2154,SC2317 # sh -c expands when it runs; real and small assign; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function(e) zing.publish("out/x", e.payload) end' >scripts/svc.lua

# real NAME: a Mosquitto; $NAME is its process, $NAME_port its port, the same the second time.
real() {
    eval "at=\${${1}_port:-$(free_port)}"
    printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$at" >"$1.conf"
    must run_mosquitto "$1.log" -c "$1.conf"
    eval "$1=$broker ${1}_port=$at"
    keep "$broker"
}

# small NAME WORD...: a limited_broker.py with these words.
small() {
    name=$1
    shift
    rm -f "$name.port"
    "$PYTHON" "$SOURCE_DIR/tests/support/limited_broker.py" "$name.record" "$@" >"$name.port" 2>>broker.err &
    eval "$name=$!"
    keep $!
    must wait_for 10 test -s "$name.port"
    eval "${name}_port=$(cat "$name.port")"
}

end() { # PROCESS
    { kill -9 "$1" && wait "$1"; } 2>/dev/null
}

# play FILTER PORT...: a host with these brokers.
play() {
    [ -z "$host" ] || kill_host
    filter=$1
    shift
    urls=
    for at in "$@"; do
        urls="$urls${urls:+, }\"mqtt://127.0.0.1:$at\""
    done
    cat >topics.conf <<CONF
broker { url = {$urls} }
http { listen = "" }
sys { interval = "1h" }
service "svc" { subscribe = {"$filter"}  handler = "svc.lua" }
CONF
    rm -f host.log
    "$ZINGQ" run >host.log 2>&1 </dev/null &
    host=$!
}

at() { # PORT: the host is connected, there
    host_is_ready && [ "$("$ZINGQ" status --json | jq -r .host.broker)" = "mqtt://127.0.0.1:$1" ]
}

# handles PORT TEXT: what is published at the broker comes out at the same.
handles() {
    mosquitto_sub -V 5 -q 1 -p "$1" -t out/x -C 1 -W 30 >heard 2>/dev/null &
    keep $!
    wait_for 20 comes_out "$1" "$2"
}

comes_out() {
    mosquitto_pub -V 5 -q 1 -p "$1" -t in/x -m "$2" && grep -q -x "$2" heard
}

over() {
    ! kill -0 "$host" 2>/dev/null
}

# --- two real ones ---

real a
real b
play in/x "$a_port" "$b_port"
ok "the first is taken" wait_for 20 at "$a_port"
ok "and works" handles "$a_port" one
end "$a"
ok "when it is killed the host goes to the second" wait_for 40 at "$b_port"
ok "with both connections" handles "$b_port" two
real a
ok "and stays there" at "$b_port"
end "$b"
ok "when that is killed it goes to the first again" wait_for 40 at "$a_port"
ok "with both connections" handles "$a_port" three
ok "which made three connects" sh -c '[ "$("$ZINGQ" status --json | jq .host.connects)" -ge 3 ]'
play in/x "$b_port" "$a_port"
ok "a first one that is down from the start is passed over" wait_for 20 at "$a_port"

# --- what was learned of one ---

small poor connack=2800
play 'in/+' "$poor_port" "$a_port"
ok "at a broker without wildcards the filter cannot be had" wait_for 20 grep -q 'in/+ is not possible' host.log
end "$poor"
ok "at the next it can" wait_for 40 at "$a_port"
ok "and works" handles "$a_port" four

# --- brokers that refuse ---

rm -rf data
small strict refuse-connect=86
play in/x "$strict_port" "$a_port"
ok "a first one that refuses the credentials is passed over" wait_for 20 at "$a_port"
play in/x "$strict_port"
ok "a folder with a session elsewhere only is ended by it" wait_for 20 over
wait "$host"
ok "with status 3" test "$?" -eq 3
host=
play in/x "$strict_port" "$a_port"
ok "one with a session at another of the list is not" wait_for 20 at "$a_port"
small strict2 refuse-connect=87
rm -rf data
play in/x "$strict_port" "$strict2_port"
ok "before the first session all of them must refuse" wait_for 20 over
ok "and each was asked" sh -c 'grep -q connect strict.record && grep -q connect strict2.record'
host=

# --- doctor ---

play in/x "$a_port" "$b_port"
ok "doctor examines each" sh -c "\"\$ZINGQ\" doctor >out 2>err; grep -q ':$a_port speaks MQTT 5' out &&
    grep -q 'bad .*connection.*:$b_port' out"

echo "1..$count"
exit "$failed"
