#!/bin/sh
# cluster_commands.sh - `zingq cluster` works on the tables of a real PostgreSQL, whether hosts run or not; and
# the tables keep their promises, also when hosts do everything at once.
#
# ctest: timeout=240
# shellcheck disable=SC2016,SC2317 # for eval; called by ok
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
# shellcheck source=tests/support/postgres.sh
. "$SOURCE_DIR/tests/support/postgres.sh"

need_postgres
make_shop <<'END'
http { listen = "" }
service "count" { subscribe = {"count/+"}  handler = "count.lua"  key = "topic:2" }
END
cat >scripts/count.lua <<'END'
return function(event) zing.state.set("n", event.json) end
END
cp topics.conf one.conf
echo 'store { url = "env:LOG_URL"  name = "prod-1" }' >>one.conf
echo 'store { url = "env:LOG_URL" }  cluster { name = "prod"  host = "web1" }' >>topics.conf

# A host that does nothing but beat once.
joins() {
    query "INSERT INTO zq.host VALUES ('prod', '$1', gen_random_uuid(), 1, now(), 10000, 'live', false, 'process 7', '')"
}

# shown EXPRESSION: of `cluster status --json`.
shown() {
    "$ZINGQ" cluster status --json | jq -e "$1" >/dev/null
}

# ---- the cluster ----

ok "without a name there is none" complains 2 'names no cluster' cluster status -c one.conf
ok "before init there is none, and nothing is made" eval 'complains 1 "zingq cluster init" cluster status && [ "$(query "select count(*) from pg_namespace where nspname = '\''zq'\''")" = 0 ]'
ok "init refuses a number that no cluster has" complains 2 '2 to 64' cluster init --shards 65
ok "init makes it, and says what comes next" says 0 'zingq run' cluster init --shards 3
ok "and says what it is when it is there" complains 1 'already, with 3 shards' cluster init
ok "status shows shards that nobody has" says 0 'nobody' cluster status

# ---- hosts and shards ----

joins web1
joins web2
query "UPDATE zq.shard SET owner = 'web1'"
ok "status shows who has what, and that no standby is synchronous" eval 'says 0 "no synchronous standby" cluster status && shown ".hosts[0].shards == 3"'
query "UPDATE zq.host SET status = '{\"running\":[1,3],\"starting\":[2]}' WHERE name = 'web1'"
ok "and which shard has not started yet" eval '[ "$("$ZINGQ" cluster status | grep "starting" | cut -c1-12 | tr -s " ")" = " 2 web1 " ]'
ok "a shard that is none is not moved, nor others with it" eval 'complains 2 "1 to 3" cluster move 1 4 --to web2 && shown ".shards[0].pin == null"'
ok "nor to a host that nobody knows" complains 1 'no host "web9"' cluster move 1 --to web9
ok "shards are given to a host" eval 'says 0 web2 cluster move 1 2 --to web2 && shown "[.shards[].pin] == [\"web2\", \"web2\", null]"'
ok "and to any" eval 'says 0 spread cluster move 1 --to any && shown ".shards[0].pin == null"'
ok "a host drains" eval 'says 0 drains cluster drain web1 && shown ".hosts[0].draining"'
ok "a move to it warns" complains 0 'drains' cluster move 3 --to web1
ok "the last one that takes shards drains with a warning" complains 0 'no other host' cluster drain web2
ok "and gets shards again" eval 'says 0 again cluster undrain web2 && shown ".hosts[1].draining | not"'
ok "who lives is not forgotten" complains 3 lives cluster forget web1
ok "nobody is buried by mistake" complains 1 'yes' cluster bury web1
ok "who is buried has nothing" eval 'says 0 dead cluster bury web1 --yes && shown "[.shards[].host] == [null, null, null]"'
ok "and is not buried again" complains 1 'dead already' cluster bury web1 --yes
ok "a dead host is forgotten, and what was to be its own" eval 'says 0 forgotten cluster forget web1 && shown "(.hosts | length) == 1 and .shards[2].pin == null"'

# ---- what is lost ----

ok "nothing is lost, nothing is accepted" complains 1 'lost nothing' cluster accept-loss --yes
query "UPDATE zq.cluster SET lost = 'shard 2 lacks turn 7'"
ok "status says what is lost" says 0 'LOST.*lacks turn 7' cluster status
ok "a loss is not accepted by mistake" complains 1 'yes' cluster accept-loss
ok "it is accepted" eval 'says 0 "start again" cluster accept-loss --yes && shown ".lost == null and .losses == 1"'

# ---- the port of a host ----

ok "a host whose http.listen somebody has does not start, though shards share it" eval 'ZINGQ_HTTP_LISTEN=127.0.0.1:$port complains 3 "http.listen: .* in use by another program" run --data "$dir/host"'

# ---- export ----

query "UPDATE zq.shard SET since = made FROM zq.cluster WHERE number = 2" # as if nobody had had it yet
mv topics.conf cluster.conf # a host alone has the log of shard 1
mv one.conf topics.conf
start_host
must pub -t count/a -m 7
must wait_for 20 service_is count "done == 1"
ok "the shards that have something are exported, and one whose log is lost is no success" eval 'complains 1 "shard 3: a host had it, and there is no log" cluster export "$dir/folders" -c cluster.conf && grep -q "shard 2: has nothing yet" "$dir/out"'
ok "each is a store of its own" eval '[ "$("$ZINGQ" state list count --data "$dir/folders/1" --json | jq -r ".[0].value")" = 7 ]'
ok "an export is not written over" complains 1 'is not empty: name a new folder' cluster export "$dir/folders" -c cluster.conf
query "UPDATE zq.shard SET owner = 'web2' WHERE number = 3"
ok "a shard that a host has and whose log is not there is no success" eval 'mkdir "$dir/again" && complains 1 "shard 3: the host \"web2\" has it, and there is no log" cluster export "$dir/again" -c cluster.conf && [ -s "$dir/again/1/data.mdb" ]'
must pub -t count/b -m 8
ok "and the host goes on" wait_for 20 service_is count "done == 2"
must stop_host

# ---- the tables themselves: tests/unit/cluster/test_cluster.c ----

door=$(dirname "$ZINGQ")/tests/test_cluster
if [ -x "$door" ]; then
    ok "the tables keep their promises" eval 'ZINGQ_TEST_DATABASE=$(postgres_url postgres postgres) "$door" >"$dir/door.log" 2>&1 || { cat "$dir/door.log"; false; }'
fi
echo "1..$count"
[ "$failed" -eq 0 ]
