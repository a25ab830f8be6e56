#!/bin/sh
# tls.sh - the front door with a certificate of its own: who is answered, a certificate that is renewed
# while the host runs, files that are wrong.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:=python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function(event) end' >scripts/h.lua
door=$(free_port)
start_broker

# make NAME: a certificate of its own, NAME.pem with NAME.key.
make() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
        -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$1.key" -out "$1.pem" >/dev/null 2>&1
}

# use CERT KEY: the host's files from now on.
use() {
    cp "$1.pem" new && mv new door.pem && cp "$2.key" new && mv new door.key
}

# gets STATUS CA PATH CURL-OPTION...
gets() {
    wanted=$1
    ca=$2
    path=$3
    shift 3
    got=$(curl -sS -m 10 --cacert "$ca.pem" -o out -D err -w '%{http_code}' "$@" "https://127.0.0.1:$door$path" 2>said)
    [ "$got" = "$wanted" ]
}

must make first
must make second
use first first
cat >topics.conf <<END_CONF
store { path = "data" }
http { listen = "127.0.0.1:$door"  cert_file = "door.pem"  key_file = "door.key" }
service "jobs" { subscribe = {"jobs"} handler = "h.lua" }
endpoint "/api/open" { publish = "jobs" }
END_CONF
start_host
token=$(cat data/token)
ok "the door speaks TLS" gets 200 first /healthz
ok "it shows its own certificate" eval '! gets 200 second /healthz'
ok "the API answers there" gets 200 first /api/status -H "Authorization: Bearer $token"
ok "endpoints, too" gets 202 first /api/open -H 'Content-Type: application/json' -d '{}'
ok "a stream goes on" eval 'curl -sN -m 3 --cacert first.pem -H "Authorization: Bearer $token" \
    "https://127.0.0.1:$door/api/live" >out 2>err; [ "$(grep -c "^event: status" out)" -ge 2 ]'
ok "who speaks no TLS gets nothing" eval '! curl -sS -m 5 "http://127.0.0.1:$door/healthz" >out 2>err'
ok "nor who speaks an old one" eval '! curl -sS -m 5 -k --tls-max 1.1 "https://127.0.0.1:$door/healthz" >out 2>err'
# shellcheck disable=SC2034 # for eval
link=$("$ZINGQ" dashboard)
ok "the login link says https" eval 'echo "$link" | grep -q "^https://127.0.0.1:$door/login"'
ok "and the session's cookie is for TLS alone" eval 'gets 303 first "${link#https://127.0.0.1:"$door"}" && grep -qi "^set-cookie:.*; Secure" err'
ok "the commands need no certificate" ends 0 status

use second second
kill -HUP "$host"
ok "a renewed certificate is shown after SIGHUP" wait_for 10 gets 200 second /healthz
ok "and the old one no longer" eval '! gets 200 first /healthz'
use first second
kill -HUP "$host"
ok "a key that does not fit is refused" wait_for 10 grep -q 'the certificate stays as it was: .*is not the key of' host.log
ok "and what was there stays" gets 200 second /healthz
rm door.pem
kill -HUP "$host"
ok "so is a file that is gone" wait_for 10 grep -q 'http.cert_file .*door.pem cannot be used' host.log
ok "the host goes on" gets 200 second /healthz
"$PYTHON" - "$door" <<'END_PY'
import socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(200)]
for i, s in enumerate(held):
    s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" if i % 2 else b"GET / HTTP/1.1\r\n\r\n")
END_PY
ok "half handshakes hold nobody up" gets 200 second /healthz
must stop_host

ok "without the file the host does not start" complains 2 'http.cert_file .*door.pem cannot be used' run --broker "mqtt://127.0.0.1:$port"
sed -i 's/key_file = "door.key"//' topics.conf
ok "a certificate without a key is wrong" complains 2 'cert_file: cert_file and key_file only work together' check

echo "1..$count"
[ "$failed" -eq 0 ]
