#!/bin/sh
# telemetry_sql.sh - a trace goes on to a real PostgreSQL as a comment, which changes nothing of what statements do;
# each statement has its span.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # $ in Lua, SQL and jq
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
# shellcheck source=tests/support/postgres.sh
. "$SOURCE_DIR/tests/support/postgres.sh"

trace=0af7651916cd43dd8448eb211c80319c
root=b7ad6b7169203331

send() { # SAMPLED
    pub -t "ask/$1" -m '{}' -D publish user-property traceparent "00-$trace-$root-$1"
}

tree() {
    "$PYTHON" "$SOURCE_DIR/tests/support/otlp.py" check $trace $root >"$dir/out" 2>"$dir/err"
}

# shellcheck disable=SC2317 # called by wait_for
has_span() { # CONDITION
    [ -n "$(jq "select($1)" spans.jsonl)" ]
}

cd "$dir" || exit 1
make_postgres
must psql -X -q "$(postgres_url shop shop)" -c 'create table effects (id text)'
echo 200 >answer
: >spans.jsonl
"$PYTHON" "$SOURCE_DIR/tests/support/otlp.py" serve >otlp.port 2>otlp.err &
keep $!
must wait_for 10 test -s otlp.port
DATABASE_URL=$(postgres_url shop shop)
export DATABASE_URL
cat >topics.conf <<CONF
http { listen = "" }
telemetry { otlp = "http://127.0.0.1:$(cat otlp.port)" }
database "shop" { url = "env:DATABASE_URL" }
service "s" { subscribe = {"ask/+"}  handler = "s.lua"  retries = 0 }
CONF
mkdir scripts
cat >scripts/s.lua <<'LUA'
return function(event)
  local function ask(statement, params)
    return zing.sql("shop", statement, params).rows[1].q
  end
  zing.publish("plain/" .. event.topic, ask("select current_query() as q"))
  assert(ask("select $1::int + 1 as q", {1}) == 2)
  assert(ask("select 3 as q;") == 3)
  assert(ask("select 4 as q -- the last line") == 4)
  assert(ask("/* first */ select '/*' as q") == "/*")
  local within = zing.sql.once("shop", "pay", function()
    zing.sql("shop", "insert into effects (id) values ($1)", {event.id})
    return ask("select current_query() as q")
  end)
  zing.publish("within/" .. event.topic, within)
  pcall(zing.sql, "shop", "select 1 / $1::int", {0})
end
LUA
start_broker
mosquitto_sub -V 5 -p "$port" -i observer -t 'plain/#' -t 'within/#' -F '%t %p' >heard &
keep $!
wait_for 10 grep -q "as observer " "$dir/broker.log" || exit 1
start_host

send 01
ok "statements work with the comment" wait_for 20 service_is s "done == 1"
ok "a statement carries the trace" wait_for 10 grep -q "plain/ask/01 .*/\*traceparent='00-$trace-[0-9a-f]*-01'\*/$" heard
ok "and so does one of a transaction" wait_for 10 grep -q "within/ask/01 .*/\*traceparent='00-$trace-[0-9a-f]*-01'\*/$" heard
ok "its effect is there once" [ "$(query 'select count(*) from effects')" = 1 ]
ok "a statement is told with its text, without the comment" wait_for 20 has_span \
    '.name == "SELECT" and (.attributes | any(.key == "db.query.text" and .value.stringValue == "select $1::int + 1 as q"))'
ok "one that fails with its SQLSTATE" wait_for 20 has_span \
    '.status.code == 2 and (.attributes | any(.key == "db.response.status_code" and .value.stringValue == "22012"))'
ok "the trace is a tree" tree
send 00
ok "a trace that is not sampled" wait_for 20 service_is s "done == 2"
ok "leaves no comment" wait_for 10 grep -q 'plain/ask/00 .*as q$' heard
ok "the host stops" stop_host
echo "1..$count"
[ "$failed" -eq 0 ]
