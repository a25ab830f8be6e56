#!/bin/sh
# members.sh - a cluster of three hosts on a real PostgreSQL and a real broker: its shards are spread, and
# nothing is lost or done twice while hosts are killed, stopped, frozen, drained, and come back.
#
# ctest: timeout=120
# ctest: label=torture
# shellcheck disable=SC2016,SC2034,SC2154,SC2317 # for eval; called by ok
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
# shellcheck source=tests/support/postgres.sh
. "$SOURCE_DIR/tests/support/postgres.sh"
# shellcheck source=tests/support/members.sh
. "$SOURCE_DIR/tests/support/members.sh"

need_postgres
make_members a b c <<'END_OF_CONF'
store   { url = "env:LOG_URL" }
cluster { name = "prod"  lease = "3s" }
service "count" { subscribe = {"count/+"}  handler = "count.lua"  key = "topic:2"  idempotency = "json:/id" }
service "tick"  { subscribe = {"tick"}  handler = "tick.lua"  key = "json:/k" }
schedule "tick" { cron = "* * * * *"  publish = "tick"  payload = '{"k":"tick"}' }
endpoint "/api/count" { publish = "count/http" }
END_OF_CONF
cat >scripts/tick.lua <<'END_OF_LUA'
return function(event)
  local minute = "at " .. math.floor(zing.now() / 60)
  zing.state.set(minute, (zing.state.get(minute) or 0) + 1)
end
END_OF_LUA

# ---- three hosts ----

ok "a host of a cluster that is not there says how to make it" eval 'complains 2 "zingq cluster init" run --data "$dir/a"'
must "$ZINGQ" cluster init --shards 6 >"$dir/out"
run_host a
ok "the first host has all shards" wait_for 20 have a 6
run_host b
run_host c
send 1 2 3 4 5 6 7 8 9 10 11 12
ok "hosts that come get their part" wait_for 30 have_each 2 2 2
ok "events are done once, whoever has their keys" wait_for 20 counted 12
ok "each host has a front door" eval 'wait_for 10 ready_is a 200 && wait_for 10 ready_is b 200 && wait_for 10 ready_is c 200'
tokens() {
    for n in a b c; do
        "$ZINGQ" dashboard --data "$dir/$n" | sed 's/.*token=//'
    done | sort -u | grep -c .
}
ok "with one login for all" eval '[ "$(tokens)" = 1 ]'
ok "status in the folder of a host shows the shards there" eval '[ "$("$ZINGQ" status --json --data "$dir/b" | jq length)" = 2 ]'
ok "and says whose they are" eval '[ "$("$ZINGQ" status --json --data "$dir/b" | jq -r ".[0].host.cluster.host")" = b ]'
ok "other commands find one of them" ends 0 dlq list --data "$dir/b"
ok "a count by hand is refused" eval 'ZINGQ_HOSTS_COUNT=2 ZINGQ_HOSTS_THIS=1 complains 2 "leave out count and this" run --data "$dir/d"'
ok "and --hosts" complains 2 'omit --hosts' run --hosts 2
ok "check says what it is" eval 'ZINGQ_CLUSTER_HOST=a says 0 "the host \"a\" of the cluster \"prod\"" check'

# ---- a host that is killed, and one that hangs ----

theirs=$(pids b)
frozen=$(pids c)
first=$(shards b | head -n 1)
must "$ZINGQ" publish count/later '{"id":"later"}' --after 8s --data "$dir/b/$first" >"$dir/out"
kill -9 "$pid_b"
# shellcheck disable=SC2086 # several
must kill -STOP $frozen
# shellcheck disable=SC2086
ok "the shards of a host that is killed end with it" wait_for 5 has_gone $theirs
send 13 14 15 16 17 18 19 20 21 22 23 24
ok "who is left has the shards of a host that is killed, and of one that hangs" wait_for 30 have a 6
ok "with the messages that waited at the broker, and what was to be published later" wait_for 20 counted 25
run_host b
# shellcheck disable=SC2086
must kill -CONT $frozen
send 25 26 27 28 29 30 31 32 33 34 35 36
ok "when they are back, they get their part" wait_for 30 have_each 2 2 2
ok "who hung says why it ended what it ran" grep -q 'all shards here end' "$dir/c.log"
ok "and nothing is lost or done twice" wait_for 20 counted 37

# ---- the database away ----

before=$(buried)
must stop_postgres immediate
send 37 38 39
ok "without the database no host is ready" eval 'wait_for 20 ready_is a 503 && wait_for 20 ready_is b 503'
must start_postgres
ok "when it is back, all goes on" wait_for 30 counted 40
ok "where it was" eval 'wait_for 20 have_each 2 2 2 && [ "$(buried)" = "$before" ]'

# ---- a name twice ----

ok "a second process of that name ends" eval 'ZINGQ_CLUSTER_HOST=a complains 3 "another process is the host \"a\"" run --data "$dir/other"'

# ---- a host that is drained, and one that is stopped ----

must "$ZINGQ" cluster drain c >"$dir/out"
ok "a host that is drained gives its shards to the others" wait_for 30 have_each 3 3 0
must "$ZINGQ" cluster undrain c >"$dir/out"
ok "until it is not" wait_for 30 have_each 2 2 2
before=$(buried)
theirs=$(shards c)
kill "$pid_c"
wait "$pid_c"
ok "a host that is stopped ends well" [ $? -eq 0 ]
ok "and has left" state_is c gone
send 40 41 42 43 44 45
ok "the others have its shards" wait_for 20 eval 'have a 3 && have b 3'
ok "without waiting for a lease" eval '[ "$(buried)" = "$before" ]'
ok "and nothing is lost or done twice" wait_for 20 counted 46
ok "a tick of a schedule is run once, whoever has it" eval '[ "$(values tick | jq "max // 1")" = 1 ]'

# ---- folders of other logs ----

# shellcheck disable=SC2086 # two
set -- $theirs
must mv "$dir/c/$1" "$dir/c/first"
must mv "$dir/c/$2" "$dir/c/$1"
must mv "$dir/c/first" "$dir/c/$2"
run_host c
foreign() {
    "$ZINGQ" cluster status --json | jq -e '.lost == null and ([.shards[] | select(.failed == "c" and (.note | test("another log")))] | length == 2)' >/dev/null
}
ok "a host whose folders are copies of other logs does not run these shards, and says why" wait_for 40 foreign
kill "$pid_c"
wait "$pid_c"

kill "$pid_a"
wait "$pid_a"
must stop_postgres immediate
kill "$pid_b"
wait "$pid_b"
ok "a host also ends without the database" [ $? -eq 0 ]

echo "1..$count"
[ "$failed" -eq 0 ]
