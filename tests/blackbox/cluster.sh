#!/bin/sh
# cluster.sh - one host whose log is in a real PostgreSQL: nothing is lost or done twice when the host
# is killed, its folder is gone, the database is away or does not answer, or another process takes over.
#
# ctest: timeout=240
# ctest: label=torture
# shellcheck disable=SC2016,SC2317 # for eval; called by ok
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
# shellcheck source=tests/support/postgres.sh
. "$SOURCE_DIR/tests/support/postgres.sh"

need_postgres
make_shop <<END
http  { listen = "127.0.0.1:$(free_port)" }
store { url = "env:LOG_URL" }
service "count" { subscribe = {"count/+"}  handler = "count.lua"  key = "topic:2"  idempotency = "json:/id" }
endpoint "/api/count" { publish = "count/http" }
END
cat >scripts/count.lua <<'END'
return function(event)
  zing.state.set("n", (zing.state.get("n") or 0) + 1)
  zing.append("runs.txt", event.json.id)
end
END
front=http://$(sed -n 's/.*listen = "\([^"]*\)".*/\1/p' topics.conf)

# send N...: an event each.
send() {
    for n; do
        pub -t "count/k$((n % 3))" -m "{\"id\":\"$n\"}" || return 1
    done
}

# counted N: so many events have been done, and each of them once.
counted() {
    service_is count "done == $1" &&
        [ "$("$ZINGQ" state list count --json | jq '[.[] | .value] | add')" = "$1" ]
}

# post ID: the status of a job over HTTP.
post() {
    curl -s -m 20 -o "$dir/answer" -w '%{http_code}' -H 'Content-Type: application/json' \
        -H "Idempotency-Key: $1" -d "{\"id\":\"$1\"}" "$front/api/count"
}

ready_is() {
    [ "$(curl -s -m 8 -o "$dir/ready" -w '%{http_code}' "$front/readyz")" = "$1" ]
}

# What only the folder has, and what a stop itself writes, is left out.
exported() {
    "$ZINGQ" export - 2>/dev/null | grep -v '^{"kind":"\(file\|audit\|clock\|last seq\|end\|export\)' | sort
}

# ---- there and back ----

ok "a url that is none is refused by check" eval 'LOG_URL=mysql://h/x complains 2 "url must begin with postgres://" check'
ok "check says where commits go, and not the password" eval 'says 0 "committed in PostgreSQL" check && ! grep -q secret "$dir/out"'
start_host
send 1 2 3 4 5 6
ok "events are done" wait_for 20 counted 6
ok "each turn is in the database" eval '[ "$(query "select count(distinct turn) = max(turn) from zq.log")" = t ]'
ok "the password is not shown" eval '! "$ZINGQ" status --json | grep -q "shop:secret" && ! grep -q "shop:secret" "$dir/host.log"'
ok "doctor names the standby that is missing" says 1 'a failover of the database loses' doctor --broker "mqtt://127.0.0.1:$port"
kill_host
send 7 8 9
start_host
ok "a host that was killed goes on" wait_for 20 counted 9

# ---- the folder ----

must stop_host
exported >"$dir/before"
mv data "$dir/lost"
must "$ZINGQ" check >/dev/null
start_host
ok "a folder that is gone is built again from the log" counted 9
must stop_host
exported >"$dir/after"
ok "and has the same records" eval 'grep -q k1 "$dir/before" && diff "$dir/before" "$dir/after"'
ok "a url that is empty is refused" eval 'LOG_URL= complains 2 "url must begin with postgres://" check'
must administer -c "ALTER SYSTEM SET synchronous_standby_names = 'other'" -c 'SELECT pg_reload_conf()' >/dev/null
ok "doctor says that it may not see the standby" says 1 'GRANT pg_monitor TO' doctor --broker "mqtt://127.0.0.1:$port"
must administer -c 'GRANT pg_monitor TO shop'
ok "and with the right to, that there is none" says 1 'no such standby is connected' doctor --broker "mqtt://127.0.0.1:$port"
must administer -c 'ALTER SYSTEM RESET synchronous_standby_names' -c 'SELECT pg_reload_conf()' >/dev/null
sed '/^store/d' topics.conf >none.conf
ok "a host without the url refuses the folder" complains 2 "log" run -c none.conf

must rm data/data.mdb
start_host
ok "a file that alone is gone is built again, too" counted 9
must query 'revoke delete on zq.log from shop' >/dev/null
must stop_host
start_host
told_of_snapshots() {
    [ "$("$ZINGQ" status --json | jq '.host.log.snapshot_error != null')" = "$1" ]
}
ok "a log that cannot be kept short is told" wait_for 20 told_of_snapshots true
must query 'grant delete on zq.log to shop' >/dev/null
ok "until it can be" wait_for 30 told_of_snapshots false
must stop_host
must query 'revoke insert on zq.log from shop' >/dev/null
ok "a start that may not write to the log says why" complains 3 'permission denied for table log' run --broker "mqtt://127.0.0.1:$port"
must query 'grant insert on zq.log to shop' >/dev/null
start_host

# ---- the database away ----

must stop_postgres immediate
ok "without the database a job is answered 503" eval '[ "$(post 10)" = 503 ]'
ok "and the host is not ready, and says why" eval 'wait_for 20 ready_is 503; grep -q "database" "$dir/ready"'
send 11 12
must start_postgres
ok "when it is back, it goes on by itself" eval 'wait_for 30 ready_is 200; wait_for 20 counted 11'
ok "the log says when it was away, and when it was back" eval 'grep -q "log (store.url) does not answer: ." "$dir/host.log" && grep -q "answers again" "$dir/host.log"'
ok "and takes the job" eval '[ "$(post 10)" = 202 ] && wait_for 20 counted 12'
must stop_host
must stop_postgres fast
"$ZINGQ" run --broker "mqtt://127.0.0.1:$port" >>"$dir/host.log" 2>&1 </dev/null &
host=$!
ok "a start without the database waits, and says so" eval 'wait_for 20 ready_is 503; grep -q "waits for the database" "$dir/ready"'
ok "so does status" eval 'ends 0 status && grep -q "has not started yet" "$dir/err"'
ok "a host that waits stops as any other" stop_host
"$ZINGQ" run --broker "mqtt://127.0.0.1:$port" >>"$dir/host.log" 2>&1 </dev/null &
host=$!
must start_postgres
ok "it starts when the database is there" eval 'wait_for 30 ready_is 200; counted 12'

# ---- no answer ----

backends=$(query "select pid from pg_stat_activity where application_name = 'zingq'")
# shellcheck disable=SC2086 # several
must kill -STOP $backends
send 13
ok "a server process that stops leaves the turn in doubt" wait_for 30 eval '[ "$("$ZINGQ" status --json | jq .host.log.doubts)" -gt 0 ]'
ok "and the host goes on over another connection" wait_for 30 counted 13
# shellcheck disable=SC2086
must kill -CONT $backends
send 14
ok "what was stopped is not done twice" wait_for 20 counted 14

# ---- another process ----

mkdir "$dir/second"
cp -r topics.conf scripts "$dir/second"
first=$host
ZINGQ_HTTP_LISTEN='' "$ZINGQ" run -c "$dir/second/topics.conf" \
    --broker "mqtt://127.0.0.1:$port" >>"$dir/second.log" 2>&1 </dev/null &
keep $!
ends_by_itself() {
    ! kill -0 "$first" 2>/dev/null
}
ok "another process of that name takes the log over" wait_for 30 ends_by_itself
kill -9 "$first" 2>/dev/null # unless it has
wait "$first"
status=$?
host=
ok "and the first one ends" [ "$status" -eq 5 ]
ok "saying who has it" grep -q 'was taken over by process' "$dir/host.log"
ok "and it does not start again" complains 2 'log-taken-over' run --broker "mqtt://127.0.0.1:$port"
cd "$dir/second" || exit 1
ok "the other one has everything" wait_for 20 counted 14
send 15
ok "and goes on" wait_for 20 counted 15

# ---- the door itself: tests/unit/cluster ----

# holds PROGRAM: one of these tests, on a database of which it may drop the tables.
holds() {
    ZINGQ_TEST_DATABASE=$(postgres_url postgres postgres) "$(dirname "$ZINGQ")/tests/$1" >"$dir/$1.log" 2>&1 || {
        cat "$dir/$1.log"
        false
    }
}

if [ -x "$(dirname "$ZINGQ")/tests/test_turns" ]; then
    ok "the log's door keeps its promises" holds test_turns
    ok "and so does its fence" holds test_fence
    ok "whoever had commits that are lost hears of it" holds test_reigns
    ok "a copy that follows it has nothing that may yet be lost" holds test_following
    grep -e takeovers "$dir/test_fence.log" | sed 's/^/# /'
fi
echo "1..$count"
[ "$failed" -eq 0 ]
