#!/bin/sh
# sql.sh - handlers and a real PostgreSQL: values and rows as they are, errors with their SQLSTATE, final ones
# and those that pass; a server that goes and comes back; results and sessions with bounds.
#
# ctest: timeout=240
# ctest: label=torture
# shellcheck disable=SC2016 # $ in Lua, SQL and jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:=python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
# shellcheck source=tests/support/postgres.sh
. "$SOURCE_DIR/tests/support/postgres.sh"

write_conf() {
    cat >topics.conf <<'CONF'
http { listen = "" }
database "shop"  { url = "env:DATABASE_URL"  pool = 2 }
database "local" { url = "env:SOCKET_URL"  services = {"run", "other"} }
database "hasty" { url = "env:HASTY_URL" }
database "wrong" { url = "env:WRONG_URL"  timeout = "3s" }
database "sealed" { url = "env:SEALED_URL" }
database "spare" { url = "env:SPARE_URL" }
service "run"    { subscribe = {"run/+"}  handler = "run.lua"  retries = 0 }
service "retry"  { subscribe = {"retry/+"}  handler = "run.lua"  retries = 300  delay = "1s"  backoff = "constant" }
service "third"  { subscribe = {"third/+"}  handler = "run.lua"  retries = 0 }
service "other"  { subscribe = {"other/+"}  handler = "run.lua"  retries = 0 }
CONF
    DATABASE_URL=$(postgres_url shop shop)
    SOCKET_URL="postgres:///shop?host=$dir/postgres&port=$pg_port&user=shop&password=secret"
    WRONG_URL="postgres://shop:guessed@127.0.0.1:$pg_port/shop"
    HASTY_URL="$DATABASE_URL?options=-c%20statement_timeout%3D200"
    sealed_port=$(free_port)
    SEALED_URL="postgres://shop:secret@127.0.0.1:$sealed_port/shop?sslmode=require&channel_binding=disable"
    SPARE_URL="postgres://shop:secret@127.0.0.1:$sealed_port,127.0.0.1:$pg_port/shop?connect_timeout=1"
    export HASTY_URL DATABASE_URL SOCKET_URL SEALED_URL SPARE_URL WRONG_URL
}

# The payload is the handler; what it returns is logged.
write_handler() {
    mkdir scripts
    cat >scripts/run.lua <<'LUA'
return function(event)
  local run = assert(load("local event = ... " .. event.payload))
  zing.log.info("result " .. zing.json.encode({value = run(event)}))
end
LUA
}

# run LUA: as the handler of one event, until that has ended; its log is in $dir/ran.
# shellcheck disable=SC2317 # called by ok
run() {
    run_in run "$1"
}

run_in() {
    before=$(wc -l <"$dir/host.log")
    runs=$((${runs:-0} + 1))
    pub -t "$1/$runs" -m "$2"
    wait_for 30 has_ended "$1"
}

has_ended() {
    tail -n "+$((before + 1))" "$dir/host.log" >"$dir/ran"
    grep -q -e "result .*service=$1 " -e "dead letter service=$1 " "$dir/ran"
}

# gives JSON LUA: what the handler returned.
gives() {
    run "$2" && grep -q -F "result {\"value\":$1} " "$dir/ran"
}

# dies PATTERN LUA: the event is dead for that reason, after one attempt.
dies() {
    run "$2" && grep -q -e "dead letter .*reason=.*$1" "$dir/ran"
}

# shellcheck disable=SC2317 # called by ok
show_failure() {
    sed 's/^/# ran: /' "$dir/ran"
    sed 's/^/# out: /' "$dir/out"
}

: >"$dir/ran"
cd "$dir" || exit 1
make_postgres
query 'create table seats (id text primary key, owner text, price int, at timestamptz default now())'
write_conf
write_handler
start_broker
ok "check tells who may use a database" says 0 'run, other' check
start_host

# ---- values ----

ok "a statement changes rows and counts them" gives 2 \
    'return zing.sql("shop", "insert into seats (id, owner, price) values ($1, $2, 5), ($3, null, $4)", {"a", "ann", "b", 7.0}).count'
ok "rows come back by name, null as nothing" gives '[{"id":"a","owner":"ann"},{"id":"b"}]' \
    'return zing.sql("shop", "select id, owner from seats order by id").rows'
ok "the columns in their order" gives '["price","id"]' 'return zing.sql("shop", "select price, id from seats").columns'
ok "numbers, truth, JSON and bytes as what they are" \
    gives '[9223372036854775807,2.5,true,"12.50",[1,2.5,null],4,"integer","float"]' '
local r = zing.sql("shop", [[select 9223372036854775807 as i, 2.5::float8 as f, true as t, 12.50::numeric as n,
  $1::jsonb as j, $2::bytea as b]], {{1, 2.5, zing.json.null}, "\\x00ff0a0d"}).rows[1]
assert(r.b == "\0\255\n\r")
return {r.i, r.f, r.t, r.n, r.j, #r.b, math.type(r.i), math.type(r.f)}'
ok "a float goes with the digits that are in the script" gives '["19.99","-0.1","1e-07",true]' '
local r = zing.sql("shop", "select $1::text as a, $2::text as b, $3::text as c, $4::float8 as d", {19.99, -0.1, 1e-7, 2^0.5}).rows[1]
return {r.a, r.b, r.c, r.d == 2^0.5}'
ok "a whole one is good for an integer" gives '[1000000000000000,-9007199254740992]' '
local r = zing.sql("shop", "select $1::bigint as a, $2::bigint as b", {1e15, -2.0^53}).rows[1]
return {r.a, r.b}'
ok "floats beyond numbers" gives '["inf","-inf",true]' '
local r = zing.sql("shop", "select $1::float8 as a, $2::float8 as b, $3::float8 as c", {math.huge, -math.huge, 0/0}).rows[1]
return {tostring(r.a), tostring(r.b), r.c ~= r.c}'
ok "null among the parameters" gives '[1,true,true]' '
local r = zing.sql("shop", "select $1::int as a, $2::int as b, $3::text as c", {1, nil, zing.json.null}).rows[1]
return {r.a, r.b == nil, r.c == nil}'
ok "a hostile name is only a value" gives '"'"x'); drop table seats; --"'"' \
    'return zing.sql("shop", "select $1::text as name", {"x'"'"'); drop table seats; --"}).rows[1].name'
ok "one statement at a time" dies 42601 'zing.sql("shop", "select 1; drop table seats")'
ok "a NUL in a parameter is refused" gives 'false' 'return (pcall(zing.sql, "shop", "select $1::text", {"a\0b"}))'
ok "so is one in the statement" gives 'false' 'return (pcall(zing.sql, "shop", "select 1\0"))'
ok "a socket is as good as an address" gives 1 'return zing.sql("local", "select 1 as one").rows[1].one'

# ---- errors ----

ok "an error of the data is final" dies 'SQLSTATE 23505' 'zing.sql("shop", "insert into seats (id) values ($1)", {"a"})'
ok "and can be caught by its SQLSTATE" gives '"23505"' '
local ok, err = pcall(zing.sql, "shop", "insert into seats (id) values ($1)", {"a"})
assert(tostring(err):find("duplicate key"))
return err.sqlstate'
ok "a wrong statement is final" dies 42P01 'zing.sql("shop", "select * from nowhere")'
ok "a wrong number of parameters, too" dies 08P01 'zing.sql("shop", "select $1::int, $2::int", {1})'
ok "an unknown database" dies 'no database .*cellar' 'zing.sql("cellar", "select 1")'
ok "an empty statement" dies 'the statement is empty' 'zing.sql("shop", " ")'
ok "COPY is refused" dies 'COPY is not possible' 'zing.sql("shop", "copy seats to stdout")'
ok "a statement too slow has an unknown outcome" dies 'outcome unknown.*took too long' \
    'zing.sql("shop", "select pg_sleep(60)", nil, {timeout = "2s"})'
# shellcheck disable=SC2317 # called by wait_for
nothing_sleeps() {
    [ "$(query "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()")" = 0 ]
}
ok "the server notices that nobody waits" wait_for 10 nothing_sleeps
ok "a timeout of the server does not" gives '"57014"' '
local ok, err = pcall(zing.sql, "hasty", "select pg_sleep(30)")
assert(not err.final)
return err.sqlstate'
ok "a wrong password is told, without it" dies 'password authentication failed' 'zing.sql("wrong", "select 1")'
ok "status names that database" says 0 'database "wrong" cannot be reached: .*password authentication failed' status
ok "no password is in the log" sh -c '! grep -e secret -e guessed host.log'

# ---- bounds ----

ok "a result of 7 MiB is read" gives 7340032 'return #zing.sql("shop", "select repeat($1, 7340032) as x", {"x"}).rows[1].x'
ok "one of more than 8 MiB is refused" dies 'larger than 8 MiB' \
    'return #zing.sql("shop", "select repeat(md5(n::text), 1000) as x from generate_series(1, 10000) n").rows'
ok "also if it is one row" dies 'larger than 8 MiB' 'return #zing.sql("shop", "select repeat($1, 20000000) as x", {"x"}).rows'
ok "a large statement is refused" dies 'more than 8 MiB' 'zing.sql("shop", "select $1::text", {("x"):rep(9 << 20)})'

# ---- sessions ----

ok "a transaction does not span statements" dies 'rolled back' 'zing.sql("shop", "begin")'
ok "what one service leaves in a session" gives '"1"' '
zing.sql("local", "select set_config($1, $2, false), pg_advisory_lock(7)", {"shop.mark", "1"})
return zing.sql("local", "select current_setting($1, true) as mark", {"shop.mark"}).rows[1].mark'
# shellcheck disable=SC2317 # called by ok
other_sees_nothing() {
    run_in other 'return zing.sql("local", "select current_setting($1, true) as mark, pg_try_advisory_lock(7) as free", {"shop.mark"}).rows[1]' &&
        grep -q -F 'result {"value":{"free":true,"mark":""}}' "$dir/ran"
}
ok "another one does not see" other_sees_nothing
# shellcheck disable=SC2317 # called by ok
third_is_refused() {
    run_in third 'zing.sql("local", "select 1")' && grep -q 'database .*local.* is not for service .*third' "$dir/ran"
}
ok "a service that it does not name may not use it" third_is_refused

# ---- the server goes and comes ----

must stop_postgres fast
pub -t retry/gone -m 'return zing.sql("shop", "insert into seats (id) values ($1)", {"after"}).count'
ok "without a server events wait" wait_for 30 service_is retry 'live.retrying == 1'
ok "and status says why" says 0 'database "shop" cannot be reached' status
must start_postgres
ok "when it is back they run" wait_for 60 service_is retry 'done == 1'
ok "once" [ "$(query "select count(*) from seats where id = 'after'")" = 1 ]
ok "the trace shows the statement" says 0 'call sql shop: insert into seats (id) values ($1): answered, asked' \
    trace "$("$ZINGQ" events --service retry --json | jq -r '[.[] | select(.topic == "retry/gone")][0].id')"
ok "try tells what it would ask" says 0 'would ask database "shop"' try run run/x --payload 'zing.sql("shop", "select $1::int", {4})'
ok "and with --live it asks" says 0 'answered: 1 row' \
    try run run/x --live --payload 'zing.sql("shop", "insert into seats (id) values ($1)", {"tried"})'
once='zing.sql.once("shop", "sell", function() zing.sql("shop", "insert into seats (id) values ($1)", {"tried once"})'
ok "a transaction is committed" ends 0 try run run/x --live --payload "$once end)"
ok "or rolled back when its function fails" ends 1 try run run/x --live --payload "$once error('no') end)"
ok "so both are there once" [ "$(query "select count(*) from seats where id like 'tried%'")" = 2 ]

# ---- TLS ----

must openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -keyout sealed.key -out sealed.pem >"$dir/openssl.log" 2>&1
"$PYTHON" "$SOURCE_DIR/tests/support/pg_seal.py" "$sealed_port" "$pg_port" sealed.pem sealed.key 2>"$dir/seal.log" &
sealer=$!
keep $sealer
must wait_for 10 psql -X -q "$SEALED_URL" -c 'select' >"$dir/seal.out" 2>&1
ok "over TLS a result of any length is read to its end" gives 60 '
for n = 1, 60 do
  local r = zing.sql("sealed", "select repeat($1, $2) as x from generate_series(1, 3)", {"x", n * 1733})
  assert(#r.rows == 3 and #r.rows[3].x == n * 1733)
end
return 60'

# ---- calls that fail in turn: tests/unit/io/pg/test_pg_faults.c ----

faults=$(dirname "$ZINGQ")/tests/test_pg_faults
if [ -x "$faults" ]; then
    ok "whatever fails meanwhile, what is said to be done is done" env \
        ZINGQ_TEST_DATABASE="$DATABASE_URL?application_name=faults" "$faults"
fi

# ---- an address that is silent ----

must kill -STOP "$sealer"
ok "an address that does not answer leaves time for the next one" gives 1 'return zing.sql("spare", "select 1 as one").rows[1].one'
echo "1..$count"
[ "$failed" -eq 0 ]
