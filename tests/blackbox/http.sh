#!/bin/sh
# http.sh - the front door with curl and with sockets that misbehave: endpoints, following a job,
# reading in pages, replays of many, watching, who may come in, and mail from a POST to the inbox.
#
# ctest: long timeout=180
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:=python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

show_failure() {
    sed 's/^/# head: /' "$dir/head"
    cut -c1-600 "$dir/body" | sed 's/^/# body: /'
}

# ask PATH CURL-OPTION...: $status, $dir/head, $dir/body.
ask() {
    path=$1
    shift
    : >"$dir/head"
    : >"$dir/body"
    status=$(curl -sS --path-as-is -m 20 -o "$dir/body" -D "$dir/head" -w '%{http_code}' \
        ${token:+-H "Authorization: Bearer $token"} "$@" \
        "$base$path" 2>"$dir/curl")
}

json() {
    ask "$@" -H 'Content-Type: application/json'
}

answers() { # STATUS PATH CURL-OPTION...
    wanted=$1
    shift
    json "$@"
    [ "$status" = "$wanted" ] || {
        echo "# $1: status $status, not $wanted"
        return 1
    }
}

says() { # STATUS PATTERN PATH CURL-OPTION...
    wanted=$1
    pattern=$2
    shift 2
    answers "$wanted" "$@" && cat "$dir/head" "$dir/body" | grep -qi -e "$pattern"
}

# holds JQ PATH: the filter is true of the answer. becomes SECONDS JQ PATH: some day soon.
holds() {
    answers 200 "$2" && jq -e "$1" "$dir/body" >/dev/null
}

becomes() {
    wait_for "$1" holds "$2" "$3"
}

# The header's value in the last answer.
header() {
    tr -d '\r' <"$dir/head" | sed -n "s/^$1: //Ip" | head -n 1
}

start_host() {
    "$ZINGQ" run --broker "mqtt://127.0.0.1:$mqtt" >>"$dir/host.log" 2>&1 </dev/null &
    host=$!
    wait_for 20 curl -sSf "$base/readyz" || {
        cat "$dir/host.log"
        echo "Bail out! the host does not start"
        exit 1
    }
    token=$(cat "$dir/data/token")
}

mkdir "$dir/scripts"
cd "$dir" || exit 1
port=$(free_port)
base=http://127.0.0.1:$port
mqtt=$(free_port)
must run_mosquitto "$dir/broker.log" -p "$mqtt"
"$PYTHON" "$SOURCE_DIR/tests/demo/smtp_sink.py" --log "$dir/mails" >"$dir/sink.out" 2>&1 &
keep $!
wait_for 10 test -s "$dir/sink.out"
smtp=$(head -n 1 "$dir/sink.out")
cp "$SOURCE_DIR/scripts/email.lua" scripts/
cat >common.conf <<END
store { path = "data" }
limits { payload = "4KiB" }
vars { smtp_url = "smtp://127.0.0.1:$smtp"  mail_from = "us@example.org" }
service "orders" { subscribe = {"order/+"} handler = "orders.lua" key = "json:/key"
  retries = 0 }
service "bills" { subscribe = {"bill/new"} handler = "bills.lua" key = "json:/key"
  delay = "1h" max_delay = "2h" }
service "parking" { subscribe = {"park/in"} handler = "parking.lua" key = "json:/place"
  retries = 0 on_dead = park }
service "emails" { subscribe = {"email/send"} handler = "email.lua" key = "none"
  retries = 2 delay = "100ms" jitter = 0 }
endpoint "/api/order" { publish = "order/new" required = {"key", "amount"} }
endpoint "/api/away" { publish = "nobody/here" }
endpoint "/api/send-email" { publish = "email/send" required = {"to", "subject"} }
END
cat >scripts/orders.lua <<'END'
local orders = {}
orders["order/new"] = function(event)
  zing.state.incr("orders", 1)
  zing.publish("bill/new", {key = event.json.key, slow = event.json.slow})
end
orders["order/bad"] = function(event)
  if not zing.peek("orders", "switch", "mended") then
    error("no stock of item " .. event.json.item .. " <b>bold</b>")
  end
  zing.append("order.txt", event.json.key .. " " .. event.json.item)
end
orders["order/mend"] = function() zing.state.set("mended", true) end
return orders
END
cat >scripts/bills.lua <<'END'
return function(event) if event.json.slow then error("bank is closed") end end
END
cat >scripts/parking.lua <<'END'
return function(event) if event.json.broken then zing.reject("barrier broken") end end
END
{
    cat common.conf
    echo "http { listen = \"127.0.0.1:$port\" }"
} >topics.conf
start_host

# ---- endpoints ----

body='{"key": "k1", "amount": 5}'
ok "a POST is a 202 with where to follow it" says 202 '"status":"/api/events/' /api/order -d "$body"
job=$(jq -r .status body)
ok "which can be followed to its end" becomes 10 '.state == "done"' "$job"
ok "through every service" holds \
    '[.events[0].service, .events[0].publishes[0].events[0].service] == ["orders", "bills"]' "$job"
ok "what is done no more than once under one key" answers 202 /api/order -d "$body" -H 'Idempotency-Key: a'
job=$(jq -r .id body)
ok "has the first answer" says 202 "$job" /api/order -d "$body" -H 'Idempotency-Key: a'
ok "and is a 409 with another body" says 409 'error' /api/order -d '{"key": "k2", "amount": 6}' -H 'Idempotency-Key: a'
ok "a key of another endpoint is another key" answers 202 /api/away -d "$body" -H 'Idempotency-Key: a'
ok "a key that is too long is refused" answers 400 /api/order -d "$body" -H "Idempotency-Key: $(printf %0300d 1)"
ok "a field that is missing is named" says 400 '"field":"amount"' /api/order -d '{"key": "k1"}'
ok "null is missing" says 400 '"field":"key"' /api/order -d '{"key": null, "amount": 1}'
ok "what is not JSON is told where" says 400 'line 1, column' /api/order -d '{"key": '
ok "an array is no order" says 400 'must be a JSON object' /api/order -d '[1]'
ok "nothing is no order" answers 400 /api/order -d ''
ok "a name given twice is refused" answers 400 /api/order -d '{"key": "a", "key": "b", "amount": 1}'
ok "a GET is the wrong method" says 405 '^Allow: POST' /api/order
ok "another type is a 415" eval 'ask /api/order -d x=1 && [ "$status" = 415 ]'
head -c 5000 /dev/zero | tr '\0' 'x' >large
ok "a body past limits.payload is a 413" answers 413 /api/order --data-binary @large
head -c 9000000 /dev/zero | tr '\0' 'x' >larger
ok "a body past any limit is a 413" answers 413 /api/order --data-binary @larger
ok "an unknown job is a 404" answers 404 /api/events/0192f0c1-2345-7abc-8def-0123456789ab
ok "what is no id is a 400" answers 400 /api/events/nonsense
ok "a job no service takes is followed, too" eval \
    'json /api/away -d "{}" && becomes 10 ".state == \"published\"" "$(jq -r .status body)"'
kill "$broker"
wait "$broker"
ok "without a broker jobs are taken all the same" answers 202 /api/away -d '{}'
away=$(jq -r .status body)
ok "and wait for it" holds '.state == "outbox"' "$away"
ok "while the host is not ready" answers 503 /readyz
ok "but lives" answers 200 /healthz
must run_mosquitto "$dir/broker.log" -p "$mqtt"
ok "which gets them when it is back" becomes 40 '.state == "published"' "$away"

# ---- reading ----

for i in 1 2 3 4 5 6; do
    json "/api/publish?topic=order/bad" -d "{\"key\": \"k$((i % 2))\", \"item\": $i}"
    json "/api/publish?topic=park/in" -d '{"place": "p1", "broken": true}'
done
json "/api/publish?topic=bill/new" -d '{"key": "late", "slow": true}'
ok "dead letters are listed" becomes 10 'length == 7' "/api/dlq"
same() { # PATH WORD...: the API and the command say the same
    answers 200 "$1" || return 1
    shift
    "$ZINGQ" "$@" --json >cli.out 2>&1
    jq -S . body >a && jq -S . cli.out >b && cmp -s a b
}
letter=$(jq -r '.[] | select(.service == "orders") | .id' body | head -n 1)
ok "as the command lists them" same "/api/dlq" dlq list
ok "one as the command shows it" same "/api/dlq/$letter" dlq show "$letter"
ok "in groups as the command's" same "/api/dlq/groups" dlq groups
ok "events as the command lists them" same "/api/events" events
ok "an event as the command traces it" same "/api/events/$letter" trace "$letter"
ok "keys as the command lists them" same "/api/keys" keys list
ok "one key as the command shows it" same "/api/keys/parking?key=p1" keys show parking p1
ok "state as the command lists it" same "/api/state/orders" state list orders
ok "locks alone" eval 'answers 200 "/api/state/orders?only=locks" && jq -e "map(has(\"lock\")) | all" body >/dev/null'
ok "nothing else alone" answers 400 "/api/state/orders?only=keys"
for hours in 1 2 3; do
    answers 202 "/api/publish?topic=order/later&after_ms=$((hours * 3600000))" -d "{\"key\": \"later $hours\"}"
done
ok "delayed publishes as the command lists them" same "/api/delayed" delayed
ok "with what they will say" holds 'length == 3 and .[0].payload == "{\"key\": \"later 1\"}"' "/api/delayed"
ok "one service with its part of topics.conf" holds \
    '.name == "orders" and .conf.handler == "orders.lua" and (.conf.subscribe | length) > 0 and .conf.tries != ""' \
    "/api/services/orders"
ok "a service there is not is a 404" answers 404 "/api/services/nobody"
ok "events with their steps" holds '.[0].steps == []' "/api/events?steps=1&limit=1"
ok "a dry run as the command's" eval \
    'answers 200 "/api/dlq/$letter/try" -X POST && jq -S . body >a && "$ZINGQ" dlq try "$letter" --json >cli.out; jq -S . cli.out >b; cmp -s a b'
ok "a dry run of another payload" says 200 'item 77' "/api/dlq/$letter/try" -d '{"key": "k0", "item": 77}'

# pages PATH: how many things all pages together have; each page has at most two.
pages() {
    total=0
    next=
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        answers 200 "$1limit=2$next" || return 1
        [ "$(jq length body)" -le 2 ] || return 1
        jq -c '.[]' body >>"$dir/all"
        total=$((total + $(jq length body)))
        next=$(header Zingq-Next)
        [ -n "$next" ] || break
        next="&before=$next"
    done
}
paged() { # PATH: pages have all that one answer has, once
    rm -f all
    pages "$1" || return 1
    answers 200 "$1limit=1000" && jq -c '.[]' body >whole
    [ -s whole ] && cmp -s all whole
}
ok "events come in pages" paged '/api/events?'
ok "of one state, too" paged '/api/events?state=dead&'
ok "dead letters come in pages" paged '/api/dlq?'
ok "keys come in pages" paged '/api/keys?'
ok "state comes in pages" paged '/api/state/orders?'
ok "delayed publishes come in pages" paged '/api/delayed?'
ok "a limit past a thousand is refused" answers 400 '/api/events?limit=1001'
ok "a state there is not is refused" answers 400 '/api/events?state=asleep'
ok "a service there is not is a 404" answers 404 '/api/dlq?service=nobody'
ok "a cursor that is none is refused" answers 400 '/api/dlq?before=x.y'
ok "and one from before 1970" answers 400 "/api/dlq?before=-5.$letter.0"
ok "or from after all time" answers 400 "/api/dlq?before=9223372036854775808.$letter.0"
ok "and so of keys" answers 400 '/api/keys?before=99.1.x'
ok "and so of state" answers 400 '/api/state/orders?before=s.zz.'
ok "and so of delayed publishes" answers 400 '/api/delayed?before=next'
ok "and so of the outbox" answers 400 '/api/outbox?before=-1'
ok "a path that is none is a 404" answers 404 /api/nothing
ok "a reading path is not for POST" says 405 '^Allow: GET' /api/events -d '{}'
ok "HEAD is GET without the body" eval 'ask /api/status -I && [ "$status" = 200 ] && ! grep -q host body'

# ---- changing many ----

ok "all of a service is asked for by name" answers 400 /api/dlq/replay -X POST
json "/api/publish?topic=order/mend" -d '{"key": "switch"}'
ok "a replay of many is a job" says 202 '"what":"replay"' '/api/dlq/replay?service=orders&rate=20/s' -X POST
ok "that ends" becomes 10 '.jobs[0].state == "done" and .jobs[0].replayed == 6' /api/status
ok "with every letter handled" becomes 10 'length == 1' '/api/dlq'
ordered() {
    sort -s -k1,1 data/files/order.txt >by_key && printf 'k0 2\nk0 4\nk0 6\nk1 1\nk1 3\nk1 5\n' | cmp -s - by_key
}
ok "in the order of each key" wait_for 10 ordered
ok "a job can be stopped" eval \
    'json "/api/dlq/discard?service=parking&rate=1/h" -X POST && answers 200 "/api/dlq/stop?job=$(jq .id body)" -X POST'
ok "a discard of a group" says 202 '"what":"discard"' \
    "/api/dlq/discard?service=parking&group=$(curl -sS -H "Authorization: Bearer $token" "$base/api/dlq/groups?service=parking" | jq -r '.[0].group' | cut -c1-6)" -X POST
ok "lets it go" becomes 10 '[.jobs[] | select(.what == "discard" and .discarded >= 1)] | length >= 1' /api/status

# ---- watching ----

curl -sN -m 30 -H "Authorization: Bearer $token" "$base/api/live" >live 2>/dev/null &
watcher=$!
ok "who watches gets the status at once" wait_for 5 grep -q '^event: status' live
json "/api/publish?topic=order/bad" -d '{"key": "seen", "item": 1}'
ok "and each attempt that ends" wait_for 5 grep -q '"key":"seen"' live
ok "and the status again" wait_for 5 eval '[ "$(grep -c "^event: status" live)" -ge 3 ]'
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
ok "a watcher that left holds nobody up" answers 200 /api/status

# ---- mail ----

mail() {
    json /api/send-email -d "{\"to\": \"$1\", \"subject\": \"Hi\", \"text\": \"Hello\", \"html\": \"<p>Hello</p>\"}"
    job=$(jq -r .status body)
}
mail ann@example.org
ok "a POST becomes a mail" becomes 10 '.state == "done"' "$job"
ok "which arrives" wait_for 10 grep -q 'ann@example.org' mails
mail busy@example.org
ok "a mailbox that is busy is tried three times, then dead" becomes 10 \
    '.state == "dead" and .events[0].attempts == 3' "$job"
ok "each time after twice as long" holds \
    '[.events[0].history[].at | (.[0:19] + "Z" | fromdate) + (.[20:23] | tonumber / 1000)]
     | .[1] - .[0] >= 0.099 and .[2] - .[1] >= 0.199' "$job"
mail nobody@example.org
ok "a mailbox that is not is dead at once" becomes 10 \
    '.state == "dead" and .events[0].attempts == 1' "$job"
ok "and says what the server said" says 200 '550' "$job"
json /api/send-email -d '{"to": "a@example.org\r\nBcc: b@example.org", "subject": "x", "text": "x"}'
job=$(jq -r .status body)
ok "a line break in an address is refused" becomes 10 '.state == "dead"' "$job"
json /api/send-email -d '{"to": "sub@example.org", "subject": "x\r\nBcc: b@example.org", "text": "x"}'
job=$(jq -r .status body)
ok "and in a subject" becomes 10 '.state == "dead"' "$job"
ok "and nothing of it was sent" eval '! grep -E -q "(^|[^[:alnum:]])b@example\\.org" mails'
mail busy@example.org
job=$(basename "$job")
ok "a dead mail is visible" becomes 10 'length >= 1' '/api/dlq?service=emails'

# ---- who may come in, and how ----

ok "a page of another site changes nothing" answers 403 /api/reload -X POST -H 'Origin: http://evil.example'
ok "nor a sandboxed one" answers 403 /api/reload -X POST -H 'Origin: null'
ok "nor one that does not say where it is from" answers 403 /api/reload -X POST -H 'Sec-Fetch-Site: cross-site'
ok "nor orders" answers 403 /api/order -d "$body" -H 'Origin: http://evil.example'
ok "our own page does" answers 200 /api/reload -X POST -H "Origin: $base"
own=$token
token=
ok "the API wants the host's token without being told to" answers 401 /api/status
ok "the metrics do not" answers 200 /metrics
ok "a name that points here is not us" answers 421 /api/order -d "$body" -H 'Host: evil.example'
ok "not for metrics either" answers 421 /metrics -H 'Host: evil.example'
token=$own
ok "the token is its owner's alone" eval '[ "$(stat -c %a data/token)" = 600 ]'
link=$("$ZINGQ" dashboard)
ok "zingq dashboard prints a link" eval 'echo "$link" | grep -q "^$base/login?token=$token\$"'
token=
ok "which logs in" says 303 '^location: /' "${link#"$base"}" -c jar
ok "and the session opens" answers 200 /api/status -b jar
token=$own
ok "over TCP nobody asks for the link" answers 404 /api/login
ok "localhost is" answers 200 /api/status -H "Host: localhost:$port"
ok "the page is served" says 200 'content-security-policy: default-src' /
ok "without unsafe-inline" eval '! grep -qi unsafe head'
for path in /assets/../../etc/passwd /assets/%2e%2e/%2e%2e/etc/passwd /../topics.conf /assets/..%2ftopics.conf //etc/passwd; do
    ok "no way out of the assets: $path" answers 404 "$path"
done
ok "metrics are what Prometheus expects" eval \
    'ask /metrics; [ "$status" = 200 ] && { ! command -v promtool >/dev/null || promtool check metrics <body; }'

cat >rude.py <<'END'
"""Clients that misbehave, each for a while, and what they get."""
import socket, sys

port = int(sys.argv[1])

def connect():
    s = socket.create_connection(("127.0.0.1", port), timeout=10)
    return s

def all_of(s):
    out = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            out += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return out

what = sys.argv[2]
if what == "half":  # many heads and bodies that never end, while somebody else is served
    rude = [connect() for _ in range(300)]
    for i, s in enumerate(rude):
        s.sendall(b"POST /api/order HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
                  b"Content-Type: application/json\r\n" + (b"\r\n{\"key\": " if i % 2 else b"X-Slow: "))
    polite = connect()
    polite.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    print(all_of(polite).split(b"\r\n")[0].decode())
elif what == "garbage":  # a good request with rubbish pipelined behind it
    s = connect()
    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\x16\x03\x01\x00 rubbish\r\n\r\n" * 3)
    s.shutdown(socket.SHUT_WR)
    print(all_of(s).split(b"\r\n")[0].decode())
elif what == "pipeline":  # twenty at once, answered in order
    s = connect()
    one = (b"POST /api/order HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
           b"Content-Length: 25\r\n\r\n{\"key\":\"pipe\",\"amount\":1}")
    s.sendall(one * 20 + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    print(all_of(s).count(b"HTTP/1.1 202"))
elif what == "slow":  # reads nothing of the stream
    s = connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    s.recv(1)
    print("listening", flush=True)
    sys.stdin.read()
END
long=$(head -c 600 /dev/zero | tr '\0' a)
ok "a cursor of somebody's own making is refused" answers 400 "/api/state/orders?before=s.$long.6e"
ok "and one that is hardly there" answers 400 "/api/state/orders?before="
ok "a key without an end is no key" answers 202 "/api/publish?topic=t&key=$long&service=$long" -d x
ok "half requests hold nobody up" eval '[ "$("$PYTHON" rude.py "$port" half)" = "HTTP/1.1 200 OK" ]'
ok "rubbish behind a request spoils only itself" eval '"$PYTHON" rude.py "$port" garbage | grep -q "^HTTP/1.1 [24]0"'
ok "requests in a row are answered in a row" eval '[ "$("$PYTHON" rude.py "$port" pipeline)" = 20 ]'
ok "the host has seen nothing of it" answers 200 /healthz
ok "and stops" stop_host

# ---- with a token ----

{
    cat common.conf
    echo "http { listen = \"127.0.0.1:$port\" token = \"env:DOOR\" }"
} >topics.conf
DOOR=open-sesame
export DOOR
start_host
token=
bearer='Authorization: Bearer open-sesame'
ok "without the token nothing is told" says 401 '^WWW-Authenticate: Bearer' /api/status
ok "nor taken" answers 401 /api/order -d "$body"
ok "nor measured" answers 401 /metrics
ok "health is" answers 200 /healthz
ok "the page is" answers 200 /
ok "a wrong token is none" answers 401 /api/status -H 'Authorization: Bearer open-sesam'
ok "the right one opens" answers 200 /api/status -H "$bearer"
ok "endpoints, too" answers 202 /api/order -d "$body" -H "$bearer"
ok "any name may be ours then" answers 200 /api/status -H "$bearer" -H 'Host: zingq.example'
ok "a wrong token makes no session" answers 401 /login -d '{"token": "x"}'
ok "what is no token is refused" answers 400 /login -d '{"token": 1}'
ok "the right one makes a session" says 200 '^set-cookie: zingq_session=[0-9a-f]\{64\}; HttpOnly; SameSite=Strict; Path=/' \
    /login -d '{"token": "open-sesame"}' -c jar
ok "which opens" answers 200 /api/status -b jar
ok "but not for other sites" answers 403 /api/reload -X POST -b jar -H 'Origin: http://evil.example'
ok "a made-up session does not" answers 401 /api/status -H "Cookie: zingq_session=$(printf %064d 0)"
ok "a logout ends it" eval 'cp jar old && answers 200 /logout -X POST -b jar -c jar && answers 401 /api/status -b old'
ok "no other site logs in" answers 403 /login -d '{"token": "open-sesame"}' -H 'Origin: http://evil.example'
ok "nothing of the token is in the log" eval '! grep -q open-sesame host.log'
ok "and the host stops" stop_host

# ---- when there is no room ----

ZINGQ_LIMITS_BACKLOG=20
export ZINGQ_LIMITS_BACKLOG
start_host
token=
ok "a service can be paused" answers 200 /api/services/orders/pause -X POST -H "$bearer"
full() {
    answers 503 /api/order -d "$body" -H "$bearer"
}
ok "a full backlog is a 503" wait_for 20 full
ok "that says when to try again" eval '[ -n "$(header Retry-After)" ]'
ok "and the host is not ready" answers 503 /readyz
ok "when the service goes on" answers 200 /api/services/orders/resume -X POST -H "$bearer"
ok "there is room again" wait_for 10 answers 202 /api/order -d "$body" -H "$bearer"
ok "and the host stops again" stop_host
unset ZINGQ_LIMITS_BACKLOG
{
    cat common.conf
    echo "http { listen = \"0.0.0.0:$port\" }"
} >topics.conf
ok "beyond loopback there must be a token" eval '! "$ZINGQ" check >body 2>&1 && grep -q "no http.token" body'

echo "1..$count"
[ "$failed" -eq 0 ]
