#!/bin/sh
# migrate.sh - the store of a host goes into a real PostgreSQL and back: nothing is missing, whenever the
# command is killed, and no two hosts go on with the same store by mistake.
#
# ctest: timeout=120
# shellcheck disable=SC2016,SC2317 # for eval; called by ok
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
# shellcheck source=tests/support/postgres.sh
. "$SOURCE_DIR/tests/support/postgres.sh"

need_postgres
make_shop <<'END'
service "count" { subscribe = {"count/+"}  handler = "count.lua"  key = "topic:2"  idempotency = "json:/id" }
END
cat >scripts/count.lua <<'END'
return function(event)
  zing.state.set("n", (zing.state.get("n") or 0) + 1)
  zing.append("runs.txt", event.json.id)
  zing.publish("late", event.json.id, { after = "24h" })
end
END
url=$LOG_URL
LOG_URL=
with_log() {
    LOG_URL=$url
    echo 'store { url = "env:LOG_URL" }' >>topics.conf
}
without_log() {
    LOG_URL=
    sed -i '/^store/d' topics.conf
}

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

# exported DIR: all that the folder holds, but for who wrote it and when.
exported() {
    "$ZINGQ" export --data "$1" - 2>/dev/null | grep -v '^{"zingq"\|"kind":"end"\|"sum"' | sort
}

same() {
    exported "$1" >"$dir/now" && [ -s "$dir/before" ] && diff "$dir/before" "$dir/now"
}

start_host
send 1 2 3 4 5 6
ok "events are done" wait_for 20 counted 6
ok "a host that runs is not migrated" complains 3 'stop the host first' migrate --to "$url"
must stop_host
exported data >"$dir/before"

# ---- into the database ----

ok "where to must be said" complains 2 'says where' migrate
killed_leaves_all() {
    for after in 0.005 0.01 0.015 0.02 0.03; do
        timeout -s KILL "$after" "$ZINGQ" migrate --to "$url" --name killed >"$dir/killed" 2>&1
        same data || return 1
    done
}
ok "whenever it is killed, the folder has everything" killed_leaves_all
ok "a name that topics.conf could not have is refused" complains 2 'letters, digits' migrate --to "$url" --name 'a b'
ok "so is a variable without a url" complains 2 'has no url' migrate --to env:LOG_URL
ok "the store goes into a log, by a url that nobody sees" eval 'TO=$url; export TO; says 0 "is its copy" migrate --to env:TO'
ok "the folder still has everything" same data
ok "it is no store of its own any more" complains 2 'is the copy of a log' run --broker "mqtt://127.0.0.1:$port"
ok "nor is it brought anywhere twice" complains 3 'the copy of a log already' migrate --to "$url" --name other
must with_log
ok "its file can be compacted" says 0 'data.mdb had' compact
ok "but not changed" complains 3 'which would not have what is changed here' compact --drop-aside
ok "nor divided" complains 2 'is the copy of a log' reshard --count 2 --yes
ok "a backup of it is a store of its own" eval 'says 0 "a store of" backup "$dir/backup" && same "$dir/backup"'
ok "which the log does not take" eval 'complains 2 "not the copy of this log" run --data "$dir/backup" --broker "mqtt://127.0.0.1:$port"'
ok "nor does a log that has a store" complains 3 'store already.*may be this one' migrate --data "$dir/backup" --to "$url"
ok "another log does" eval 'cp -r "$dir/backup" "$dir/copy" && says 0 "is its copy" migrate --data "$dir/copy" --to "$url" --name other'

start_host
send 5 6 7 8 9
ok "the host goes on, and knows what was done" wait_for 20 counted 9
must stop_host
must mv data "$dir/lost"
start_host
ok "also where the folder is gone" wait_for 20 counted 9
send 9 10
wait_for 20 counted 10
must stop_host
exported data >"$dir/before"

# ---- and back ----

query 'select token from zq.store order by name' >"$dir/owners"
ok "a folder that has a store is not written to" complains 3 'holds a store' migrate --to "$dir/backup"
ok "and whoever has the log keeps it" eval '[ -s "$dir/owners" ] && query "select token from zq.store order by name" | diff "$dir/owners" -'
back_killed_leaves_nothing() {
    for after in 0.01 0.02 0.03 0.04; do
        timeout -s KILL "$after" "$ZINGQ" migrate --to "$dir/killed.d" >"$dir/killed" 2>&1
        if [ -e "$dir/killed.d/data.mdb" ]; then
            same "$dir/killed.d" || return 1
            rm -r "$dir/killed.d"
        fi
    done
}
ok "whenever that is killed, there is a whole store or none" back_killed_leaves_nothing
ok "the log goes into a folder" says 0 'start the host without store.url' migrate --to "$dir/back"
ok "which has everything" same "$dir/back"
ok "also the files" eval 'diff data/files/runs.txt "$dir/back/files/runs.txt"'
must without_log
ok "without a url there is no log to take it from" complains 3 'names no database' migrate --to "$dir/none"
must mv data "$dir/copy.of.log"
must mv "$dir/back" data
start_host
send 10 11
ok "and is a host's folder again" wait_for 20 counted 11
must stop_host
echo "1..$count"
[ "$failed" -eq 0 ]
