#!/bin/sh
# rename.sh - services that topics.conf no longer has, and services under a new name.
#
# ctest: timeout=240
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:=python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
cat >scripts/seats.lua <<'END'
return function(event)
  local order = event.json
  if order.sleep then zing.sleep(order.sleep) end
  if order.wait then zing.wait("go") end
  if order.dead then zing.reject("no such seat") end
  zing.state.incr("sold")
  zing.append("sold.txt", event.key .. " " .. order.n)
end
END
start_broker

# write_conf SERVICE...: each with what follows its name, up to a comma.
write_conf() {
    echo 'store { path = "data" } http { listen = "" }' >topics.conf
    for service in "$@"; do
        printf 'service "%s" { handler = "seats.lua" key = "json:/seat" idempotency = "json:/n" retries = 0 %s }\n' \
            "${service%% *}" "${service#* }" >>topics.conf
    done
}

# figure SERVICE NAME
figure() {
    "$ZINGQ" status --json | jq -r ".services[]|select(.name==\"$1\").$2"
}
# shellcheck disable=SC2317 # called by wait_for
figure_is() {
    [ "$(figure "$1" "$2")" = "$3" ]
}
# id_of SERVICE STATE: of the first such event.
id_of() {
    "$ZINGQ" events --service "$1" --state "$2" --json | jq -r '.[0].id'
}

# ---- a service is removed ----

write_conf 'keep subscribe = {"keep"}' 'old subscribe = {"seat/+"}'
start_host
pub -t seat/new -m '{"n":1,"seat":"A","dead":true}'
pub -t seat/new -m '{"n":2,"seat":"B","sleep":"9h"}'
pub -t seat/new -m '{"n":3,"seat":"B"}'
pub -t seat/new -m '{"n":4,"seat":"C","dead":true}'
must wait_for 20 figure_is old dead 2
must wait_for 20 figure_is old waiting 2
must stop_host
pub -t seat/new -m '{"n":5,"seat":"A"}'
write_conf 'keep subscribe = {"keep"}'
start_host
ok "what the broker held for a removed service is stored under its name" wait_for 20 figure_is old waiting 3
ok "with the key that its rule gave" eval '[ "$("$ZINGQ" events --service old --key A --state ready --json | jq length)" = 1 ]'
ok "and the log says so" grep -q 'service "old", which is no longer in topics.conf: such messages are stored' host.log
ok "status says that it is gone" says 0 'old .*not in topics.conf' status
ok "its dead letters can be exported" says 0 'no such seat' dlq export --service old
letter=$(id_of old dead)
ok "a replay is refused, since nothing would run it" complains 1 'service "old" is no longer in topics.conf, so nothing runs its events: .zingq move --from old' \
    dlq replay "$letter"
ok "one can be discarded" says 0 '1 discarded' dlq discard "$letter"
ok "and the rest of the service's" says 0 '1 discarded' dlq discard --service old
ok "an event that sleeps can be cancelled" says 0 '' cancel "$(id_of old sleeping)"
ok "and one that waits to run" says 0 '' cancel "$(id_of old ready)"
ok "and the last" says 0 '' cancel "$(id_of old ready)"
ok "nothing is left" eval '[ -z "$("$ZINGQ" status --json | jq -r ".services[]|select(.name==\"old\" and .waiting + .dead > 0)")" ]'
ok "the books balance" says 0 'holds; every waiting event was found' status
must stop_host

# ---- a service gets another name ----

# lines FILE: what the handlers have written, in one line.
lines() {
    tr '\n' ';' <"data/files/$1"
}
# shellcheck disable=SC2317 # called by wait_for
lines_are() {
    [ "$(lines "$1")" = "$2" ]
}

rm -rf data
write_conf 'seats subscribe = {"seat/+"}'
start_host
pub -t seat/new -m '{"n":1,"seat":"A"}'
pub -t seat/new -m '{"n":2,"seat":"B","wait":true}'
pub -t seat/new -m '{"n":3,"seat":"B"}'
pub -t seat/new -m '{"n":4,"seat":"C","dead":true}'
must wait_for 20 figure_is seats dead 1
must wait_for 20 figure_is seats waiting 2
must wait_for 20 figure_is seats done 1
must stop_host
pub -t seat/new -m '{"n":5,"seat":"B"}'
write_conf 'tickets subscribe = {"seat/+"} was = {"seats"}'
ok "check accepts the new name" says 0 'takes over what was seats' check
start_host
ok "the log says who takes over" grep -q 'service "tickets" takes over what service "seats" has' host.log
pub -t seat/new -m '{"n":6,"seat":"B"}'
pub -t seat/new -m '{"n":1,"seat":"A"}'
must wait_for 20 figure_is tickets waiting 4
pub -t zingq/signal/seats/B/go -m true
ok "a signal to the old name arrives, and events run under the new name, those of the old one first" \
    wait_for 30 lines_are sold.txt 'A 1;B 2;B 3;B 5;B 6;'
ok "a duplicate of before is one" wait_for 20 figure_is tickets duplicates 1
ok "dead letters come along" figure_is tickets dead 1
ok "state goes on" says 0 ' 4$' state get tickets B sold
ok "a letter's replay runs it" says 0 '1 replayed' dlq replay "$(id_of tickets dead)"
ok "nothing is under the old name" eval '[ -z "$(figure seats waiting)" ]'
ok "the books balance" says 0 'holds; every waiting event was found' status
kill_host
write_conf 'tickets subscribe = {"seat/+"}'
start_host
pub -t seat/new -m '{"n":7,"seat":"B"}'
ok "without was, it goes on" wait_for 20 lines_are sold.txt 'A 1;B 2;B 3;B 5;B 6;B 7;'
ok "with its state" says 0 ' 5$' state get tickets B sold
must stop_host
write_conf 'tickets subscribe = {"seat/+"}' 'seats subscribe = {"more"}'
ok "the old name is not free" complains 2 'service "tickets" had this name before' run

# ---- both names have events ----

# The broker still holds a session in the group of the services above, and deals it its share: hence
# other names.

rm -rf data
write_conf 'halls subscribe = {"seat/+"}'
start_host
pub -t seat/new -m '{"n":1,"seat":"A","wait":true}'
pub -t seat/new -m '{"n":2,"seat":"A"}'
pub -t seat/new -m '{"n":3,"seat":"B","dead":true}'
pub -t seat/new -m '{"n":4,"seat":"C"}'
must wait_for 20 figure_is halls waiting 2
must wait_for 20 figure_is halls done 1
i=0
while [ "$i" -lt 900 ]; do
    echo "{\"n\":\"m$i\",\"seat\":\"s$((i % 300))\",\"sleep\":\"9h\"}"
    i=$((i + 1))
done >many
pub -t seat/many -l <many
must wait_for 60 figure_is halls waiting 902
must stop_host
write_conf 'rooms subscribe = {"seat/+"}'
start_host
pub -t seat/new -m '{"n":5,"seat":"C"}'
must wait_for 20 figure_is rooms done 1
ok "a service that was renamed without was leaves everything under the old name" figure_is halls waiting 902
ok "a move to an unknown service is refused" complains 1 'no service "hall" in topics.conf' move --from halls --to hall
ok "and one from a service that runs" complains 2 'still in topics.conf' move --from rooms --to rooms
must stop_host

# killed while rows are moved, several times
write_conf 'rooms subscribe = {"seat/+"} was = {"halls"}'
ok "check says what it takes over" says 0 'takes over what was halls' check
started() {
    [ "$(grep -c 'runs 1 service' host.log)" -gt "$1" ]
}
for pause in 0.01 0.05 0.1; do
    starts=$(grep -c 'runs 1 service' host.log)
    "$ZINGQ" run --broker "mqtt://127.0.0.1:$port" >>host.log 2>&1 </dev/null &
    host=$!
    must wait_for 20 started "$starts"
    sleep "$pause"
    kill_host
done
start_host
pub -t seat/new -m '{"n":6,"seat":"A"}'
pub -t seat/new -m '{"n":4,"seat":"C"}'
taken_over() {
    [ "$(figure rooms live.taking)" = false ] && figure_is rooms waiting "$1"
}
ok "after kill -9 in the middle the rest is moved" wait_for 60 taken_over 903
must "$ZINGQ" signal rooms A go
ok "the events of a key ran in order, those of the old name first" \
    eval 'wait_for 60 grep -q "A 6" data/files/sold.txt; [ "$(grep "^A" data/files/sold.txt | tr "\n" ";")" = "A 1;A 2;A 6;" ]'
ok "each once" eval '[ "$(sort data/files/sold.txt | uniq -d | wc -l)" -eq 0 ]'
ok "what the old name took is a duplicate" figure_is rooms duplicates 1
ok "its letters are there" figure_is rooms dead 1
ok "nothing waits under the old name" eval '[ -z "$("$ZINGQ" status --json | jq -r ".services[]|select(.name==\"halls\" and .waiting + .dead > 0)")" ]'
ok "a value that both have stays" says 0 ' 1$' state get halls C sold
ok "the books balance" says 0 'holds; every waiting event was found' status
ok "the store is sound" says 0 ' 0 findings' doctor --store
must stop_host

# ---- a move by command ----

write_conf 'orders subscribe = {"order/+"}'
start_host
ok "a move is done when the command ends" says 0 'orders has taken over rooms: moved 906 events' \
    move --from rooms --to orders
ok "with everything" eval 'figure_is orders waiting 900 && figure_is orders dead 1'
ok "it is in the audit" says 0 'move' audit
ok "and can be repeated" says 0 'moved 0 events' move --from rooms --to orders
must stop_host

# ---- hosts that divide the keys ----

rm -rf data
# shellcheck disable=SC2317 # called by wait_for
fleet_is_ready() {
    [ "$("$ZINGQ" status --json | jq 'length == 2 and all(.[]; .host.ready)')" = true ]
}
start_fleet() {
    "$ZINGQ" run --hosts 2 --broker "mqtt://127.0.0.1:$port" >>host.log 2>&1 </dev/null &
    host=$!
    must wait_for 30 fleet_is_ready
}
# sum_is SERVICE FIGURE N: over both hosts.
# shellcheck disable=SC2317 # called by wait_for
sum_is() {
    [ "$("$ZINGQ" status --json | jq "[.[].services[]|select(.name==\"$1\").$2]|add")" = "$3" ]
}
# for_each_key TEXT: a message to each of eight keys, with K for the key's number.
for_each_key() {
    for k in 1 2 3 4 5 6 7 8; do
        pub -t gate/new -m "$(echo "$1" | sed "s/K/$k/g")"
    done
}
write_conf 'gates subscribe = {"gate/+"}'
echo 'hosts { secret = "0123456789abcdef0123" }' >>topics.conf
start_fleet
for_each_key '{"n":"aK","seat":"K","wait":true}'
for_each_key '{"n":"bK","seat":"K"}'
must wait_for 30 sum_is gates waiting 16
must stop_host
for_each_key '{"n":"cK","seat":"K"}'
write_conf 'doors subscribe = {"gate/+"} was = {"gates"}'
echo 'hosts { secret = "0123456789abcdef0123" }' >>topics.conf
start_fleet
for_each_key '{"n":"dK","seat":"K"}'
for_each_key '{"n":"bK","seat":"K"}'
must wait_for 30 sum_is doors waiting 32
ok "duplicates are recognized on the host that owns the key" wait_for 20 sum_is doors duplicates 8
for k in 1 2 3 4 5 6 7 8; do
    pub -t "zingq/signal/gates/$k/go" -m true
done
ok "a renamed service runs on all hosts" wait_for 60 sum_is doors done 32
must stop_host
in_order() {
    for k in 1 2 3 4 5 6 7 8; do
        grep -h "^$k " data/?/files/sold.txt | tr '\n' ';' | grep -qx "$k a$k;$k b$k;$k c$k;$k d$k;" || return 1
    done
}
ok "each key in order, on one host" in_order

echo "1..$count"
[ "$failed" -eq 0 ]
