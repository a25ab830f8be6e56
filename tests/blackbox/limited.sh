#!/bin/sh
# limited.sh - brokers that have less than Mosquitto, or allow less: what they have is used, what that
# costs is said, and nothing turns in circles.
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
echo 'return function(e) zing.publish("out/x", e.payload, { retain = true }) end' >scripts/svc.lua

# play FILTERS SYS WORD...: a host with one service, at a broker with these words.
play() {
    [ -z "$host" ] || { kill -9 "$host" && wait "$host"; } 2>/dev/null
    [ -z "$broker" ] || { kill -9 "$broker" && wait "$broker"; } 2>/dev/null
    rm -rf data record broker.port host.log
    front=$(free_port)
    cat >topics.conf <<CONF
broker { url = "mqtt://127.0.0.1:1" }
http { listen = "127.0.0.1:$front" }
sys { interval = "$2" }
service "svc" { subscribe = {$1}  handler = "svc.lua" }
CONF
    shift 2
    "$PYTHON" "$SOURCE_DIR/tests/support/limited_broker.py" record "$@" >broker.port 2>broker.err &
    broker=$!
    must wait_for 10 test -s broker.port
    port=$(cat broker.port)
    "$ZINGQ" run --broker "mqtt://127.0.0.1:$port" >host.log 2>&1 </dev/null &
    host=$!
}

seen() { # PATTERN: in what the broker got
    grep -q -e "$1" record
}

unseen() {
    ! seen "$1"
}

logged() {
    grep -q -e "$1" host.log
}

ready() {
    wait_for 20 host_is_ready
}

connects() { # N: of both connections
    [ "$(grep -c '^connect' record)" -eq "$1" ]
}

warned() { # PATTERN: in status, as text and as JSON
    "$ZINGQ" status >"$dir/out" 2>"$dir/err"
    grep -q -e "^warning .*$1" "$dir/out" && "$ZINGQ" status --json | jq -e --arg p "$1" \
        '.host.warnings | any(test($p))' >/dev/null
}

status_says() {
    "$ZINGQ" status >"$dir/out" 2>"$dir/err"
    grep -q -e "$1" "$dir/out"
}

metric() { # LINE
    curl -sS "http://127.0.0.1:$front/metrics" >"$dir/out" 2>"$dir/err"
    grep -q -x -F -e "$1" "$dir/out"
}

unready() { # PATTERN: /readyz says 503 and why
    curl -sS -w '\n%{http_code}\n' "http://127.0.0.1:$front/readyz" >"$dir/out" 2>"$dir/err"
    grep -q -x 503 "$dir/out" && head -n 1 "$dir/out" | jq -e --arg p "$1" '.why | any(test($p))' >/dev/null
}

# publish TOPIC PAYLOAD: as a client of MQTT 5 would.
publish() {
    mosquitto_pub -V 5 -q 0 -p "$port" -t "$1" -m "$2"
}

# hears PATTERN: an order and what it causes. A broker that keeps nothing forwards QoS 0 only to who is
# connected just then, so the order is published again until it is seen.
hears() {
    publish orders/new hello && seen "$1"
}

# --- no wildcards: 28 00 ---

play '"orders/new"' 5s connack=2800 end=a2:+ end=a2:'#'
ok "without wildcards a service that needs none is ready" ready
ok "and no filter with wildcards is sent" unseen '^subscribe .*[+#]'
ok "nor is the connection lost" connects 2
ok "the log says what it costs" logged 'no wildcard subscriptions'
ok "status, too" warned 'no wildcard subscriptions'

play '"orders/+"' 5s connack=2800 end=a2:+
ok "a filter that cannot be had is named" wait_for 20 logged 'the subscription .*orders/+ is not possible'
ok "status names it" warned 'orders/. is not possible'
ok "and the host is not ready" unready 'refused 1 of 2 subscriptions'
ok "it does not connect again and again" connects 2

play '"orders/+"' 5s end=a2:+
ok "a broker that ends the connection over wildcards is believed" wait_for 20 logged 'orders/+ is not possible'
ok "after one loss of each connection" wait_for 10 connects 4

# --- no shared subscriptions (2A 00), no identifiers (29 00) ---

play '"orders/new"' 5s connack=2a002900 end='9e:$share'
ok "without shared subscriptions and identifiers the host is ready" ready
ok "with plain filters and no identifier" seen '^subscribe orders/new 1 0$'
ok "what comes is routed by its topic" publish orders/new hello
ok "to the service" wait_for 10 seen '^publish out/x 1 1 hello'

play '"orders/new"' 5s deny='9e:$share' numbers=a1
ok "a refusal for it is followed by a request without" wait_for 10 seen '^subscribe orders/new'
ok "the connection stands" connects 2

play '"orders/new"' 5s end='9e:$share'
ok "a broker that ends the connection over a shared one gets a plain one" ready
ok "which is told" warned 'no shared subscriptions'

# --- a filter that is taken out of topics.conf, with plain subscriptions in the place of shared ones ---

# again FILTERS SERVICES: the same host, with these filters and more services.
again() {
    kill "$host" && wait "$host" 2>/dev/null
    sed -i '/^service/d' topics.conf
    echo "service \"svc\" { subscribe = {$1}  handler = \"svc.lua\" } $2" >>topics.conf
    "$ZINGQ" run --broker "mqtt://127.0.0.1:$port" >host.log 2>&1 </dev/null &
    host=$!
}

play '"orders/new", "orders/old"' 5s connack=2a00
ok "without shared subscriptions two plain ones are made" ready
again '"orders/new"' ''
ok "that which is wanted no more is given up as it was made" wait_for 10 seen '^unsubscribe orders/old$'

play '"orders/new", "orders/old"' 5s connack=2a00
ok "once more two plain ones" ready
again '"orders/new"' 'service "other" { subscribe = {"orders/old"}  handler = "svc.lua" }'
ok "another service has the filter now" ready
ok "so it is kept" unseen '^unsubscribe orders/old$'
again '"orders/new"' 'service "other" { subscribe = {"orders/old"}  handler = "svc.lua"  share = no }'
ok "it is no group any more" ready
again '"orders/new"' 'service "other" { subscribe = {"orders/old"}  handler = "svc.lua" }'
ok "it is one again" ready
ok "to the broker that makes no difference" unseen '^unsubscribe orders/old$'

# --- no retained messages (25 00), QoS 0 (24 00), one publish at a time (21 00 01) ---

play '"orders/new"' 100ms connack=2500
ok "without retained messages the host is ready" ready
ok "status topics are sent without" wait_for 10 seen '^publish zingq/sys/[^ ]*/uptime 1 0 '
ok "a publish goes" publish orders/new hello
ok "unretained, too" wait_for 10 seen '^publish out/x 1 0 hello'
ok "the cost is told" warned 'keeps no retained messages'

play '"orders/new"' 5s connack=2400 grant=0
ok "with QoS 0 only the host is ready" ready
ok "a message comes" publish orders/new hello
ok "and what it causes leaves with QoS 0" wait_for 10 seen '^publish out/x 0 1 hello'
ok "that guarantee 4 does not hold is told" warned 'guarantee 4'
ok "and which subscription has QoS 0 only" warned 'orders/new with QoS 0'
ok "in the log as well" logged 'orders/new with QoS 0'

play '"orders/new"' 5s connack=210001110000001e
ok "one publish at a time is told" wait_for 20 warned 'no more than 1 unacknowledged publish at'
ok "so is a session that is kept for too short a time" warned 'keeps our session for 30 s only'
ok "and both in the log" eval "logged 'no more than 1 unack' && logged 'for 30 s only'"
ok "publishes leave all the same" wait_for 10 hears '^publish out/x 1 1 hello'

# --- what is refused ---

play '"orders/new"' 5s deny=87:orders
ok "a refused filter is named in status" wait_for 20 warned 'refused the subscription .*orders/new'
ok "the first lines do not call that connected and good" status_says 'connected, SUBSCRIPTIONS REFUSED$'
ok "the JSON names it" sh -c '"$ZINGQ" status --json | jq -e ".host.ready == false and
    .host.refused_filters[0].reason == 135 and (.host.refused_filters[0].filter | test(\"orders/new\"))" >/dev/null'
ok "/readyz says why" unready 'refused 1 of 2 subscriptions'
ok "the metrics count it" metric 'zingq_subscriptions_refused 1'

play '"orders/new"' 5s shut=orders
ok "a filter refused by closing is named" wait_for 20 logged 'had answered the subscription .*orders/new'
ok "status names it, too" wait_for 20 warned 'had answered the subscription .*orders/new'

play '"orders/new"' 5s no-out
ok "a second connection that is down is told" wait_for 20 warned 'connection that publishes is down: .'
ok "status does not say connected" status_says 'NOT CONNECTED: .*closed'
ok "/readyz says which" unready 'connection that publishes is down'
ok "the metrics do" metric 'zingq_broker_connection_up{connection="publish"} 0'
ok "zingq_broker_connected is not 1 then" metric 'zingq_broker_connected 0'

# --- status topics ---

play '"orders/new"' off
ok "with sys off the host is ready" ready
publish orders/new hello
must wait_for 10 seen '^publish out/x'
ok "the largest packet is announced, 4 MiB at least" seen '^connect [^ ]* .*2700400000'
ok "and no status topic is published" unseen '^publish zingq/sys'

play '"orders/new"' 100ms refuse=87:zingq/sys
ok "refused status topics pause" wait_for 20 warned 'refuses the status topics'
must wait_for 10 hears '^publish out/x'
ok "after one publish" sh -c '[ "$(grep -c "^publish zingq/sys" record)" -eq 1 ]'
ok "and are told once" sh -c '[ "$(grep -c "status topics" host.log)" -eq 1 ]'

play '"orders/new"' 100ms close=zingq/sys
ok "status topics that end the connection pause" wait_for 20 warned 'ends the connection when the status'
ok "what services publish leaves" wait_for 60 hears '^publish out/x 1 1 hello'
ok "the question was put twice" sh -c '[ "$(grep -c "^publish zingq/sys" record)" -eq 2 ]'

play '"orders/new"' 1h mute=zingq/sys
ready
ok "a status topic that is never acknowledged holds nothing up for long" wait_for 20 hears '^publish out/x 1 1 hello'

# --- what is larger than announced ---

kill -9 "$host" "$broker"
wait "$host" "$broker" 2>/dev/null
rm -rf data host.log
port=
start_broker
mosquitto_sub -V 5 -q 1 -p "$port" -t out/x -F %l >heard 2>/dev/null &
keep $!
start_host
head -c 5000000 /dev/zero | tr '\0' x >large
head -c 300000 /dev/zero | tr '\0' x >too-large
pub -t orders/new -f large
pub -t orders/new -f too-large
pub -t orders/new -m hello
ok "what comes behind a message that is larger than announced is handled" wait_for 20 grep -q -x 5 heard
ok "over the same connection" sh -c '[ "$(grep -c "connected to" host.log)" -eq 1 ]'
ok "what is only past limits.payload is a dead letter" wait_for 10 says 0 300000 dlq list

echo "1..$count"
exit "$failed"
