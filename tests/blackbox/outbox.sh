#!/bin/sh
# outbox.sh - a broker whose access rules deny what a handler publishes: nothing else waits for it, a person
# sees it and mends it, and nothing is lost.
#
# ctest: timeout=120
# ctest: label=torture
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# allow LINE...: the access rules from now on, also for connections there are.
allow() {
    printf 'topic read #\ntopic write zingq/#\ntopic write in/#\n' >"$dir/acl"
    printf 'topic write %s\n' "$@" >>"$dir/acl"
    reloads=$((${reloads:-0} + 1))
    kill -HUP "$broker"
    must wait_for 10 has_reloaded "$reloads"
}

# shellcheck disable=SC2317 # called by wait_for
has_reloaded() {
    [ "$(grep -c 'Reloading config' "$dir/broker.log")" -ge "$1" ]
}

start_strict_broker() {
    port=$(free_port)
    : >"$dir/acl"
    printf 'listener %s 127.0.0.1\nuser root\nallow_anonymous true\nmax_queued_messages 0\nacl_file %s\n' \
        "$port" "$dir/acl" >"$dir/broker.conf"
    chmod 600 "$dir/acl"
    must run_mosquitto "$dir/broker.log" -c "$dir/broker.conf"
    allow 'good/#'
}

figure() {
    "$ZINGQ" status --json | jq ".engine.$1"
}

# shellcheck disable=SC2317 # called by wait_for
figure_is() {
    [ "$(figure "$1")" = "$2" ]
}

heard() {
    [ "$(grep -c "^$2 " "$dir/heard")" = "$1" ]
}

first_refused() {
    "$ZINGQ" outbox list --refused --json | jq -r '.[0].id'
}

# api PATH: $dir/body, $dir/head.
api() {
    curl -sSf --unix-socket "$dir/data/zingq.sock" -D "$dir/head" -o "$dir/body" "http://zingq$1"
}

# All pages of the outbox, three rows each.
pages() {
    next=
    while api "/api/outbox?limit=3$next"; do
        jq -c '.[]' "$dir/body"
        next=$(tr -d '\r' <"$dir/head" | sed -n 's/^Zingq-Next: /\&before=/Ip')
        [ -n "$next" ] || return 0
    done
}

mkdir "$dir/scripts"
cd "$dir" || exit 1
cat >topics.conf <<'END_CONF'
store { path = "data" }
http  { listen = "" }
service "relay" {
  subscribe = {"in/+"}
  handler   = "relay.lua"
  key       = "topic:2"
}
END_CONF
cat >scripts/relay.lua <<'END_LUA'
return function(event) zing.publish(event.payload, event.topic) end
END_LUA

start_strict_broker
start_host
mosquitto_sub -V 5 -q 1 -p "$port" -v -t 'good/#' -t 'bad/#' >"$dir/heard" &
keep $!

for n in 1 2 3 4 5 6 7 8 9 10; do
    pub -t "in/k$n" -m "bad/$n"
done
ok "publishes that are denied stay in the outbox" wait_for 20 figure_is outbox_refused 10
pub -t in/k1 -m good/behind
pub -t in/other -m good/free
ok "what another key publishes leaves at once" wait_for 10 heard 1 good/free
ok "what the same key publishes waits" wait_for 10 figure_is outbox_held 1
ok "and was not sent" heard 0 good/behind
ok "the list says so" says 0 'good/behind .*held behind' outbox list
"$ZINGQ" outbox list --json | jq -c '.[]' >"$dir/listed"
ok "the API says the same" eval 'api /api/outbox && jq -c ".[]" "$dir/body" | cmp -s - "$dir/listed"'
ok "also in pages, where what holds a row is on an earlier one" eval \
    'pages >"$dir/paged" && [ "$(grep -c "\"held\":true" "$dir/paged")" = 1 ] && cmp -s "$dir/paged" "$dir/listed"'
ok "status says so, and what helps" says 0 '10 REFUSED BY THE BROKER.*zingq outbox list' status
ok "the list says why" says 0 'bad/1 .*not authorized\|bad/1 .*closes the connection' outbox list
stop_host
ok "also while no host runs" says 0 'bad/10' outbox list --refused
start_host
ok "a host that starts again knows them" wait_for 20 figure_is outbox_refused 10

id=$(first_refused)
ok "one is given up by the last digits of its id" says 0 "^$id is discarded" outbox discard "$(printf %s "$id" | tail -c 8)"
ok "what waited behind it goes on, or nothing did" wait_for 10 figure_is outbox_held 0
ok "an id that is no refused publish's is told" complains 1 'no publish that the broker refuses' outbox discard "$id"
allow 'good/#' 'bad/#'
ok "all are tried at once when a person says so" says 0 'being retried' outbox retry
ok "and leave" wait_for 20 figure_is outbox 0
ok "nothing is left in the list" says 0 'no publishes waiting' outbox list
heard_bad=$(grep -c '^bad/' "$dir/heard")
ok "each came out once, but for the one given up" test "$heard_bad" = 9
ok "what waited behind the first came out, too" heard 1 good/behind

echo "1..$count"
[ "$failed" -eq 0 ]
