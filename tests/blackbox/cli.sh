#!/bin/sh
# cli.sh - the commands a person types, on a host that runs and on one that has stopped.
#
# ctest: timeout=120
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# The id at the beginning of standard output.
printed_id() {
    sed -n '1s/^\([0-9a-f-]\{36\}\)$/\1/p' "$dir/out"
}

start_dev() {
    "$ZINGQ" dev >"$dir/host.log" 2>&1 </dev/null &
    host=$!
    wait_for 20 grep -q 'connected to' "$dir/host.log" || {
        cat "$dir/host.log"
        echo "Bail out! the host does not start"
        exit 1
    }
}

mkdir "$dir/scripts"
cd "$dir" || exit 1
cat >topics.conf <<'END'
store { path = "data" }
http  { listen = "" }
service "orders" {
  subscribe = {"order/+"}
  handler   = "orders.lua"
  key       = "json:/id"
  retries   = 1
  delay     = "50ms"
}
service "bills" {
  subscribe = {"bill/new"}
  handler   = "bills.lua"
  key       = "json:/id"
  retries   = 3
  delay     = "1h"
  max_delay = "2h"
}
service "back" {
  subscribe = {"back/+"}
  handler   = "back.lua"
  key       = "json:/id"
}
service "parking" {
  subscribe = {"park/in"}
  handler   = "parking.lua"
  key       = "json:/place"
  retries   = 0
  on_dead   = park
}
END
cat >scripts/orders.lua <<'END'
local orders = {}
orders["order/new"] = function(event)
  zing.log.debug("order taken", {n = 1})
  zing.state.incr("orders", 1)
  zing.lock("seat", {owner = "me", ttl = 600, data = {row = 7}})
  zing.publish("bill/new", {id = event.json.id, slow = event.json.slow})
end
orders["order/vast"] = function()
  zing.state.incr("sum", 1e308)
  zing.state.incr("sum", 1e308)
end
orders["order/bad"] = function(event)
  error("no stock of item " .. event.json.item .. " \27[31m")
end
orders["order/call"] = function(event)
  zing.http.post("http://user:pass@127.0.0.1:9/pay", {
    form = {amount = 5}, headers = {Authorization = "Bearer hidden-token"}})
end
return orders
END
cat >scripts/bills.lua <<'END'
return function(event) if event.json.slow then error("bank is closed") end end
END
cat >scripts/back.lua <<'END'
return function(event)
  if event.topic == "back/out" then zing.publish("back/home", {id = event.key}) end
end
END
cat >scripts/parking.lua <<'END'
return function(event) if event.json.broken then zing.reject("barrier broken") end end
END

# ---- without a store ----------------------------------------------------------------------------

ok "help lists the commands" says 0 'dlq replay' --help
ok "a command explains itself" says 0 'usage: zingq dlq list' dlq list --help
ok "with --host, if it knows that" says 0 'host N  *ask' dlq list --help
without_host() {
    ! "$ZINGQ" check --help | grep -e --host
}
ok "and only then" without_host
ok "no command is wrong usage" complains 2 'no command' -c topics.conf
ok "a mistyped command gets a suggestion" complains 2 'did you mean "status"' statis
ok "a mistyped second word gets a suggestion" complains 2 'did you mean "groups"' dlq group
ok "what other queues call it, too" complains 2 'did you mean "dlq replay"' dlq retry
ok "and in one word" complains 2 'did you mean "dlq replay"' requeue
for words in "dlq purge:dlq discard" "dlq delete:dlq discard" "drain:leave" "tail:events --follow" "logs:events --follow" \
    "list:status" "ps:status" "delete:cancel" "keys unpark:keys resume" "outbox resend:outbox retry"; do
    # shellcheck disable=SC2086 # two words
    ok "${words%:*} is ${words#*:}" complains 2 "did you mean \"${words#*:}\"" ${words%:*}
done
ok "a mistyped option gets a suggestion" complains 2 'did you mean --service' events --servce x
ok "a missing argument is wrong usage" complains 2 'requires TOPIC PAYLOAD' publish x
ok "a service that is not there is named" complains 2 'no service "nope"' \
    run --service nope --data nope
ok "version names the libraries" says 0 'libmosquitto 2' version
ok "check says when it tries again" says 0 '2 tries: now, 50 ms' check
ok "try needs no store" says 0 'would publish *bill/new' \
    try orders order/new --payload '{"id":"o-1"}'
ok "try tells of a sum that is no number any more" says 0 'would add to state *sum *inf' \
    try orders order/vast --payload '{"id":"o-1"}'
ok "without a store status cannot run" complains 3 'no store at' status
ok "without a host publish cannot run" complains 3 'no host is running on' publish a b
sed 's/retries/retires/' topics.conf >wrong.conf
ok "a wrong topics.conf is status 2" complains 2 'did you mean "retries"' check -c wrong.conf
ok "a missing topics.conf is status 2" complains 2 'missing.conf' status -c missing.conf
echo 'return function( end' >scripts/broken.lua
sed 's/"bills.lua"/"broken.lua"/' topics.conf >broken.conf
ok "a script that does not compile is status 2" complains 2 'scripts/broken.lua:1:' \
    check -c broken.conf

sed 's/"bills.lua"/"secretive.lua"/' topics.conf >secret.conf
printf 'return function()\n  zing.log.info(zing.secret("bank_key"), zing.secret "pin")\nend\n' \
    >scripts/secretive.lua
names_secrets() {
    "$ZINGQ" check -c secret.conf >"$dir/told" 2>&1
    grep -q "secretive.lua:2: service .bills. is not given the secret .bank_key.: add secrets = {.bank_key.}" "$dir/told" &&
        grep -q "add secrets = {.pin.} to it in" "$dir/told"
}
ok "check names the secrets that a service is not given" names_secrets
sed 's/handler *= "secretive.lua"/& secrets = {"bank_key", "pin"}/' secret.conf >given.conf
names_none() {
    ! "$ZINGQ" check -c given.conf 2>&1 | grep "not given"
}
ok "and nothing once it is" names_none

mkdir -p wrong/scripts
cat >wrong/topics.conf <<'END'
broker { url = "mqtts://127.0.0.1:8883" ca_file = "nope.pem" }
service "half" { subscribe = {"a", "b"} handler = "half.lua" secrets = {"none"} }
schedule "lonely" { cron = "@daily" publish = "zzz" payload = "{bad" }
endpoint "/lonely" { publish = "yyy" }
endpoint "/keyless" { publish = "loop/x" required = {"name"} }
endpoint "/keyed" { publish = "loop/x" required = {"name", "id"} }
schedule "keyless" { cron = "@daily" publish = "loop/tick" payload = "{\"n\": 1}" }
service "loop" { subscribe = {"loop/+"} handler = "half.lua" key = "json:/id" dead_topic = "loop/dead" }
limits { lua_memory = "1GiB" }
END
cat >wrong/scripts/half.lua <<'END'
return { a = function(event) zing.publsh("x", 1) sum = 1 end, ["c/d"] = function() end }
END
warns() { # PATTERN...
    ZINGQ_STORE_PTAH=/x "$ZINGQ" check -c wrong/topics.conf >"$dir/out" 2>"$dir/err" || return 1
    for pattern in "$@"; do
        grep -q "warning: .*$pattern" "$dir/err" || { echo "# no $pattern"; return 1; }
    done
}
ok "check warns of what will hardly work as intended" warns 'subscribes to "b", but' 'nope.pem' \
    '"c/d"\] matches no topic' '"lonely" publishes to "zzz"' 'payload is not JSON' '"/lonely" publishes' \
    'ZINGQ_STORE_PTAH .*ZINGQ_STORE_PATH' 'half.lua:1: zing.publsh .*zing.publish' 'global sum' \
    'schedule "keyless" becomes a dead letter of service "loop": no value at /id' 'subscribes to its own dead_topic' \
    'secret "none" is not in vars' 'lua_memory is larger than limits.memory' \
    'endpoint "/keyless" accepts requests without the key of service "loop".*no value at /id'
keyed_is_well() {
    ! "$ZINGQ" check -c wrong/topics.conf 2>&1 >"$dir/out" | grep '"/keyed"'
}
ok "but not of one that requires it" keyed_is_well
ok "which fails a check that is strict" ends 1 check --strict -c wrong/topics.conf
printf 'limits { backlog = 0 }\nservice "x" { subscribe = {"x"} handler = "x.lua" delay = 5 }\n' >wrong/many.conf
all_of() { # FILE PATTERN...: check refuses the file and names all of these
    ends 2 check -c "$1" || return 1
    shift
    for pattern in "$@"; do
        grep -q "$pattern" "$dir/err" || { echo "# no $pattern"; return 1; }
    done
}
ok "check names all mistakes at once" all_of wrong/many.conf ':1: limits: backlog' 'delay'
printf 'service "x" { subscribe = {"x"} handler = "x.lua" }\nservice "y" { subscribe = {"y"} handler = "y.lua" }\n' \
    >wrong/scripts.conf
ok "those of scripts too" all_of wrong/scripts.conf 'x.lua' 'y.lua'

# ---- with a host --------------------------------------------------------------------------------

start_dev
ok "publish prints the id" ends 0 publish order/new '{"id":"o-1"}'
order=$(printed_id)
ends 0 publish order/bad '{"id":"o-2","item":17}'
bad=$(printed_id)
ends 0 publish order/bad '{"id":"o-3","item":18}'
ends 0 publish order/call nonsense
ends 0 publish order/new '{"id":"o-4","slow":true}'
ends 0 publish park/in '{"place":"p/1 ä","broken":true}'
ends 0 publish park/in '{"place":"p/1 ä"}'
ends 0 publish back/out '{"id":"b-1"}'
ends 0 publish later/on x --after 1h --property who=me
ok "a publish to a filter is refused" complains 2 'wildcards' publish 'a/#' x

count_is() { # COUNT STATE SERVICE
    [ "$("$ZINGQ" events --state "$2" --service "$3" --json | grep -c '"id"')" -eq "$1" ]
}
ok "what fails is dead" wait_for 20 count_is 3 dead orders
ok "what is right is done" wait_for 20 count_is 2 "done" orders
ok "what may yet work waits" wait_for 20 count_is 1 retrying bills
ok "what parks its key is dead" wait_for 20 count_is 1 dead parking

ok "status shows that the books balance" says 0 'holds; every waiting event was found' status
cp topics.conf good.conf
echo 'service "half" { subscribe = {"half"} }' >>topics.conf
ok "a host can be looked at while its topics.conf has mistakes" says 0 'running for' status
ok "which are told" complains 0 'service "half": "handler" is required' status
echo '{' >>topics.conf
ok "of one that cannot be read the data folder must be told" complains 2 'data DIR looks at a host' status
ok "and is" says 0 'running for' status --data data
mv good.conf topics.conf
ok "status knows the running host" says 0 'broker  mqtt://127.0.0.1:[0-9]* connected' status
ok "status as JSON says the same" says 0 '"balanced": true' status --json
ok "events finds by key" says 0 'o-2' events --service orders --key o-2
ok "events finds by topic" says 0 'bill/new' events --topic 'bill/#'
older_are_listed() { # after the second one
    "$ZINGQ" events --json | jq -r '.[].id' >"$dir/all" && second=$(sed -n 2p "$dir/all") &&
        awk -v id="$second" 'seen && $0 != id; $0 == id { seen = 1 }' "$dir/all" >"$dir/older" && [ -s "$dir/older" ] &&
        "$ZINGQ" events --before "$second" --json | jq -r '.[].id' | diff - "$dir/older"
}
ok "events goes on behind an event" older_are_listed
ok "events goes on behind nothing else" complains 2 'takes an event' events --before x
ok "events knows the states" complains 2 'did you mean "dead"' events --state ded
ok "trace follows a publish into another service" says 0 '  done  bills  key o-1' trace "$order"
ok "trace finds by key" says 0 "$bad" trace orders o-2
back_is_told() {
    ends 0 trace back b-1 && [ "$(grep -c 'done  back  key b-1  topic back/home' "$dir/out")" -eq 1 ]
}
ok "what comes back to its key is done" wait_for 20 count_is 2 "done" back
ok "trace tells an event of the key once" back_is_told
ok "trace of an unknown event is no" complains 1 'no event' \
    trace 0192f0c1-2345-7abc-8def-0123456789ab
ok "nothing raw from a handler reaches the terminal" says 0 'item 17 \\x1b\[31m' dlq show "$bad"
ok "dlq show has every attempt" says 0 'stack traceback' dlq show "$bad"
ok "dlq groups counts what has one reason" says 0 'orders *2 ' dlq groups
ok "dlq export prints a line a letter" test "$("$ZINGQ" dlq export | grep -c '"history"')" -eq 4
ok "dlq try changes nothing" says 1 'nothing was changed' dlq try "$bad"
ok "try stops at a call" says 0 'would POST http://127.0.0.1:9/pay' \
    try orders order/call --payload '{"id":"x"}'
ok "try goes past a call that is answered" says 0 'done: the handler returned' \
    try orders order/call --payload '{"id":"x"}' --answers /dev/fd/3 3<<'END'
[{"status": 200}]
END
ok "a call may fail" says 1 'outcome unknown: .*connection lost' \
    try orders order/call --payload '{"id":"x"}' --answers /dev/fd/3 3<<'END'
[{"failed": "connection lost"}]
END
ok "what is no answer is named" complains 2 'answer 2 has a status that is not a whole number' \
    try orders order/call --payload '{"id":"x"}' --answers /dev/fd/3 3<<'END'
[{"status": 200}, {"status": "good"}]
END
ok "a dry run shows no secrets" test "$(grep -c -e hidden-token -e user:pass out)" -eq 0
ok "a dry run may bring its own state" says 0 'would add to state' \
    try orders order/new --payload '{"id":"o-1"}' --state /dev/fd/3 3<<'END'
{"orders": 41}
END
ok "state get finds values and locks" says 0 'lock *o-1 *seat' state get orders o-1
ok "state get of nothing is no" ends 1 state get orders nobody
ok "state list has every key" says 0 '"value":1' state list orders --json
ok "keys list says what a key waits for" says 0 'held by .* attempt 1, next try in' keys list
ok "keys list says what a key is parked behind" says 0 'parked behind .*barrier broken' keys list
ok "keys show counts what is behind" says 0 '; 1 behind it' keys show parking 'p/1 ä'

ok "dlq edit shows the difference" says 0 '^+   "item": 99$' \
    dlq edit "$bad" --payload '{"id":"o-2","item":99}'
ok "dlq edit keeps the original" says 0 '"item":17' dlq show "$bad"
ok "dlq edit with the same payload changes nothing" ends 1 \
    dlq edit "$bad" --payload '{"id":"o-2","item":99}'
sed 's/error(.*)/return/' scripts/orders.lua >orders.new && mv orders.new scripts/orders.lua
ok "a saved script is live" wait_for 20 grep -q '"orders" runs its new scripts' host.log
ok "dlq replay of all goes on behind a refusal" says 1 '2 replayed, 1 refused' \
    dlq replay --service orders --rate 50/s
ok "they are handled" wait_for 20 count_is 4 "done" orders
ok "what was replayed is done" says 0 'replay: replayed by an operator' trace "$bad"
ok "dlq replay of what is not dead is no" says 1 '1 no longer dead' dlq replay "$bad"
ok "dlq discard lets go" says 0 '^1 discarded' dlq discard --service orders
ok "a parked key goes on when told to" ends 0 keys skip parking 'p/1 ä'
ok "what stood behind is handled" wait_for 20 count_is 1 "done" parking
ok "a key that is not parked is told apart" complains 1 'not parked' keys skip parking 'p/1 ä'
ok "pause stops a service" ends 0 pause orders
ok "status tells" says 0 'paused' status

# The host has the secrets of its environment; whoever looks at it need not.
cat topics.conf - >sealed.conf <<'END'
vars { bank_key = "env:NO_SUCH_VARIABLE" pin = "file:no-such-file" }
broker { password = "env:NO_SUCH_VARIABLE" }
hosts { secret = "env:NO_SUCH_VARIABLE" }
token "grafana" { value = "env:NO_SUCH_VARIABLE" role = read }
END
needs_no_secrets() {
    for looking in status events "dlq list" "pause bills" "resume bills" "keys list" "outbox list" \
        "state list orders" "trace $order" audit "publish order/new {}" "doctor --store"; do
        # shellcheck disable=SC2086
        ends 0 $looking -c sealed.conf || { echo "# $looking"; return 1; }
    done
}
ok "looking at a host needs none of its secrets" needs_no_secrets
ok "running one does" complains 2 'NO_SUCH_VARIABLE is not set' run -c sealed.conf
ok "resume lets it go on" ends 0 resume orders
ok "an unknown service is no" complains 1 'no service "ordres"' pause ordres
ok "under dev handlers write debug lines" \
    grep -q "debug handler: order taken service=orders event=$order n=1" "$dir/host.log"
cp topics.conf before.conf
echo 'log { format = json }' >>topics.conf
kill -HUP "$host"
json_is_logged() {
    ends 0 publish order/new '{"id":"o-9"}'
    grep -q '^{"time".*"message":"order taken","service":"orders","event":".*","fields":{"n":1}}$' "$dir/host.log"
}
ok "a form of the log that was changed is applied on SIGHUP" wait_for 20 json_is_logged
mv before.conf topics.conf
ok "leave wants to be meant" complains 1 'add --yes' leave
ok "a second host on the folder is refused" complains 3 'another host' run

# ---- and stopped again --------------------------------------------------------------------------

ok "the host stops with status 0" stop_host
ok "status works on a stopped host" says 0 'host    not running' status
ok "and the books still balance" says 0 'holds; every waiting event was found' status
ok "trace works on a stopped host" says 0 'done  bills' trace "$order"
ok "with --data topics.conf may be missing" says 0 'orders' status -c topics.conf --data data
cd / || exit 1
ok "even from elsewhere" says 0 'orders' status --data "$dir/data"
cd "$dir" || exit 1
sed '/service "parking"/,/^}/d' topics.conf >fewer.conf
ok "a service that left topics.conf is still told of" says 0 'parking .*not in topics.conf' \
    status -c fewer.conf
ok "colour stays off in a pipe" test "$("$ZINGQ" events | grep -c "$(printf '\033')")" -eq 0

echo "1..$count"
[ "$failed" -eq 0 ]
