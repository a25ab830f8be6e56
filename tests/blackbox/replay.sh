#!/bin/sh
# replay.sh - `zingq replay`: what is done runs again, never by accident, in order, and goes on after
# the host was killed; pause and resume; a rewound `emails` sends its mails twice, to a real SMTP
# server.
#
# ctest: timeout=180
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:=python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# holds STATUS JQ COMMAND...: the filter is true of what zingq COMMAND --json prints.
holds() {
    wanted=$1
    filter=$2
    shift 2
    ends "$wanted" "$@" --json && jq -e "$filter" "$dir/out" >/dev/null
}

# on_terminal ANSWER STATUS PATTERN COMMAND...: the same on a terminal where ANSWER is typed once it
# asks; with "-" it must not ask.
on_terminal() {
    answer=$1
    wanted=$2
    pattern=$3
    shift 3
    : >"$dir/err"
    "$PYTHON" - "$answer" "$ZINGQ" "$@" >"$dir/out" <<'END'
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
shown = b""
asked = False
while True:
    try:
        chunk = os.read(terminal, 4096)
    except OSError:
        break
    if not chunk:
        break
    shown += chunk
    if b"[y/N]" in shown and not asked:
        asked = True
        os.write(terminal, sys.argv[1].encode() + b"\n")
sys.stdout.buffer.write(shown)
sys.stdout.flush()
if asked != (sys.argv[1] != "-"):
    sys.exit(99)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
    got=$?
    [ "$got" -eq "$wanted" ] && grep -q -e "$pattern" "$dir/out"
}

# asks STATUS METHOD PATH: the host's API answers with the status, into $dir/out.
asks() {
    : >"$dir/err"
    [ "$(curl -sS -m 20 --unix-socket data/zingq.sock -X "$2" -o "$dir/out" -w '%{http_code}' \
        "http://zingq$3")" = "$1" ]
}

# job_is JQ: the filter is true of the job that the last answer named.
job_is() {
    asks 200 GET "/api/replay?job=$1" && jq -e "$2" "$dir/out" >/dev/null
}

# lines N: the orders' file has so many.
lines() {
    [ "$(wc -l <data/files/orders.txt)" -eq "$1" ]
}

mails() {
    [ "$(wc -l <"$dir/mails")" -eq "$1" ]
}

mkdir "$dir/scripts"
cd "$dir" || exit 1
start_broker
: >mails
"$PYTHON" "$SOURCE_DIR/tests/demo/smtp_sink.py" --log "$dir/mails" >"$dir/sink.out" 2>&1 &
keep $!
wait_for 10 test -s "$dir/sink.out"
smtp=$(head -n 1 "$dir/sink.out")
cp "$SOURCE_DIR/scripts/email.lua" scripts/
cat >topics.conf <<END
store { path = "data"  keep_done = "7d" }
http  { listen = "" }
vars  { smtp_url = "smtp://127.0.0.1:$smtp"  mail_from = "us@example.org" }
service "orders" { subscribe = {"order/+"} handler = "orders.lua" key = "json:/key"
  idempotency = "json:/n" retries = 0 }
service "emails" { subscribe = {"email/send"} handler = "email.lua" }
service "quick" { subscribe = {"quick/+"} handler = "quick.lua" key = "topic:2" retries = 0
  idempotency_window = "1s" }
END
cat >scripts/orders.lua <<'END'
return function(event)
  if event.json.bad then error("bad") end
  zing.append("orders.txt", event.key .. " " .. event.json.n .. (event.replayed and " again" or ""))
end
END
# What answers is a mail server: the request has left, and nobody knows what became of it.
sed "s/SMTP/$smtp/" >scripts/quick.lua <<'END'
return function(event)
  pcall(zing.http.post, "http://127.0.0.1:SMTP/")
  if event.payload == "bad" and not event.replayed then error("bad") end
end
END

ok "without a host it cannot run" complains 3 'no host is running on' replay --service orders --from 1h
start_host

order() { # KEY N
    ends 0 publish order/new "{\"key\": \"$1\", \"n\": $2}"
}
for n in 1 2 3; do
    order a "$n"
    order b "1$n"
done
ok "the orders are handled" wait_for 20 lines 6
received_at() { # N: when the order was accepted
    "$ZINGQ" events --service orders --json |
        jq -r ".[] | select(.payload | fromjson | .n == $1) | .received_at"
}

# ---- what is wrong is said ----------------------------------------------------------------------

ok "a time that is none is told what would be one" complains 2 '"yesterday" is not a time: write' \
    replay --service orders --from yesterday
ok "and which option it was" complains 2 'to: .*no such day' \
    replay --service orders --from 2026-01-01 --to 2026-02-30
ok "the future was not yet" complains 2 'from is in the future' \
    replay --service orders --from 2999-01-01
ok "an end before the beginning is refused" complains 2 'from must be before' \
    replay --service orders --from 1h --to 2h
ok "an end wants a beginning" complains 2 'to requires --from' replay --service orders --to 1h
ok "a service alone is not enough" complains 2 'give --from TIME' replay --service orders
ok "a time alone is not enough" complains 2 'give --service NAME' replay --from 1h
ok "an id and a time are too much" complains 2 'either --id' \
    replay --from 1h --id 0192f0c1-2345-7abc-8def-0123456789ab
ok "what is no id is refused" complains 2 'not an event id' replay --id nonsense
ok "a rate that is none is refused" complains 2 'rate' replay --service orders --from 1h --rate fast
ok "a mistyped service gets a suggestion" complains 1 'did you mean "orders"' \
    replay --service ordres --from 1h
ok "an event that is not there is no" complains 1 'no event 0192f0c1' \
    replay --id 0192f0c1-2345-7abc-8def-0123456789ab
ok "nor is it in the service" complains 1 'no event 0192f0c1.* in service orders' \
    replay --service orders --id 0192f0c1-2345-7abc-8def-0123456789ab --yes

# ---- never by accident --------------------------------------------------------------------------

ok "in a script it only says what would run" says 1 '^6 events of 2 keys, accepted from 20' \
    replay --service orders --from 1h
ok "and what is missing" grep -q 'nothing was replayed: add --yes' err
ok "and where it would run" grep -q 'service orders, scripts/orders.lua' out
ok "a dry run is good with that" says 0 '^6 events of 2 keys' \
    replay --service orders --from 1h --dry-run
ok "as JSON, too" holds 0 '.dry and .found == 6 and .keys == 2 and .replayed == 0' \
    replay --service orders --from 1h --dry-run
ok "where --yes is missing as well" holds 1 '.dry and .found == 6' replay --service orders --from 1h
ok "on a terminal it asks" on_terminal n 1 'nothing was replayed' replay --service orders --from 1h
ok "Enter is no" on_terminal '' 1 'nothing was replayed' replay --service orders --from 1h
ok "the API wants to be told that it is meant" asks 400 POST '/api/replay?service=orders&from_ms=0'
ok "in one way" asks 400 POST '/api/replay?service=orders&from_ms=0&dry=1&yes=1'
ok "a count that is too small is no consent" asks 202 POST \
    '/api/replay?service=orders&from_ms=0&confirm=5'
id=$(jq .id out)
ok "and the job ends with nothing done" wait_for 10 job_is "$id" \
    '.state == "failed" and (.error | test("6 events were found, only 5 were confirmed")) and .replayed == 0'
ok "a job there is not is a 404" asks 404 GET '/api/replay?job=999'
ok "a dry run is in no list of jobs" eval \
    'asks 200 GET /api/status && jq -e "[.jobs[] | select(.dry)] == []" out >/dev/null'
ok "after all that nothing has run again" lines 6

# ---- again, in order ----------------------------------------------------------------------------

again() { # the second halves of what stands in the file
    grep ' again$' data/files/orders.txt | cut -d' ' -f1-2 | tail -n "$1"
}
in_order() { # of a replay of all
    again 6 | sort -s -k1,1 >by_key && printf 'a 1\na 2\na 3\nb 11\nb 12\nb 13\n' | cmp -s - by_key
}
ok "with a yes it runs" on_terminal y 0 '^6 replayed' replay --service orders --from 1h
ok "every event" wait_for 20 lines 12
ok "in the order of its key" in_order
ok "and with --yes without a question" says 0 '^6 replayed' replay --service orders --from 1h --yes
ok "each of them" wait_for 20 lines 18
ok "in order, too" in_order
ok "the books balance" says 0 'holds; every waiting event was found' status
ok "each counts as accepted again" holds 0 \
    '.services[] | select(.name == "orders") | .accepted == 18 and .done == 18' status
event=$("$ZINGQ" events --service orders --key b --json | jq -r '.[-1].id')
ok "its history tells of both" test \
    "$("$ZINGQ" trace "$event" | grep -c 'replayed by an operator')" -eq 2
order a 1
ok "a new duplicate is dropped all the same" holds 0 \
    '.services[] | select(.name == "orders") | .duplicates == 1' status

ok "one key alone" says 0 '^3 replayed' replay --service orders --key b --yes
ok "is run" wait_for 20 lines 21
ok "one event alone" says 0 '^1 replayed' replay --id "$event" --yes
ok "as well" wait_for 20 lines 22
ok "from a time on, and before another" says 0 '^2 events of 2 keys' \
    replay --service orders --from "$(received_at 12)" --to "$(received_at 13)" --dry-run
ok "and of a key" says 0 '^1 replayed' \
    replay --service orders --from "$(received_at 12)" --to "$(received_at 13)" --key b --yes
ok "that one" wait_for 20 eval '[ "$(again 1)" = "b 12" ]'
ends 0 publish order/new '{"key": "a", "n": 99, "bad": true}'
dead() {
    holds 0 '.services[] | select(.name == "orders") | .dead == 1' status
}
ok "a dead letter is left to dlq replay" eval \
    'wait_for 20 dead && says 0 "Left out: 1 is a dead letter (zingq dlq replay)" replay --service orders --from 1h --dry-run'
ok "also by its id" says 1 'dead letter' \
    replay --id "$("$ZINGQ" dlq list --json | jq -r '.[0].id')" --yes

# ---- pause and resume ---------------------------------------------------------------------------

ok "pause stops a service" ends 0 pause orders
order c 31
order c 32
waits() {
    holds 0 ".services[] | select(.name == \"orders\") | .paused and .waiting == $1" status
}
ok "its events are accepted, and status tells" wait_for 10 waits 2
ok "a replay leaves out what waits, and says that the service is paused" says 0 \
    'Left out: 2 wait or have just run' replay --service orders --key c --dry-run
ok "what is replayed waits with them" eval \
    'says 0 "^3 replayed" replay --service orders --key b --yes && waits 5'
ok "the host stops" stop_host
ok "a stopped host's status tells" waits 5
start_host
ok "a paused service stays paused over a restart" waits 5
kill_host
start_host
ok "and over a crash" waits 5
ok "nothing was handled meanwhile" lines 23
ok "resume lets it go on" ends 0 resume orders
ok "with everything that waited" wait_for 20 lines 28
ok "in order" eval '[ "$(grep "^c" data/files/orders.txt)" = "$(printf "c 31\nc 32")" ]'
ok "and each replay" eval '[ "$(again 3)" = "$(printf "b 11\nb 12\nb 13")" ]'

# ---- broken off ---------------------------------------------------------------------------------

# begin_slow: a replay that will not end soon, its standard error in $dir/slow.
begin_slow() {
    "$ZINGQ" replay --service orders --key a --yes --rate "$1" >"$dir/out" 2>"$dir/slow" </dev/null &
    job=$!
    keep "$job"
}
first_runs() {
    [ "$(again 1)" = "a 1" ]
}
end_slow() { # STATUS
    wait "$job"
    got=$?
    job=
    [ "$got" -eq "$1" ]
}
begin_slow 1/h
ok "a paced replay begins with the oldest" wait_for 20 first_runs
kill -INT "$job"
ok "Ctrl-C ends it" end_slow 1
ok "and it says how to do the rest" grep -q 'to replay only those' slow
ok "the job has stopped" eval \
    'asks 200 GET /api/status && jq -e ".jobs[-1].state == \"stopped\" and .jobs[-1].what == \"rerun\"" out >/dev/null'
# shellcheck disable=SC2046 # two words
ok "the rest can be done" says 0 '^2 replayed' replay --service orders --key a --yes \
    $(sed -n 's/.*\(--as-of @[0-9.]*\).*/\1/p' slow)
ok "and only the rest" wait_for 20 eval '[ "$(again 3)" = "$(printf "a 1\na 2\na 3")" ]'
ok "which is all" lines 31

wait_for 20 eval "[ \"\$(\"$ZINGQ\" events --service orders --key a --state 'done' --json | jq length)\" -eq 3 ]"
begin_slow 1/h
wait_for 20 lines 32
kill_host
ok "a killed host ends a replay" end_slow 3
ok "which says how to do the rest" grep -q 'to replay only those' slow
start_host
ok "what had run has run, once" lines 32
# shellcheck disable=SC2046 # two words
ok "the rest is done" says 0 '^2 replayed' replay --service orders --key a --yes \
    $(sed -n 's/.*\(--as-of @[0-9.]*\).*/\1/p' slow)
ok "once" wait_for 20 eval 'lines 34 && [ "$(again 3)" = "$(printf "a 1\na 2\na 3")" ]'
ok "and the books balance" says 0 'holds; every waiting event was found' status

# ---- idempotency_window -------------------------------------------------------------------------

ends 0 publish quick/a fine
ends 0 publish quick/b bad
old() { # of its service's window: what is done and what is dead
    holds 0 '.found == 0 and .old == 1 and .dead == 1' replay --service quick --from 1h --dry-run
}
ok "what is older than idempotency_window is left out" wait_for 20 old
ok "and said" says 0 '1 is older than idempotency_window (--force)' \
    replay --service quick --from 1h --yes
ok "as of one event" says 1 'idempotency_window' \
    replay --id "$("$ZINGQ" events --service quick --state 'done' --json | jq -r '.[0].id')" --yes
ok "unless it is forced" says 0 '^1 replayed' replay --service quick --from 1h --force --yes
ok "a dead letter is left out, and said" says 1 '1 older than idempotency_window (--force)' \
    dlq replay --service quick
ok "in a job it is counted" eval \
    'asks 202 POST "/api/dlq/replay?service=quick" && id=$(jq .id out) && wait_for 10 job_is "$id" ".state == \"done\" and .old == 1 and .found == 0"'
ok "and forced, too" says 0 '^1 replayed' dlq replay --service quick --force
dead_of_quick() { # how many
    [ "$("$ZINGQ" dlq list --service quick --json | jq length)" -eq "$1" ]
}
for n in $(seq 20); do
    ends 0 publish "quick/$n" bad
done
ok "a person replays all letters of a service, and sees the progress" eval \
    'wait_for 20 dead_of_quick 20 && on_terminal - 0 "replayed [0-9]* of 20" dlq replay --service quick --force --rate 100/s'
ok "as one job of the host" eval \
    'asks 200 GET /api/status && jq -e ".jobs[-1] | .what == \"replay\" and .replayed == 20" "$dir/out" >/dev/null'
ends 0 publish quick/last bad
wait_for 20 dead_of_quick 1
ok "and letters are discarded in the same way" says 0 '^1 discarded' dlq discard --service quick

# ---- emails -------------------------------------------------------------------------------------

ends 0 publish email/send '{"to": "ann@example.org", "subject": "Hi", "text": "Hello"}'
ends 0 publish email/send '{"to": "ben@example.org", "subject": "Hi", "text": "Hello"}'
ok "mails go out" wait_for 20 mails 2
rewind() {
    "$ZINGQ" events --service emails --state 'done' --json | jq -e 'length == 2' >/dev/null
}
ok "and are done" wait_for 20 rewind
ok "a script that rewinds them is told to say so" complains 1 'add --yes' \
    replay --service emails --from 1h
ok "a person is asked" on_terminal n 1 'Run them again' replay --service emails --from 1h
ok "a count does nothing" says 0 '^2 events' replay --service emails --from 1h --dry-run
ok "no mail has gone out a second time" mails 2
ok "who means it" says 0 '^2 replayed' replay --service emails --from 1h --yes
ok "sends them again" wait_for 20 mails 4
ok "each to whom it was for" test "$(grep -c ann@example.org mails)" -eq 2

ok "the host stops with status 0" stop_host

echo "1..$count"
[ "$failed" -eq 0 ]
