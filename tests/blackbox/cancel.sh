#!/bin/sh
# cancel.sh - a person cancels events of the real program, whatever they are doing: its call is closed, nothing
# that it staged leaves, its saga is undone if asked, and kill -9 changes nothing of it.
#
# ctest: timeout=180
# shellcheck disable=SC2016 # $ in Lua and jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# Notes each request in "asked" and, if its client hangs up before there is a file "go", that in "closed".
start_gateway() {
    serve gateway.port <<'PEER'
import http.server, os, select, socket
class Peer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with open("asked", "a") as asked:
            asked.write(self.path + "\n")
        while not os.path.exists("go"):
            ready, _, _ = select.select([self.connection], [], [], 0.05)
            if ready and self.connection.recv(1, socket.MSG_PEEK) == b"":
                with open("closed", "a") as closed:
                    closed.write(self.path + "\n")
                return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
PEER
}

# A mail server that greets and then says no more; the same in "closed".
start_mail_server() {
    "$PYTHON" - >mail.port 2>mail.err <<'MAIL' &
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    client.sendall(b"220 slow\r\n")
    with open("asked", "a") as asked:
        asked.write("mail\n")
    while client.recv(4096):
        pass
    with open("closed", "a") as closed:
        closed.write("mail\n")
MAIL
    keep $!
    must wait_for 10 test -s mail.port
}

event_of() { # SERVICE KEY STATE
    "$ZINGQ" events --service "$1" --key "$2" --state "$3" --json | jq -r '.[0].id'
}

state_is() { # SERVICE KEY STATE
    [ "$(event_of "$1" "$2" "$3")" != null ]
}

# is_put_off KEY: leaves the event's id in "id".
# shellcheck disable=SC2317 # called by wait_for
is_put_off() {
    "$ZINGQ" events --service acts --key "$1" --json |
        jq -er '.[] | select(.state == "sleeping" or .state == "retrying") | .id' >id
}

# shellcheck disable=SC2317 # called by ok
quietly() {
    "$@" >/dev/null
}

cd "$dir" || exit 1
mkdir scripts
start_gateway
start_mail_server
: >asked
: >closed
cat >topics.conf <<CONF
http { listen = "unix:$dir/front.sock" }
limits { lua_time = "60s" }
vars {
  gateway = "http://127.0.0.1:$(cat gateway.port)"
  smtp_url = "smtp://127.0.0.1:$(cat mail.port)"
  mail_from = "a@example.org"
}
token "ann" { value = "0123456789abcdef0123456789abcdef" role = operate }
service "acts" { subscribe = {"acts/+/+"} handler = "acts.lua" key = "topic:3" timeout = "10m" }
service "trip" { subscribe = {"trip/+"} handler = "trip.lua" key = "topic:2" timeout = "10m" }
CONF
cat >scripts/acts.lua <<'LUA'
local acts = {
  call = function(e) zing.http.post(zing.config.gateway .. "/" .. e.key, {timeout = "9m"}) end,
  mail = function() zing.mail {to = "b@example.org", subject = "x", text = "x"} end,
  sleep = function() zing.sleep("1h") end,
  wait = function() zing.wait("never") end,
  all = function() zing.wait_all("never", 2) end,
  fail = function() zing.retry("1h", "on purpose") end,
  loop = function(e)
    zing.log.info("begins to compute")
    repeat until e.cancelled()
    zing.log.info("was told")
  end,
  quick = function() end,
}
return function(e)
  zing.state.incr("ran")
  acts[e.levels[2]](e)
  zing.state.incr("done")
end
LUA
cat >scripts/trip.lua <<'LUA'
return function(e)
  local saga = zing.saga()
  saga:step("hotel", function() return "h-1" end, function(hotel)
    zing.http.post(zing.config.gateway .. "/free-" .. hotel, {timeout = "9m"})
    zing.state.set("undone", true)
  end)
  saga:step("flight", function() zing.http.post(zing.config.gateway .. "/flight", {timeout = "9m"}) end,
    function(_, how) zing.state.set("flight", how) end)
end
LUA
start_broker
start_host

# --- a call ---

pub -t acts/call/a -m x
pub -t acts/quick/a -m x
must wait_for 20 grep -q '^/a$' asked
id=$(event_of acts a running)
ok "an event that waits for a call is cancelled" ends 0 cancel "$id"
ok "which is told with what the call may have done" \
    grep -q '^POST http://127.0.0.1:.*/a was aborted: it may have had its effect$' out
ok "its connection is closed" wait_for 20 grep -q '^/a$' closed
ok "its key goes on" wait_for 20 state_is acts a "done"
kill_host
start_host
ok "it is discarded, after kill -9, too" state_is acts a discarded
ok "the trace says why" says 0 'cancelled after .*: cancelled by an operator; POST .*/a was aborted' trace "$id"
ok "and that nobody knows what its call did" says 0 'POST .*/a.*unknown' trace "$id"
ok "its call was made once" [ "$(grep -c '^/a$' asked)" = 1 ]
ok "nothing of its attempt is left" says 0 '^state .* 1$' state get acts a ran
ok "it cannot be cancelled twice" ends 1 cancel "$id"

pub -t acts/call/b -m x
must wait_for 20 grep -q '^/b$' asked
curl -sS -X POST --unix-socket front.sock -H 'Authorization: Bearer 0123456789abcdef0123456789abcdef' \
    "http://localhost/api/cancel/$(event_of acts b running)?service=acts" >answer
ok "the API says the same" quietly jq -e '.ok and (.notes[0] | test("/b was aborted: it may have had its effect"))' answer
ok "and keeps who asked" says 0 'cancelled by ann; POST' trace acts b

pub -t acts/mail/c -m x
must wait_for 20 grep -q '^mail$' asked
ok "a mail is given up" ends 0 cancel "$(event_of acts c running)"
ok "its connection, too" wait_for 20 grep -q '^mail$' closed

# --- a long computation ---

pub -t acts/loop/d -m x
must wait_for 20 grep -q 'begins to compute' host.log
pub -t acts/quick/e -m x
ok "others run while a handler computes that polls" wait_for 20 state_is acts e "done"
ok "it is cancelled" ends 0 cancel "$(event_of acts d running)"
ok "its event.cancelled() said so" grep -q 'was told' host.log
ok "and it is discarded" state_is acts d discarded
ok "what it did afterwards, too" ends 1 state get acts d "done"

# --- what does not run ---

for what in sleep wait all fail; do
    pub -t "acts/$what/$what" -m x
    pub -t "acts/quick/$what" -m x
    must wait_for 20 is_put_off "$what"
    must ends 0 cancel "$(cat id)"
    ok "$what: cancelled, and its key goes on" wait_for 20 state_is acts "$what" "done"
done
must ends 0 pause acts
pub -t acts/quick/f -m x
must wait_for 20 state_is acts f ready
ok "what is about to run is cancelled" ends 0 cancel "$(event_of acts f ready)"
must ends 0 resume acts
ok "and does not run" ends 1 state get acts f ran

# --- a saga ---

pub -t trip/t -m x
must wait_for 20 grep -q '^/flight$' asked
id=$(event_of trip t running)
ok "what a saga has done must be spoken of" complains 1 'has done something (flight, hotel)' cancel "$id"
ok "until then it goes on" [ "$(grep -c '^/flight$' closed)" = 0 ]
ok "it is cancelled with its saga" ends 0 cancel "$id" --compensate
ok "its call is closed" wait_for 20 grep -q '^/flight$' closed
kill_host
start_host
ok "it is undone after kill -9" wait_for 20 grep -q '^/free-h-1$' asked
: >go
ok "and then discarded" wait_for 20 state_is trip t discarded
ok "the step that was cut was undone as one that may have happened" says 0 '"unknown"' state get trip t flight
ok "the earlier one after it" says 0 'true' state get trip t undone
echo "1..$count"
[ "$failed" -eq 0 ]
