#!/bin/sh
# failover.sh - one host whose log is in a PostgreSQL with a standby, and the primary is lost in mid-turn: with a synchronous
# standby nothing is lost or done twice, and the host goes on by itself; what an asynchronous one has lost is found out.
#
# ZINGQ_FAILOVERS says how often each is done; the lost server is made anew, as the standby of the other one. Owners of one
# log that take it from each other are tested here, too.
#
# ctest: timeout=300
# ctest: label=rare
# shellcheck disable=SC2016,SC2317 # for eval; called by ok
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
# shellcheck source=tests/support/postgres.sh
. "$SOURCE_DIR/tests/support/postgres.sh"

need_postgres
rounds=${ZINGQ_FAILOVERS:-1}
make_shop <<END
http  { listen = "127.0.0.1:$(free_port)" }
store { url = "env:LOG_URL" }
service "count" { subscribe = {"count"}  handler = "count.lua"  key = "json:/key"  idempotency = "json:/id" }
endpoint "/api/count" { publish = "count" }
END
# The events of a key are numbered: it knows by itself whether one was lost, came twice or too early.
cat >scripts/count.lua <<'END'
return function(event)
  local expected = (zing.state.get("n") or 0) + 1
  if event.json.n ~= expected then
    error("n = " .. event.json.n .. ", not " .. expected)
  end
  zing.state.set("n", expected)
end
END
must make_standby
LOG_URL="postgres://shop:secret@127.0.0.1:$pg_port,127.0.0.1:$standby_port/shop"
front=http://$(sed -n 's/.*listen = "\([^"]*\)".*/\1/p' topics.conf)

# start_load: clients of a round's own, and messages that wait at the broker for whoever takes them.
start_load() {
    "$PYTHON" "$SOURCE_DIR/tests/support/steady.py" "$front" /api/count "client-$round" 4 >"$dir/acked" 2>"$dir/clients.log" &
    clients=$!
    keep "$clients"
    seq 200 | sed "s/.*/{\"id\":\"m-$round-&\",\"key\":\"message-$round\",\"n\":&}/" | pub -t count -l &
}

# stop_load [INT]: the clients go on until all they have posted was answered; with INT they do not.
stop_load() {
    kill "-${1:-TERM}" "$clients" && wait "$clients"
}

done_count() {
    "$ZINGQ" status --json | jq '.services[] | select(.name == "count") | .done'
}

has_done_more_than() {
    [ "$(done_count)" -gt "$1" ]
}

is_under_load() {
    has_done_more_than $((${before:-0} + 40))
}

# states: by key, how far it has come.
states() {
    "$ZINGQ" state list count --limit 10000 --json | jq 'map({(.key): .value}) | add // {}'
}

# all_is_there: what was acknowledged in this round, and nothing else.
all_is_there() {
    states | jq -e --slurpfile acked "$dir/acked" --arg round "$round" \
        'with_entries(select(.key | test("^[a-z]*-\($round)(-|$)"))) == $acked[0] + {"message-\($round)": 200}'
}

# lost_some: something is not there that was acknowledged.
lost_some() {
    states | jq -e --slurpfile acked "$dir/acked" '. as $kept | $acked[0] | to_entries | any(.value > ($kept[.key] // 0))' >/dev/null
}

ready_is() {
    [ "$(curl -s -m 8 -o "$dir/ready" -w '%{http_code}' "$front/readyz")" = "$1" ]
}

has_ended() {
    ! kill -0 "$host" 2>/dev/null
}

doubts() {
    "$ZINGQ" status --json | jq .host.log.doubts
}

acked_count() {
    jq 'add' "$dir/acked"
}

show_failure() {
    sed 's/^/# host: /' "$dir/host.log" | tail -n 20
    sed 's/^/# acked: /' "$dir/acked"
    states | sed 's/^/# states: /'
}

# ---- a synchronous standby ----

synchronous() {
    wait_for_standby yes && wait_for 20 standby_is sync
}

# What a cluster manager does: the standby is promoted, and commits wait for none until there is one again.
fail_over() {
    kill_primary && promote_standby && wait_for_standby no
}

must synchronous
start_host
round=0
start_load
ok "with a synchronous standby events are done" wait_for 20 is_under_load
must stop_server "$standby" immediate
ok "when it is away, the host is not ready" wait_for 30 ready_is 503
must start_server "$standby" "$standby_port"
ok "until it is back" wait_for 30 ready_is 200
must stop_load
ok "and nothing is lost or done twice" wait_for 20 all_is_there

posted=0
in_doubt=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    before=$(done_count)
    doubts=$(doubts)
    start_load
    must wait_for 30 is_under_load
    must fail_over
    ok "failover $round: the host goes on by itself" wait_for 30 eval 'ready_is 200 && has_done_more_than "$(done_count)"'
    must make_standby
    must synchronous
    must stop_load
    ok "failover $round: all that was acknowledged is there, once" wait_for 30 all_is_there
    ok "failover $round: and in the log" wait_for 20 eval '[ "$(query "select turn from zq.store")" = "$("$ZINGQ" status --json | jq .host.log.turn)" ]'
    posted=$((posted + $(acked_count)))
    [ "$(doubts)" -eq "$doubts" ] || in_doubt=$((in_doubt + 1))
done
echo "# $rounds failovers to a synchronous standby, $in_doubt with a turn in doubt: $posted posts and $((rounds * 200)) messages"

# ---- an asynchronous one ----

# Every second time the standby lacks what the host has confirmed; else that is up to the moment.
must wait_for_standby no
lost=0
while [ $round -lt $((2 * rounds)) ]; do
    round=$((round + 1))
    before=$(done_count)
    start_load
    must wait_for 30 is_under_load
    held=$((round % 2 == (rounds + 1) % 2))
    if [ $held -eq 1 ]; then
        must hold_standby
        before=$(done_count)
        must wait_for 30 is_under_load
    fi
    must fail_over
    ok "asynchronous failover $round: the host goes on, or ends" wait_for 30 eval 'has_ended || ready_is 200'
    if has_ended; then
        lost=$((lost + 1))
        wait "$host"
        ok "asynchronous failover $round: it ends with status 4" [ $? -eq 4 ]
        ok "asynchronous failover $round: and says what is lost" grep -q 'its folder has what its log lacks' "$dir/host.log"
        must stop_load INT
        : >"$dir/host.log"
        mv data "$dir/folder-$round"
        start_host
        ok "asynchronous failover $round: with a new folder it goes on with what is left" lost_some
    else
        ok "asynchronous failover $round: it only goes on if nothing was lost" eval '[ $held -eq 0 ]'
        must stop_load
        ok "asynchronous failover $round: all is there" wait_for 30 all_is_there
    fi
    must make_standby
    must wait_for 20 standby_is async
done
echo "# $rounds failovers to an asynchronous standby: $lost lost something, and each was found out"
must stop_host

# ---- the fence: tests/unit/cluster/test_fence.c ----

fence_holds() {
    ZINGQ_TEST_DATABASE=$(postgres_url postgres postgres) "$(dirname "$ZINGQ")/tests/test_fence" >"$dir/fence.log" 2>&1 || {
        cat "$dir/fence.log"
        false
    }
}

if [ -x "$(dirname "$ZINGQ")/tests/test_fence" ]; then
    ok "no turn of an earlier owner comes behind one of a later owner" fence_holds
    grep takeovers "$dir/fence.log" | sed 's/^/# /'
fi
echo "1..$count"
[ "$failed" -eq 0 ]
