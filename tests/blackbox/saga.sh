#!/bin/sh
# saga.sh - the booking saga as it ships: booked, declined, taken, paid by webhook; and forty orders for
# ten seats while the host is killed again and again: one answer each, no seat twice, no money kept.
#
# ctest: timeout=180
# shellcheck disable=SC2016,SC2317 # what sh -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# The gateway: an Idempotency-Key has one answer for ever. source "broke" is declined, "later" is
# pending; nothing is refunded while there is a file "no-refunds". GET /books tells what is charged and
# what was given back.
start_gateway() {
    serve peer.port <<'PEER'
import http.server, json, os, threading, urllib.parse
lock, answers, charges, refunds = threading.Lock(), {}, {}, {}
class Peer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def do_GET(self):
        with lock:
            self.answer(200, {"charges": charges, "refunds": refunds})
    def decide(self, form):
        if self.path == "/v1/refunds":
            refunds[form["charge"]] = refunds.get(form["charge"], 0) + 1
            return 200, {"id": "re_" + form["charge"]}
        if form["source"] == "broke":
            return 402, {"error": "card_declined"}
        charge = "ch_%d" % (len(charges) + 1)
        charges[charge] = form["metadata[booking_id]"]
        later = form["source"] == "later"
        return (202 if later else 200), {"id": charge, "status": "pending" if later else "succeeded"}
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.path == "/v1/refunds" and os.path.exists("no-refunds"):
            return self.answer(503, {})
        with lock:
            key = self.headers["Idempotency-Key"]
            if key not in answers:
                answers[key] = self.decide(dict(urllib.parse.parse_qsl(body)))
            status, answer = answers[key]
        self.answer(status, answer)
PEER
}

listen() {
    mosquitto_sub -V 5 -q 1 -p "$port" -t 'order/confirmed/+' -t 'order/rejected/+' \
        -F '%t %P %p' >answers 2>/dev/null &
    keep $!
}

order() { # ID SEAT SOURCE [REQUEST]
    pub -t order/request -m "{\"request_id\":\"${4:-$1}\",\"booking_id\":\"$1\",\"event_id\":\"jazz\",
        \"seat\":\"$2\",\"user\":\"$3\",\"email\":\"$1@example.org\",\"amount\":4200,\"currency\":\"eur\"}"
}

answered() { # TOPIC-BEGIN WORDS
    grep -q "^$1 .*$2" answers
}

answers_are() {
    [ "$(cut -d ' ' -f 1 answers | sort -u | wc -l)" -ge "$1" ]
}

# Every order has one answer, no seat is sold twice, and what is kept was confirmed.
books_fit() {
    curl -s "http://127.0.0.1:$(cat peer.port)/books" >books
    "$PYTHON" - <<'CHECK'
import collections, json, re
books = json.load(open("books"))
told, seats = collections.Counter(), collections.Counter()
confirmed = {}
seen = set()
for line in open("answers"):
    topic = line.split(" ", 1)[0]
    name = re.search(r" zingq-id:(\S+)", line).group(1)
    if name in seen: # the broker may bring one twice
        continue
    seen.add(name)
    body = json.loads(line[line.index("{"):])
    told[body["booking_id"]] += 1
    if topic.startswith("order/confirmed/"):
        seats[body["seat"]] += 1
        confirmed[body["charge_id"]] = body["booking_id"]
assert all(n == 1 for n in told.values()), told
assert all(n == 1 for n in seats.values()), seats
charged = collections.Counter(books["charges"].values())
assert all(n == 1 for n in charged.values()), charged
for charge, booking in books["charges"].items():
    kept = charge not in books["refunds"]
    assert kept == (charge in confirmed), (charge, booking)
assert all(n == 1 for n in books["refunds"].values()), books["refunds"]
CHECK
}

cd "$dir" || exit 1
: >answers
start_broker
listen
start_gateway
cp -R "$SOURCE_DIR/scripts" .
sed -e "s|http://127.0.0.1:9090|http://127.0.0.1:$(cat peer.port)|" \
    -e "s|listen = \"127.0.0.1:8080\"|listen = \"unix:$dir/front.sock\"|" \
    -e '/^service "orders"/,/^}/s|^  idempotency = .*$|  idempotency = "json:/request_id"|' \
    -e '/^service "orders"/,/^}/s|^  retries     = 5$|  retries = 5  delay = "50ms"  crashes = 0|' \
    "$SOURCE_DIR/topics.conf" >topics.conf
start_host

order b-1 A1 ann
ok "an order is booked" wait_for 20 answered order/confirmed/b-1 A1
order b-2 A1 bob
ok "the same seat is not sold again" wait_for 20 answered order/rejected/b-2 'seat taken'
order b-3 A2 broke
ok "a declined card is told" wait_for 20 answered order/rejected/b-3 'payment declined'
order b-4 A2 cy
ok "and its seat is free again" wait_for 20 answered order/confirmed/b-4 A2
order b-5 A3 later
ok "a pending charge waits for its webhook" wait_for 20 says 0 'waits for the signal "paid"' keys show orders b-5
kill_host
start_host
curl -sS -X POST --unix-socket front.sock -d '{}' http://localhost/api/signals/orders/b-5/paid >out
ok "which confirms it, after kill -9, too" wait_for 20 answered order/confirmed/b-5 A3

# --- asked again: by the buyer in another request, by a person who replays ---

again() { # ID SEAT SOURCE: the same order, which only the handler can know
    order "$1" "$2" "$3" "again-$1"
}

replay() { # ID: what a person does with a dead letter
    "$ZINGQ" trace orders "$1" --json | jq -r '.events[] | select(.state == "dead") | .id' >id
    ends 0 dlq replay "$(cat id)"
}

runs_are() { # COUNT ID: so many events of the order have ended
    "$ZINGQ" trace orders "$2" --json |
        jq -e --argjson n "$1" '[.events[] | select(.state == "done" or .state == "dead")] | length == $n' >/dev/null
}

refunded() { # ID
    curl -s "http://127.0.0.1:$(cat peer.port)/books" |
        jq -e --arg id "$1" '.refunds[.charges | to_entries[] | select(.value == $id) | .key] == 1' >/dev/null
}

at_rest() {
    [ "$("$ZINGQ" status --json | jq '[.services[] | .waiting] + [.engine.outbox] | add == 0')" = true ]
}

again b-1 A1 ann
again b-3 A2 cy
ok "an order that comes again is known" wait_for 20 runs_are 2 b-1
ok "a rejected one too, though it might be paid now" wait_for 20 runs_are 2 b-3
order b-6 A1 dan
ok "and its seat stays sold" wait_for 20 answered order/rejected/b-6 'seat taken'
order b-7 A7 later
must wait_for 20 says 0 'waits for the signal "paid"' keys show orders b-7
must ends 0 cancel "$("$ZINGQ" trace orders b-7 --json | jq -r '.events[0].id')" --compensate
ok "who cancels is told so" wait_for 20 answered order/rejected/b-7 cancelled
order b-8 A7 eve
ok "and the seat is free again" wait_for 20 answered order/confirmed/b-8 A7
ok "a dead order may be replayed" replay b-2
ok "and goes no further: it is answered" wait_for 20 at_rest
order b+9 A8 fay
order b-10 A8 ""
ok "an order that is not valid is told so" wait_for 20 answered order/rejected/b-10 invalid
ok "one without a usable booking_id is a dead letter" wait_for 20 says 0 'b+9 .*an order needs a booking_id' dlq list
ok "nobody is told twice and no money is kept" books_fit

# --- what cannot be undone ---

: >no-refunds
order b-11 A8 later
must wait_for 20 says 0 'waits for the signal "paid"' keys show orders b-11
"$ZINGQ" trace orders b-11 --json | jq -r '.events[0].id' >id
must ends 0 cancel "$(cat id)" --compensate
ok "a refund that fails for good needs a person" wait_for 30 says 0 needs-person trace orders b-11
ok "and the buyer is answered" wait_for 20 answered order/rejected/b-11 cancelled
rm no-refunds
must ends 0 dlq replay "$(cat id)"
ok "who has the rest undone" wait_for 20 refunded b-11
must wait_for 20 at_rest
order b-12 A8 gil
ok "so that the seat is free again" wait_for 20 answered order/confirmed/b-12 A8
ok "without a second answer or refund" books_fit

# --- forty orders for ten seats, the host killed again and again ---

for n in $(seq 40); do
    source=buyer
    [ $((n % 7)) -ne 0 ] || source=broke
    order "k-$n" "K$((n % 10))" "$source"
    [ $((n % 8)) -ne 0 ] || {
        kill_host
        start_host
    }
done
ok "forty orders are answered" wait_for 60 answers_are 51
must wait_for 20 at_rest
ok "each once, no seat twice, no money kept for nothing" books_fit
ok "nothing needs a person" sh -c '"$ZINGQ" status --json >out; "$ZINGQ" dlq list >err; jq -e "[.services[] | .needs_person] | add == 0" out >/dev/null'

echo "1..$count"
exit "$failed"
