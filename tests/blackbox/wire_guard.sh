#!/bin/sh
# wire_guard.sh - a broker that sends what libmosquitto cannot take, in plain text and over TLS: the bad
# messages become dead letters, the good ones run, all are acknowledged in order, on one connection.
#
# ctest: timeout=120
# ctest: label=torture
# shellcheck disable=SC2317 # ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function(event) zing.publish("out/x", "x") end' >scripts/svc.lua
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
    -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' -keyout key.pem -out cert.pem >/dev/null 2>&1
cat key.pem cert.pem >both.pem

# play SCHEME CERT: a host with one service at that broker.
play() {
    [ -z "$host" ] || { kill -9 "$host" && wait "$host"; } 2>/dev/null
    [ -z "$broker" ] || { kill -9 "$broker" && wait "$broker"; } 2>/dev/null
    rm -rf data record broker.port host.log
    "$PYTHON" "$SOURCE_DIR/tests/support/poison_broker.py" record "$2" >broker.port 2>broker.err &
    broker=$!
    must wait_for 10 test -s broker.port
    cat >topics.conf <<CONF
broker { url = "$1://localhost:$(cat broker.port)" $([ -z "$2" ] || echo 'ca_file = "cert.pem"') }
http { listen = "" }
sys { interval = "1h" }
service "svc" { subscribe = {"t/#"}  handler = "svc.lua" }
CONF
    "$ZINGQ" run >host.log 2>&1 </dev/null &
    host=$!
}

pubacks() { # N
    [ "$(grep -c '^puback' record)" -eq "$1" ]
}

in_order() {
    [ "$(sed -n 's/^puback //p' record | tr '\n' ' ')" = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 " ]
}

one_connection() {
    [ "$(grep '^connect' record | sort -u | wc -l)" -eq "$(grep -c '^connect' record)" ]
}

letters() { # N
    "$ZINGQ" dlq list --json >letters 2>"$dir/err"
    [ "$(grep -c -i 'not a message that can be handled' letters)" -ge 1 ] &&
        [ "$(grep -o 'not a message that can be handled' letters | wc -l)" -eq "$1" ]
}

told() { # TEXT
    grep -q -F -e "$1" host.log
}

for scheme in mqtt mqtts; do
    play "$scheme" "$([ "$scheme" = mqtt ] || echo both.pem)"
    ok "$scheme: every message is acknowledged" wait_for 30 pubacks 18
    ok "$scheme: in the order they came" in_order
    ok "$scheme: no connection was lost over them" one_connection
    ok "$scheme: the bad ones are dead letters" wait_for 10 letters 9
    ok "$scheme: a topic is escaped" told 'topic=t/\x01'
    ok "$scheme: the reason names the property" told 'its user property "trace" has a control character (U+000A)'
    ok "$scheme: an unknown property is named" told 'its property 0x7e is unknown'
    ok "$scheme: the size of one too large is told" told ': only its beginning was kept'
done

echo "1..$count"
exit "$failed"
