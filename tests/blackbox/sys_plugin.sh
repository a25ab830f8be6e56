#!/bin/sh
# sys_plugin.sh - Mosquitto with the plugin: the host's figures under $SYS, and nobody but a host
# who could put them there.
#
# ctest: timeout=120
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

build=$(dirname "$ZINGQ")
plugin=$build/zingq_sys.so
[ -f "$plugin" ] || {
    echo "1..0 # skipped: there is no $plugin (Debian: apt-get install mosquitto-dev, build again)"
    exit 0
}

show_failure() {
    tail -n 20 "$dir/broker.log" | sed 's/^/# broker: /'
}

not() {
    ! "$@"
}

# start_broker LINE...: with the plugin and these lines of mosquitto.conf behind it.
start_broker() {
    stop_broker
    port=$(free_port)
    {
        printf 'listener %s 127.0.0.1\nuser root\nallow_anonymous true\nlog_type all\n' "$port"
        printf 'plugin %s\n' "$plugin"
        printf '%s\n' "$@"
    } >"$dir/mosquitto.conf"
    : >"$dir/broker.log"
    run_mosquitto "$dir/broker.log" -c "$dir/mosquitto.conf"
}

stop_broker() {
    [ -z "$broker" ] || { kill "$broker" && wait "$broker"; } 2>/dev/null
    broker=
}

start_host() {
    ZINGQ_BROKER_URL=mqtt://127.0.0.1:$port ZINGQ_BROKER_USERNAME=$1 ZINGQ_BROKER_PASSWORD=secret \
        "$ZINGQ" run -c "$dir/topics.conf" >"$dir/host.log" 2>&1 &
    host=$!
}

stop_host() {
    { kill "$1" "$host" && wait "$host"; } 2>/dev/null
    host=
}

# pub ARGS...: publishes with QoS 1, so that a refusal is told.
pub() {
    mosquitto_pub -V 5 -q 1 -p "$port" -m x "$@" >"$dir/pub" 2>&1 && [ ! -s "$dir/pub" ]
}

refused() {
    not pub "$@" && grep -qi 'not authorized' "$dir/pub"
}

# shows TOPIC PATTERN: a retained message.
shows() {
    mosquitto_sub -V 5 -p "$port" -t "$1" -C 1 -W 1 2>/dev/null | grep -q -e "$2"
}

in_time() {
    wait_for 20 "$@"
}

# Nothing is retained under the filter: the marker, subscribed to behind it, is what comes first.
nothing_under() {
    pub -r -t marker && [ "$(mosquitto_sub -V 5 -p "$port" -t "$1" -t marker -C 1 -W 5 -F %t)" = marker ]
}

# vanishes WILL-TOPIC: a client with a retained last will on the topic is killed.
vanishes() {
    mosquitto_sub -V 5 -p "$port" -i victim -t none --will-topic "$1" --will-payload x \
        --will-retain >/dev/null 2>&1 &
    other=$!
    keep "$other"
    wait_for 10 grep -q 'Sending SUBACK to victim' "$dir/broker.log"
    { kill -9 "$other" && wait "$other"; } 2>/dev/null
    wait_for 10 grep -q 'Client victim closed its connection' "$dir/broker.log"
}

printf 'zingq:secret\nbob:secret\n' >"$dir/passwords"
mosquitto_passwd -U "$dir/passwords"
mkdir "$dir/scripts"
echo 'return function() end' >"$dir/scripts/seats.lua"
cat >"$dir/topics.conf" <<'END'
broker { client_id = "zingq-box" }
http { listen = "" }
sys { interval = "200ms" }
service "seats" { subscribe = {"in/#"}  handler = "seats.lua" }
END

# --- the hosts' user is named ---

start_broker "password_file $dir/passwords" 'plugin_opt_user zingq' 'plugin_opt_other_topics allow'
start_host zingq
# shellcheck disable=SC2016 # $SYS is a topic
mirror='$SYS/zingqueue/box'
ok "the host's figures are under \$SYS, retained" in_time shows "$mirror/version" '^[0-9]'
ok "its services', too" in_time shows "$mirror/services/seats/lag" '^0$'
ok "and that it is connected" in_time shows "$mirror/broker/connected" '^1$'
ok "other topics are free" pub -t any/thing
ok "nobody may publish to zingq/sys without a name" refused -t zingq/sys/box/version
ok "nor under a client id like a host's" refused -i zingq-evil-out -t zingq/sys/evil/version
ok "nor as another user" refused -u bob -P secret -i zingq-bob-out -t zingq/sys/bob/version
ok "nor to its root" refused -t zingq/sys
ok "nor with a wrong password" refused -u zingq -P wrong -t zingq/sys/box/version
ok "nor by a last will" vanishes zingq/sys/evil/version
ok "which is not published" nothing_under 'zingq/sys/evil/#'
ok "nobody may publish to \$SYS itself" refused -t "$mirror/version"
ok "not even the hosts' user" refused -u zingq -P secret -t "$mirror/version"
ok "the host's figures are still its own" shows "$mirror/version" '^[0-9]'
stop_host -9
ok "a host that is killed is offline under \$SYS" in_time shows "$mirror/broker/connected" '^0$'
start_host zingq
ok "and connected when it is back" in_time shows "$mirror/broker/connected" '^1$'
stop_host -TERM
ok "a host that stops is offline, too" in_time shows "$mirror/broker/connected" '^0$'

# --- no user is named: a confirmed name, and the host of the client id ---

start_broker "password_file $dir/passwords" 'plugin_opt_other_topics allow'
start_host bob
ok "a host under any confirmed name is mirrored" in_time shows "$mirror/broker/connected" '^1$'
stop_host -TERM
ok "a client is no host when its id does not say so" refused -u bob -P secret -t zingq/sys/box/version
ok "a host may not speak for another" \
    refused -u bob -P secret -i zingq-evil-out -t zingq/sys/box/version
ok "a host may speak for itself" pub -u bob -P secret -i zingq-tom-out -t zingq/sys/tom/version
ok "nobody may without a name" refused -i zingq-tom-out -t zingq/sys/tom/version

# --- nobody confirms names ---

start_broker 'plugin_opt_user zingq' 'plugin_opt_other_topics allow'
ok "a name that nobody confirms is not let in" refused -u zingq -P any -t zingq/sys/box/version
ok "a client without one is" pub -t any/thing

# --- beside an acl_file ---

printf 'topic readwrite free/#\n' >"$dir/acl"
start_broker "password_file $dir/passwords" "acl_file $dir/acl" 'plugin_opt_user zingq' \
    'plugin_opt_other_topics defer'
ok "an acl_file decides over the other topics: yes" pub -t free/thing
ok "an acl_file decides over the other topics: no" refused -t any/thing
ok "the hosts' user needs no line there" pub -u zingq -P secret -t zingq/sys/box/version
ok "nobody else may, whatever stands there" refused -t zingq/sys/box/version

# --- told wrong ---

stop_broker
ok "the plugin will not guess who decides over other topics" \
    not start_broker 'plugin_opt_user zingq'
ok "and says what to write" grep -q 'say plugin_opt_other_topics defer' "$dir/broker.log"
broker=

# --- zingq dev ---

(cd "$dir" && exec "$ZINGQ" dev -c "$dir/topics.conf") >"$dir/dev.log" 2>&1 &
host=$!
wait_for 20 grep -q 'connected to' "$dir/dev.log"
port=$(sed -n 's/.*mosquitto_sub -p \([0-9]*\) .*/\1/p' "$dir/dev.log")
ok "zingq dev shows its figures under \$SYS" in_time shows "$mirror/broker/connected" '^1$'
ok "and lets nobody else write them" refused -t zingq/sys/box/version
stop_host -TERM

echo "1..$count"
[ "$failed" -eq 0 ]
