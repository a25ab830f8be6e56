#!/bin/sh
# followers.sh - shards of a cluster are followed: on a real PostgreSQL and a real broker, the host that would get a
# shard next has a copy of it that is kept up to date, and goes on with that copy when its turn comes.
#
# ctest: timeout=120
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
make_members a b <<'END_OF_CONF'
store   { url = "env:LOG_URL" }
cluster { name = "prod"  lease = "3s" }
service "count" { subscribe = {"count/+"}  handler = "count.lua"  key = "topic:2"  idempotency = "json:/id" }
END_OF_CONF

# follower SHARD: who it is, and whether it has all of the log.
follower() {
    "$ZINGQ" cluster status --json | jq -r ".shards[$1 - 1].follower | if . == null then \"none\" else \"\\(.host) \\(.behind_s == 0)\" end"
}

# follow HOST: it follows both shards, and lacks nothing.
follow() {
    [ "$(follower 1)" = "$1 true" ] && [ "$(follower 2)" = "$1 true" ]
}

# a_copy_fails: the follower of shard 1 does not run, and its host goes on.
a_copy_fails() {
    [ "$("$ZINGQ" cluster status --json | jq -c '[.lost, .shards[0].follower.failed, .shards[0].host]')" = "[null,true,\"$1\"]" ]
}

must "$ZINGQ" cluster init --shards 2 >"$dir/out"
run_host a
ok "a host that is alone runs all shards" wait_for 20 have a 2
ok "which nobody follows" eval '[ "$(follower 1)" = none ]'
must "$ZINGQ" cluster move 1 2 --to a >"$dir/out" # they stay when the other one comes
send 1 2 3 4 5 6
run_host b
ok "the host that would have them next follows them" wait_for 20 follow b
ok "and runs none" eval '[ -z "$(shards b)" ]'
ok "a command in its folder says so" complains 3 'no shard of the cluster runs on this host' status --data "$dir/b"
send 7 8 9 10 11 12
ok "it goes on following" eval 'wait_for 10 counted 12 && wait_for 10 follow b'

# ---- a shard moves to a copy ----

# copy_is_old: the follower of shard 1 on b has not looked for too long.
copy_is_old() {
    [ "$("$ZINGQ" cluster status --json | jq '[.hosts[] | select(.host == "b") | .status | fromjson.following[] |
        select(.shard == 1) | .age_ms > 6000][0]')" = true ]
}
follower_pid=$(shard_pid b 1 | sed 's/ .*//')
must kill -STOP "$follower_pid"
must wait_for 15 copy_is_old
must "$ZINGQ" cluster move 1 --to b >"$dir/out"
ok "a shard does not move to a host whose copy is old" wait_for 10 grep -q 'shard 1 is to move to "b", and runs here until that has a copy of it' "$dir/a.log"
send 13
ok "it goes on where it is" eval 'wait_for 10 counted 13 && [ -z "$(shards b)" ]'
must kill -CONT "$follower_pid"
ok "it does once that has all of it" wait_for 20 have b 1
must "$ZINGQ" cluster move 1 --to a >"$dir/out"
ok "and moves back to whoever follows it now" eval 'wait_for 20 have a 2 && wait_for 10 follow b'

# ---- the door of a host whose shards are elsewhere ----

# knock: asks a whether it is alive, again and again; what went wrong is in $dir/cut.
knock() {
    until [ -e "$dir/enough" ]; do
        curl -sf -m 10 -o "$dir/health" "http://$door_a/healthz" || echo "ended with status $?"
    done >"$dir/cut"
}
ok "a host without shards is alive, and not ready" eval 'curl -sf -o "$dir/health" "http://$door_b/healthz" && ready_is b 503'
knock &
knocks=$!
keep "$knocks"
must "$ZINGQ" cluster drain a >"$dir/out"
ok "a host that drains gives its shards to who follows them" wait_for 20 have b 2
ok "and says that it drains" eval 'wait_for 5 ready_is a 503 && grep -q "this host drains" "$dir/ready"'
must "$ZINGQ" cluster undrain a >"$dir/out"
ok "until it gets them back" eval 'wait_for 20 have a 2 && wait_for 10 ready_is a 200'
must touch "$dir/enough"
wait "$knocks"
ok "no client at its door was refused, or cut off, meanwhile" [ ! -s "$dir/cut" ]
must wait_for 10 follow b

# ---- what becomes of a copy ----

kill -9 "$(shard_pid b 1 | sed 's/ .*//')"
send 14 15
ok "a follower that is killed is started again, and goes on where it was" eval 'wait_for 10 counted 15 && wait_for 10 follow b'
ok "without a load" eval '[ "$(grep -c "was not synced" "$dir/b.log")" = 0 ]'

# ---- its turn ----

# What its copy has already is gone: an empty folder could not be filled any more.
must query "delete from zq.log l using zq.store s where l.store = s.id and l.turn < s.turn - 1" >"$dir/out"
kill -9 "$pid_a"
send 16 17 18 19 20 21
ok "who followed runs the shards of a host that is killed" wait_for 20 have b 2
values() { # as members.sh has it, of the host that lives
    "$ZINGQ" state list "$1" --json --data "$dir/b" 2>/dev/null | jq '[.[].value]'
}
ok "with all that they had, and what waited at the broker" wait_for 10 counted 21
ok "and begins carefully, as after a crash" grep -q 'another process had the log' "$dir/b.log"

# ---- a copy that is wrong ----

must mv "$dir/a/1" "$dir/a/first"
must mv "$dir/a/2" "$dir/a/1"
must mv "$dir/a/first" "$dir/a/2"
must "$ZINGQ" cluster move 1 2 --to b >"$dir/out"
run_host a
ok "a follower whose copy is that of another log ends, and nothing else does" wait_for 20 a_copy_fails b
ok "and says why" eval 'grep -q "follower: .*/a/1 has what its log lacks" "$dir/a.log"'
send 22 23 24
ok "the shard goes on" wait_for 10 counted 24

# ---- without followers ----

follows_none() {
    [ "$("$ZINGQ" cluster status --json | jq -r '.hosts[] | select(.host == "a") | .status | fromjson | .following | length')" = 0 ]
}
kill "$pid_a"
wait "$pid_a"
ok "a host ends well, though a follower does not" [ $? -eq 0 ]
must wait_for 10 state_is a gone
ZINGQ_CLUSTER_FOLLOWERS=0 run_host a
must wait_for 20 state_is a live
ok "a host that is to follow none follows none" eval 'wait_for 10 follows_none && [ "$(follower 2)" = none ]'

kill "$pid_a" "$pid_b"
wait "$pid_a"
wait "$pid_b"
ok "a host ends well, with what it follows" [ $? -eq 0 ]

echo "1..$count"
[ "$failed" -eq 0 ]
