#!/bin/sh
# good_once.sh - a broker that was good for this data folder once and is not any more: nothing it says or
# does ends the host, also after a restart; the reason is told, and when it is good again all goes on.
#
# ctest: timeout=240
# ctest: label=torture
# shellcheck disable=SC2317 # ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function(e) zing.publish("out/x", e.payload) end' >scripts/svc.lua
front=$(free_port)
"$PYTHON" "$SOURCE_DIR/tests/support/limited_broker.py" record >broker.port 2>broker.err &
broker=$!
must wait_for 10 test -s broker.port
port=$(cat broker.port)
cat >topics.conf <<CONF
broker { url = "mqtt://127.0.0.1:$port" }
http { listen = "127.0.0.1:$front" }
sys { interval = "1h" }
service "svc" { subscribe = {"orders/new"}  handler = "svc.lua" }
CONF

launch() {
    "$ZINGQ" run >>host.log 2>&1 </dev/null &
    host=$!
}

# turns WORD...: what the broker is like from now on; every connection ends.
turns() {
    printf '%s\n' "$@" >record.words
    mosquitto_pub -V 5 -q 0 -p "$port" -t kick -n 2>/dev/null
}

alive() {
    kill -0 "$host" 2>/dev/null
}

# down: the host takes requests and says that it is not ready.
down() {
    alive && [ "$(curl -s -o "$dir/out" -w '%{http_code}' "http://127.0.0.1:$front/readyz")" = 503 ]
}

warned() { # PATTERN: in status
    "$ZINGQ" status >"$dir/out" 2>"$dir/err" && grep -q -e "$1" "$dir/out"
}

connects() { # N: at least so many since `mark`
    [ "$(($(grep -c '^connect' record) - mark))" -ge "$1" ]
}

# handles NAME: a message comes and what it causes leaves.
handles() {
    mosquitto_pub -V 5 -q 0 -p "$port" -t orders/new -m "$1" && grep -q -x "publish out/x 1 0 $1" record
}

# survives NAME PATTERN WORD...: the broker turns so, PATTERN is told; the host is started again meanwhile,
# and all goes on when the broker is as before.
survives() {
    name=$1
    pattern=$2
    shift 2
    mark=$(grep -c '^connect' record)
    if [ "$#" -gt 0 ]; then
        turns "$@"
    fi
    ok "$name: the host goes on, and is not ready" wait_for 20 down
    ok "$name: the reason stands in status" wait_for 20 warned "$pattern"
    ok "$name: it is tried again" wait_for 30 connects 4
    ok "$name: the host is not over" alive
    kill_host
    launch
    ok "$name: a host that starts then goes on, too" wait_for 20 down
    ok "$name: and says why" wait_for 20 warned "$pattern"
    mark=$(grep -c '^connect' record)
    ok "$name: it tries again" wait_for 30 connects 2
    ok "$name: and is not over" alive
    rm -f record.words
    ok "$name: when the broker is as before, all is well" wait_for 60 host_is_ready
    ok "$name: and messages are handled" wait_for 20 handles "after-$count"
}

launch
must wait_for 20 host_is_ready
survives "bad credentials" 'broker .*NOT CONNECTED' refuse-connect=86
survives "not authorized" 'broker .*NOT CONNECTED' refuse-connect=87
survives "client id refused" 'refused the client id' refuse-connect=85
survives "MQTT 5 refused" 'does not speak MQTT 5' refuse-connect=84
survives "a subscription that ends the connection" 'answered the subscription .*orders/new' shut=orders
survives "closed at once" 'closes the connection immediately' quick=zingq
ok "that is put down to no other client" sh -c '! grep -q -i "another client" host.log'
survives "another client with our id" 'client id' bye=8e
ok "which is told as that" grep -q -i "another client" host.log

# --- before there was a session it is a slip in the configuration ---

kill_host
rm -rf data
turns refuse-connect=86
launch
ok "before the first session bad credentials end the host" wait_for 20 sh -c "! kill -0 $host"
wait "$host"
ok "with status 3" test "$?" -eq 3

echo "1..$count"
exit "$failed"
