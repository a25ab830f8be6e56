#!/bin/sh
# sql_once.sh - zing.sql.once: an effect in a real PostgreSQL happens exactly once, over errors, edits, kill -9 at
# any point, a server that is killed, and a COMMIT that still runs elsewhere.
#
# ctest: timeout=240
# shellcheck disable=SC2016 # $ in Lua, SQL and jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
# shellcheck source=tests/support/postgres.sh
. "$SOURCE_DIR/tests/support/postgres.sh"

events=${ZINGQ_TEST_EVENTS:-120}
kills=${ZINGQ_TEST_KILLS:-6}

write_conf() {
    cat >topics.conf <<'CONF'
http { listen = "" }
database "shop" { url = "env:DATABASE_URL"  pool = 4 }
service "pay"  { subscribe = {"pay"}  handler = "pay.lua"  key = "json:/id"  retries = 1000  delay = "100ms"  max_delay = "500ms" crashes = 1000 }
service "run"  { subscribe = {"run/+"}  handler = "run.lua"  retries = 3  delay = "100ms"  backoff = "constant" }
service "once" { subscribe = {"once/+"}  handler = "run.lua"  retries = 0 }
service "short" { subscribe = {"short/+"}  handler = "run.lua"  retries = 0  idempotency_window = "1s" }
CONF
    DATABASE_URL=$(postgres_url shop shop)
    export DATABASE_URL
}

write_handlers() {
    mkdir scripts
    cat >scripts/pay.lua <<'LUA'
return function(event)
  local id = event.json.id
  local left = zing.sql.once("shop", "pay", function()
    zing.sql("shop", "insert into effects (id) values ($1)", {id})
    return zing.sql("shop", "update balance set amount = amount - 1 returning amount").rows[1].amount
  end)
  assert(math.type(left) == "integer")
end
LUA
    cat >scripts/run.lua <<'LUA'
return function(event)
  local run = assert(load("local event = ... " .. event.payload))
  zing.log.info("result " .. zing.json.encode({value = run(event)}))
end
LUA
}

# run_in SERVICE LUA: as the handler of one event, until that has ended; its log is in $dir/ran.
run_in() {
    before=$(wc -l <"$dir/host.log")
    runs=$((${runs:-0} + 1))
    pub -t "$1/$runs" -m "$2"
    wait_for 30 has_ended "$1"
}

# shellcheck disable=SC2317 # called by wait_for
has_ended() {
    tail -n "+$((before + 1))" "$dir/host.log" >"$dir/ran"
    grep -q -e "result .*service=$1 " -e "dead letter service=$1 " "$dir/ran"
}

# gives JSON LUA / dies PATTERN LUA
gives() {
    run_in run "$2" && grep -q -F "result {\"value\":$1} " "$dir/ran"
}

# shellcheck disable=SC2317 # called by ok
dies() {
    run_in once "$2" && grep -q -e "dead letter .*reason=.*$1" "$dir/ran"
}

# shellcheck disable=SC2317 # called by ok
show_failure() {
    sed 's/^/# ran: /' "$dir/ran"
}

counts() { # NUMBER STATEMENT
    [ "$(query "$2")" = "$1" ]
}

# The effects of all events, each once.
# shellcheck disable=SC2317 # called by ok
each_once() {
    query 'select count(*), count(distinct id), (select amount from balance) from effects' >"$dir/out"
    [ "$(cat "$dir/out")" = "$1|$1|$((1000000 - $1))" ]
}

publish_pays() { # FROM TO
    pay=$1
    while [ "$pay" -le "$2" ]; do
        echo "{\"id\":$pay}"
        pay=$((pay + 1))
    done | mosquitto_pub -V 5 -q 1 -p "$port" -t pay -l
}

# The server is gone at once, and back.
# shellcheck disable=SC2317 # called by ok
crash_postgres() {
    stop_postgres immediate && start_postgres
}

: >"$dir/ran"
cd "$dir" || exit 1
make_postgres
query 'create table effects (id int, at timestamptz default now()); create table balance (amount int); insert into balance values (1000000)'
write_conf
write_handlers
start_broker
start_host

# ---- what it gives and refuses ----

ok "it makes its table, and gives what its function returned" gives '[1,2.5,"x"]' \
    'return zing.sql.once("shop", "a", function() zing.sql("shop", "select 1") return {1, 2.5, "x"} end)'
ok "nothing, too" gives true 'return zing.sql.once("shop", "a", function() end) == nil'
ok "a later failure does not repeat it" gives '[7,2]' '
local r = zing.sql.once("shop", "a", function() zing.sql("shop", "insert into effects (id) values (-1)") return 7 end)
if event.attempt < 2 then error("later") end
return {r, event.attempt}'
ok "its effect is there once" counts 1 'select count(*) from effects where id = -1'
ok "an error inside undoes all of it" gives '[false,true]' '
local ok, err = pcall(zing.sql.once, "shop", "a", function() zing.sql("shop", "insert into effects (id) values (-2)") error("no") end)
return {ok, tostring(err):find("no") ~= nil}'
ok "nothing of it is there" counts 0 'select count(*) from effects where id = -2'
ok "after that the handler may wait for other things" gives 2 '
pcall(zing.sql.once, "shop", "a", function() error("no") end)
return zing.sql("shop", "select 2 as x").rows[1].x'
ok "two names are two effects" gives '[1,2]' '
return {zing.sql.once("shop", "a", function() return 1 end), zing.sql.once("shop", "b", function() return 2 end)}'
ok "an error of the data in it is final" dies 'SQLSTATE 22012' 'zing.sql.once("shop", "a", function() zing.sql("shop", "select 1/0") end)'
ok "HTTP inside is refused" dies 'cannot be called inside zing.sql.once' \
    'zing.sql.once("shop", "a", function() zing.http.get("http://127.0.0.1:1/") end)'
ok "a sleep, too" dies 'cannot be called inside zing.sql.once' 'zing.sql.once("shop", "a", function() zing.sleep("1s") end)'
ok "a publish, too" dies 'inside zing.sql.once would be missing' 'zing.sql.once("shop", "a", function() zing.publish("x", "y") end)'
ok "itself, too" dies 'cannot be called inside zing.sql.once' \
    'zing.sql.once("shop", "a", function() zing.sql.once("shop", "b", function() end) end)'
ok "it ends its transaction itself" dies 'it ends the transaction' 'zing.sql.once("shop", "a", function() zing.sql("shop", "commit") end)'
ok "also if another one follows" dies 'has ended the transaction' '
zing.sql.once("shop", "a", function()
  zing.sql("shop", "rollback and chain")
  zing.sql("shop", "insert into effects (id) values (-3)")
end)'
ok "or begins with its COMMIT" dies 'it ends the transaction' \
    'zing.sql.once("shop", "a", function() zing.sql("shop", "commit and chain") end)'
ok "a savepoint is fine" gives 5 '
return zing.sql.once("shop", "a", function()
  zing.sql("shop", "savepoint s")
  zing.sql("shop", "rollback to s")
  zing.sql("shop", "release s")
  return 5
end)'
ok "a handler that ends inside leaves nothing" dies 'no more' \
    'zing.sql.once("shop", "a", function() zing.sql("shop", "insert into effects (id) values (-3)") zing.reject("no more") end)'
ok "nothing at all" counts 0 "select count(*) from effects where id = -3 or (select count(*) from pg_stat_activity where state like 'idle in%') > 0"

# ---- as a COMMIT that still runs elsewhere ----

# Another session has the row of an event that is about to come, and commits late.
other_commits() {
    before=$(wc -l <"$dir/host.log")
    mkfifo "$dir/late"
    psql -X -q "$DATABASE_URL" <"$dir/late" >"$dir/late.out" 2>&1 &
    keep $!
    exec 7>"$dir/late"
    id=01890a5d-ac96-774b-bcce-b302099a8057
    echo "begin; insert into zingq_done (service, event, name, edit, result) values ('run', '$id', 'a', 0, decode('690500000000000000', 'hex'));" >&7
    must wait_for 10 sh -c "psql -X -At '$DATABASE_URL' -c \"select 1 from pg_stat_activity where state = 'idle in transaction'\" | grep -q 1"
    pub -t run/late -D publish user-property zingq-id "$id" -m 'return zing.sql.once("shop", "a", function() return 6 end)'
    must wait_for 10 sh -c "psql -X -At '$DATABASE_URL' -c \"select 1 from pg_stat_activity where wait_event_type = 'Lock'\" | grep -q 1"
    echo 'commit;' >&7
    exec 7>&-
    wait_for 30 has_ended run
    grep -q -F 'result {"value":5} ' "$dir/ran"
}
ok "what another attempt commits meanwhile counts" other_commits

# ---- once over crashes ----

n=0
done_before=0
while [ "$n" -lt "$kills" ]; do
    publish_pays $((n * events + 1)) $(((n + 1) * events))
    n=$((n + 1))
    # Somewhere in the middle of them.
    wait_for 30 sh -c "[ \"\$(psql -X -At '$DATABASE_URL' -c 'select count(*) from effects where id > 0')\" -gt $done_before ]"
    kill_host
    done_before=$(query 'select count(*) from effects where id > 0')
    start_host
done
query 'delete from effects where id < 0'
total=$((kills * events))
ok "all are done" wait_for 90 service_is pay "done == $total"
ok "each effect is there once, after $kills kills" each_once "$total"
publish_pays $((total + 1)) $((total + events))
wait_for 30 sh -c "[ \"\$(psql -X -At '$DATABASE_URL' -c 'select count(*) from effects')\" -gt $total ]"
ok "the database is killed" crash_postgres
total=$((total + events))
ok "all are done again" wait_for 90 service_is pay "done == $total"
ok "and once" each_once "$total"
ok "the trace shows it" says 0 'call sql shop: once "pay": answered, asked' trace "$("$ZINGQ" events --service pay --json | jq -r '.[0].id')"

# ---- old rows ----

query "update zingq_done set at = now() - interval '2 days' where service = 'pay'"
publish_pays $((total + 1)) $((total + 400))
wait_for 90 service_is pay "done == $((total + 400))"
ok "rows older than idempotency_window go" counts 0 "select count(*) from zingq_done where at < now() - interval '1 day'"
ok "younger ones stay" counts 400 "select count(*) from zingq_done where service = 'pay'"
echo "1..$count"
[ "$failed" -eq 0 ]
