#!/bin/sh
# descriptors.sh - a host that may open few files: clients, the broker, handlers' calls and zing.append
# get on with it, and nothing has to be done afterwards.
#
# ctest: timeout=180
# shellcheck disable=SC2016,SC2317,SC3045 # what sh -c gets is expanded when it runs; ok calls functions; dash has ulimit -n
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
start_broker
front=$(free_port)
shop=$(free_port)
cat >shop.py <<'PY'
import http.server, sys, time
class Shop(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(0.2)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *words):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 200
Server(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
PY
"$PYTHON" shop.py "$shop" 2>shop.err &
keep $!
# holds N connections to the front door open until it is killed
cat >crowd.py <<'PY'
import socket, sys, time
held = []
for _ in range(int(sys.argv[2])):
    try:
        held.append(socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1))
    except OSError:
        pass
print(len(held), flush=True)
time.sleep(300)
PY
cat >scripts/note.lua <<'LUA'
return function(e) zing.append("notes.txt", e.payload) end
LUA
cat >scripts/call.lua <<LUA
return function(e)
    local r, err = zing.http.get("http://127.0.0.1:$shop/")
    if r == nil then error(err) end
    zing.append("calls.txt", e.payload)
end
LUA
cat >topics.conf <<CONF
broker { url = "mqtt://127.0.0.1:$port" }
http { listen = "127.0.0.1:$front" }
service "note" { subscribe = {"note"}  handler = "note.lua" }
service "call" { subscribe = {"call"}  handler = "call.lua"  key = "json:/n" }
CONF

start_host_with() { # N: files it may open
    (
        ulimit -n "$1"
        exec "$ZINGQ" run >>host.log 2>&1 </dev/null
    ) &
    host=$!
    must wait_for 20 host_is_ready
}

healthy() {
    [ "$(curl -sS -m 5 -o out -w '%{http_code}' "http://127.0.0.1:$front/healthz" 2>err)" = 200 ]
}

lines() { # FILE COUNT
    [ "$(wc -l <"data/files/$1")" -eq "$2" ]
}

dead() { # COUNT
    [ "$("$ZINGQ" status --json | jq '[.services[].dead] | add')" -eq "$1" ]
}

crowd() {
    "$PYTHON" crowd.py "$front" 60 >crowd.out 2>crowd.err &
    crowd=$!
    keep "$crowd"
    must wait_for 20 test -s crowd.out
}

disperse() {
    { kill "$crowd" && wait "$crowd"; } 2>/dev/null
}

warned() { # PATTERN
    "$ZINGQ" status >out 2>err && grep -q -e "^warning .*$1" out
}

# --- more clients than descriptors ---

start_host_with 40
crowd
ok "with more idle clients than descriptors a request is answered" wait_for 10 healthy
ok "an event is accepted" pub -t note -m one
ok "and its line is written" wait_for 20 lines notes.txt 1

{ kill -9 "$broker" && wait "$broker"; } 2>/dev/null
start_broker
ok "the broker is found again" wait_for 40 host_is_ready
ok "and what it brings is handled" pub -t note -m two
ok "to the end" wait_for 20 lines notes.txt 2
disperse
ok "afterwards the front door is open" wait_for 10 healthy

# --- clients that left before they were accepted ---

descriptors() { # how many are open
    set -- "/proc/$host/fd"/*
    echo $#
}

descriptors_at_most() { # COUNT
    [ "$(descriptors)" -le "$1" ]
}

open_before=$(descriptors)
kill -STOP "$host"
must "$PYTHON" - "$front" <<'END'
import socket, sys
for _ in range(6):
    client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
    client.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
    client.close()
END
kill -CONT "$host"
must wait_for 10 healthy
ok "clients that begin a request and leave before they are accepted hold no descriptor" wait_for 15 descriptors_at_most "$open_before"

# --- more calls than descriptors ---

"$PYTHON" -c 'for n in range(120): print("{\"n\": %d}" % n)' >calls
ok "a hundred events and more that call are accepted" pub -t call -l <calls
ok "each call is made in the end" wait_for 90 lines calls.txt 120
ok "and none has become a dead letter" dead 0
ok "the front door is open" wait_for 10 healthy
ok "the host is the same one" kill -0 "$host"

# --- a file that cannot be written ---

mv data/files kept
: >data/files
ok "an event whose line cannot be written is accepted" pub -t note -m three
ok "status says what waits and why" wait_for 10 warned '1 lines of zing.append wait: files/notes.txt cannot be written: Not a directory'
curl -sS "http://127.0.0.1:$front/metrics" >metrics 2>err
ok "metrics, too" grep -q -x 'zingq_append_waiting 1' metrics
rm data/files && mv kept data/files
ok "once it can be, the line is written though nothing else comes" wait_for 20 lines notes.txt 3
ok "status is content again" wait_for 5 sh -c '! "$ZINGQ" status | grep -q zing.append'
ok "in order" sh -c '[ "$(tr "\n" " " <data/files/notes.txt)" = "one two three " ]'

echo "1..$count"
[ "$failed" -eq 0 ]
