#!/bin/sh
# certificates.sh - a broker that wants client certificates, and certificates that are wrong: the reason and
# what to mend are told, the same in the log, in status, by check and by doctor; a file that was renewed is
# picked up, and a host that had a session goes on whatever becomes of its files.
#
# ctest: timeout=120
# ctest: label=torture
# shellcheck disable=SC2016,SC2317 # what sh -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function() end' >scripts/svc.lua

ca() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.pem" >/dev/null 2>&1
}

# sign NAME CA DAYS: NAME.pem with NAME.key.
sign() {
    echo 'subjectAltName=DNS:localhost,IP:127.0.0.1' >ext
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
        -keyout "$1.key" -out "$1.csr" >/dev/null 2>&1 &&
        openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "$3" \
            -extfile ext -out "$1.pem" >/dev/null 2>&1
}

# use NAME KEY: what the host's files are from now on, each put there at once.
use() {
    cp "$1.pem" new && mv new client.pem && cp "$2.key" new && mv new client.key
}

conf() { # OPTIONS of the broker section
    cat >topics.conf <<CONF
broker { url = {${before:-}"mqtts://localhost:$port"} ca_file = "ca.pem" $1 }
http { listen = "" }
sys { interval = "1h" }
service "svc" { subscribe = {"t/#"}  handler = "svc.lua" }
CONF
}

certified() {
    conf 'cert_file = "client.pem" key_file = "client.key"'
}

play() { # a new host
    [ -z "$host" ] || kill_host
    rm -f host.log
    "$ZINGQ" run >host.log 2>&1 </dev/null &
    host=$!
}

# shellcheck disable=SC2120 # the port is the same each time
play_broker() {
    [ -z "$broker" ] || { kill "$broker" && wait "$broker"; } 2>/dev/null
    must run_mosquitto broker.log -c broker.conf
}

logged() { # PATTERN
    grep -q -e "$1" host.log
}

warned() { # PATTERN: in status
    "$ZINGQ" status >"$dir/out" 2>"$dir/err" && grep -q -e "$1" "$dir/out"
}

alive() {
    kill -0 "$host" 2>/dev/null
}

check_says() { # PATTERN: as a warning; the configuration itself is good
    "$ZINGQ" check >"$dir/out" 2>"$dir/err" && grep -q -e "$1" "$dir/err"
}

doctor_says() { # PATTERN
    "$ZINGQ" doctor >"$dir/out" 2>"$dir/err"
    grep -q -e "$1" "$dir/out"
}

must ca ca
must ca other
must sign server ca 2
must sign good ca 2
must sign stranger other 2
must sign expired ca -1
port=$(free_port)
cat >broker.conf <<CONF
listener $port 127.0.0.1
allow_anonymous true
cafile $dir/ca.pem
certfile $dir/server.pem
keyfile $dir/server.key
require_certificate true
user root
CONF
play_broker

# --- expired, and renewed ---

expired='client.pem" expired on 20[0-9-]*T[0-9:]*Z: renew the file'
certified
must use expired expired
play
ok "an expired certificate is told in the log" wait_for 20 logged "$expired"
ok "in status" wait_for 20 warned "$expired"
ok "by check" check_says "$expired"
ok "by doctor" doctor_says "$expired"
use good good
ok "a renewed one is picked up without a restart" wait_for 40 host_is_ready
ok "then check has nothing to say" sh -c '! "$ZINGQ" check 2>&1 | grep -q -i certificate'

# --- this data folder has had a session now ---

use expired expired
play_broker
ok "one that expires on a running host is told" wait_for 20 logged "$expired"
rm client.pem
ok "a file that is gone meanwhile is named" wait_for 40 warned 'cannot read broker.cert_file ".*client.pem"'
ok "neither ends the host" alive
play
ok "nor a host that starts then" wait_for 20 warned 'cannot read broker.cert_file ".*client.pem"'
use good good
ok "which is well when the file is there again" wait_for 40 host_is_ready

# --- others ---

pair='client.key" does not belong to the certificate in broker.cert_file'
use good expired
play
ok "a key of another certificate is told" wait_for 20 logged "$pair"
ok "by check, too" check_says "$pair"
before='"mqtt://localhost", '
certified
ok "also when the first of several brokers has no TLS" check_says "$pair"
before=
certified
use stranger stranger
play
ok "a certificate of a CA that the broker does not know is told" wait_for 20 logged \
    'does not know the CA of our client certificate'
ok "by doctor, too" doctor_says 'does not know the CA of our client certificate'
conf ''
play
ok "that the broker wants a certificate is told" wait_for 20 logged \
    'requires a client certificate: set broker.cert_file'
plain=$(free_port)
printf 'listener %s 127.0.0.1\n' "$plain" >>broker.conf
play_broker
before="\"mqtts://127.0.0.1:$plain\", "
conf ''
before=
ok "a port without TLS is told" doctor_says 'a port without TLS does that, for which mqtt:// is right'
certified
use good good
cp other.pem ca.pem
play
ok "a broker nobody vouches for is told" wait_for 20 logged 'is not signed by a CA that we know'
echo 'no certificate' >ca.pem
play
ok "a file that is no certificate is named" wait_for 20 logged 'ca.pem" contains no readable PEM certificate'

# --- before there was a session ---

kill_host
rm -rf data ca.pem
play
ok "before the first session a file that is not there ends the host" wait_for 20 sh -c "! kill -0 $host"
wait "$host"
ok "with status 3" test "$?" -eq 3
ok "and its name" logged 'cannot read broker.ca_file ".*ca.pem"'

echo "1..$count"
exit "$failed"
