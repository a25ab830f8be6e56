#!/bin/sh
# cluster_clock.sh - hosts whose log is in PostgreSQL follow the clock of the database, whatever those of their machines
# show: so what is put off, and what is due on a date, keeps its moment when another machine takes over.
#
# ctest: timeout=120
# shellcheck disable=SC2016,SC2317 # for eval; called by ok
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
# shellcheck source=tests/support/postgres.sh
. "$SOURCE_DIR/tests/support/postgres.sh"
# shellcheck source=tests/support/faketime.sh
. "$SOURCE_DIR/tests/support/faketime.sh"

need_postgres
HOUR=3600
DAY=86400

# A database that is an hour ahead, and whose next minute begins in 15 s.
ahead=$((HOUR + 45 - $(date +%s) % 60))
set_clock $ahead "$dir/database"
mkdir "$dir/bin"
must make_faked "$(command -v pg_ctl)" "$dir/database" "$dir/bin/pg_ctl"
PATH=$dir/bin:$PATH

# A machine that is a day ahead, and has been up for a day more.
elsewhere="unshare -T --boottime $DAY"
[ "$(id -u)" -eq 0 ] || elsewhere="$elsewhere -Ur"
$elsewhere true 2>/dev/null || elsewhere=
set_clock $DAY "$dir/ahead"
must make_faked "$elsewhere $ZINGQ" "$dir/ahead" "$dir/zingq-elsewhere"

make_shop <<END
http  { listen = "127.0.0.1:$(free_port)" }
store { url = "env:LOG_URL" }
sys   { interval = "off" }
service "told"    { subscribe = {"told"}       handler = "told.lua" }
service "put-off" { subscribe = {"put-off/+"}  handler = "put_off.lua" }
schedule "minutely" { cron = "* * * * *"  publish = "out/tick" }
END
cat >scripts/told.lua <<'END'
return function(event) zing.publish("out/told", event.id .. " " .. math.floor(zing.now())) end
END
cat >scripts/put_off.lua <<'END'
local put_off = {}
put_off["put-off/after"] = function() -- also says when it is due
  zing.publish("told", "", {after = "6s"})
  zing.publish("out/due", math.floor(zing.now()) + 6)
end
put_off["put-off/at"] = function() zing.publish("out/at", "", {at = zing.now() + 300}) end
return put_off
END
front=http://$(sed -n 's/.*listen = "\([^"]*\)".*/\1/p' topics.conf)

database_time() {
    query 'select floor(extract(epoch from clock_timestamp()))'
}

# near SECONDS: it is of the database's clock, and not of one an hour apart.
near() {
    apart=$(($(database_time) - $1))
    [ "$apart" -ge -1 ] && [ "$apart" -lt $((HOUR / 2)) ]
}

told() { # TIMES: that handler has run so often
    [ "$(grep -c '^out/told ' published)" -eq "$1" ]
}

last() { # TOPIC: what was published there last
    sed -n "s,^$1 \([^|]*\).*,\1,p" published | tail -n 1
}

# The time in an event's id, which is engine time.
id_ms() {
    echo $((0x$(last out/told | cut -c 1-13 | tr -d -)))
}
id_time() {
    echo $(($(id_ms) / 1000))
}

ticked_at() { # the last tick, in seconds since 1970
    date -u -d "$(sed -n 's/^out\/tick .*zingq-tick:\([^ ]*\).*/\1/p' published | tail -n 1)" +%s
}

figure() {
    curl -s "$front/metrics" | awk '$1 == "zingq_log_clock_ahead_seconds" { print int($2) }'
}

mosquitto_sub -V 5 -q 1 -p "$port" -i observer -t 'out/#' -F '%t %p|%P %U' >>published 2>>observer.err &
keep $!
must wait_for 10 sh -c "grep -q observer '$dir/broker.log'"
start_host

# ---- a machine whose clock is not the database's ----

must pub -t told -m ''
must wait_for 10 told 1
ok "handlers are shown the database's time" near "$(last out/told | cut -d ' ' -f 2)"
ok "events have it in their ids" near "$(id_time)"
ok "a schedule ticks by it" eval 'wait_for 30 grep -q "^out/tick " published && near "$(ticked_at)"'
ok "status tells that the machine's clock is another one" says 0 's behind that of the database' status
ok "and so does a metric" eval '[ "$(figure)" -lt -3500 ] && [ "$(figure)" -gt -3700 ]'
ok "and doctor" says 1 'clock: .*s behind the database' doctor --broker "mqtt://127.0.0.1:$port"

# ---- another machine takes over ----

must pub -t put-off/after -m ''
must wait_for 10 grep -q '^out/due ' published
kill_host
ZINGQ=$dir/zingq-elsewhere
export ZINGQ_STORE_PATH="$dir/shop/second"
start_host
ok "what the first machine put off leaves on the second" wait_for 30 told 2
ok "not before its time" [ "$(last out/told | cut -d ' ' -f 2)" -ge "$(last out/due)" ]
ok "nor a day late" near "$(last out/due)"

# ---- a database that is slow at first ----

# slow: it lets whoever takes the log over wait.
slow() {
    query 'create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(3); return new; end $$' &&
        query 'create trigger slow before update of token on zq.store for each row execute function slow()'
}
# engine_ahead: how many milliseconds the last event's id was ahead of the database's clock when it was there: none,
# as that was later.
engine_ahead() {
    seen=$(sed -n 's/^out\/told .* \([0-9]*\)\.\([0-9][0-9][0-9]\)[0-9]*$/\1\2/p' published | tail -n 1)
    echo $(($(id_ms) - seen - ahead * 1000))
}
must slow >"$dir/out"
must stop_host
start_host
must pub -t told -m ''
must wait_for 10 told 3
ok "engine time is right, though the first answer took long" [ "$(engine_ahead)" -lt 500 ]
must query 'drop function slow cascade' >"$dir/out" 2>&1

# ---- the database's clock is set ----

must pub -t put-off/at -m ''
must wait_for 10 says 0 ' 1 delayed' status
set_clock $((2 * HOUR)) "$dir/database"
ok "what is due on a date follows a step of the database's clock" wait_for 20 grep -q '^out/at ' published
ok "which is told" grep -q "the database's clock stepped ahead" "$dir/host.log"
must pub -t told -m ''
must wait_for 10 told 4
ok "engine time does not step" [ "$(id_time)" -lt $(($(database_time) - HOUR / 2)) ]
must stop_host
echo "1..$count"
[ "$failed" -eq 0 ]
