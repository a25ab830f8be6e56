#!/bin/sh
# backup.sh - a data folder copied while its host works, and used on "another machine": no event is lost or
# doubled, no line of a file is torn or written twice, and no store is ever overwritten.
#
# ctest: timeout=180
# shellcheck disable=SC2016,SC2317 # what sh -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

mkdir "$dir/scripts"
cd "$dir" || exit 1
cat >topics.conf <<'END'
store { path = "data" }
http { listen = "" }
service "s" { subscribe = {"in/+"} handler = "s.lua" key = "topic:2" concurrency = 8 }
END
cat >scripts/s.lua <<'END'
return function(event)
    local n = (zing.state.get("n") or 0) + 1
    zing.state.set("n", n)
    zing.append("lines.txt", event.topic .. " " .. n)
    if event.payload == "later" then zing.sleep("1h") end
end
END

# publish N: events of three keys, numbered so that a line tells whose turn it was.
publish() {
    i=0
    while [ "$i" -lt "$1" ]; do
        echo x
        i=$((i + 1))
    done | mosquitto_pub -V 5 -q 1 -p "$port" -l -t "in/$2"
}

# Every key's lines are 1, 2, 3, ... without a gap or a double.
lines_are_whole() { # FOLDER
    awk 'NF != 2 { exit 1 } { if ($2 != ++n[$1]) exit 1 }' "$1/files/lines.txt"
}

# The lines of a key are as many as its events were, by the state of the same store.
lines_match_state() { # FOLDER
    for key in a b c; do
        ends 0 state get s "$key" n --data "$1" --json || return 1
        [ "$(grep -c "^in/$key " "$1/files/lines.txt")" = "$(jq '.. | .value? // empty' "$dir/out")" ] || return 1
    done
}

rests() {
    service_is s 'waiting == 0'
}

start_broker
start_host

# --- copies of a folder in use ---

publish 400 a &
keep $!
publish 400 b &
keep $!
publish 400 c &
keep $!
must wait_for 20 service_is s 'done > 50'
ok "a copy is made while events run" ends 0 backup "$dir/copy"
ok "what it has is told" grep -q 'copy: a store of .*, [0-9]* other files\? of' "$dir/out"
ok "a second copy into it is refused" ends 3 backup "$dir/copy"
ok "with the reason" grep -q 'copy holds a store, which is never overwritten' "$dir/err"
ok "as a stream the same" sh -c '"$ZINGQ" backup - >stream.tar 2>told && tar -tf stream.tar | grep -q "^./data.mdb$"'
ok "which leaves nothing behind" sh -c '[ -z "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name "zingq-backup-*" -newer topics.conf)" ]'
must wait_for 60 service_is s 'done == 1200'
pub -t in/a -m later
must wait_for 10 service_is s 'live.sleeping == 1'
ok "figures of the copy are JSON, too" ends 0 backup "$dir/last" --json
ok "with what was copied" jq -e '.hosts == 1 and .store_bytes > 0 and .files >= 1' "$dir/out"

# --- where they are used ---

kill_host
ok "a store that is there is not overwritten" ends 3 restore "$dir/copy"
mv data lost

ok "from nothing nothing is made" ends 3 restore "$dir/nowhere"
ok "not even a folder" test ! -e data

ok "a stream is a data folder again" sh -c '"$ZINGQ" restore - <stream.tar >"$0/out" 2>"$0/err"' "$dir"
ok "with a word of caution" grep -q 'only if that one does not run any more' "$dir/err"
start_host
ok "its events go on where they were" wait_for 20 rests
ok "without a torn or doubled line" lines_are_whole data
ok "and with those that the store knows of" lines_match_state data
ok "the books hold" sh -c '"$ZINGQ" status | grep -q "^accepted.*: holds"'
kill_host
rm -rf data

ok "the last copy, too" ends 0 restore "$dir/last"
start_host
ok "has all that was done" service_is s 'done == 1200'
ok "and what sleeps" service_is s 'live.sleeping == 1'
ok "its lines are whole" lines_are_whole data
ok "and all there" test "$(wc -l <data/files/lines.txt)" -ge 1200
ok "the copy passes every check" ends 0 doctor --store --data "$dir/copy"
ok "only its owner may read it" sh -c '[ -z "$(find copy -perm /077 ! -name lock.mdb ! -path copy)" ]'

# --- what is interrupted ---

kill_host
rm -rf data
mkdir -p data/compacting data/files
echo rest >data/compacting/data.mdb
echo torn >data/files/lines.txt
ok "what an interrupted try left is overwritten" ends 0 restore "$dir/last"
start_host
ok "by the complete copy" lines_are_whole data
ok "without leftovers" test ! -e data/compacting
ok "a running host's folder is never a target" ends 3 restore "$dir/copy"
ok "a full disk is an error, and no store" sh -c '
    ulimit -f 8; "$ZINGQ" backup "$0/small" >"$0/out" 2>"$0/err"; [ $? -ne 0 ] && [ ! -e "$0/small/data.mdb" ]' "$dir"
kill_host

# --- several hosts ---

mkdir hosts
"$ZINGQ" run --hosts 2 --data hosts --broker "mqtt://127.0.0.1:$port" >hosts.log 2>&1 </dev/null &
host=$!
both_ready() {
    "$ZINGQ" status --data hosts/1 --json 2>/dev/null | jq -e '.host.ready' >/dev/null &&
        "$ZINGQ" status --data hosts/2 --json 2>/dev/null | jq -e '.host.ready' >/dev/null
}
must wait_for 30 both_ready
publish 5 a
ok "of hosts that share a folder all are copied" wait_for 10 ends 0 backup "$dir/both" --data hosts
ok "with their secret" cmp -s hosts/secret both/secret
ok "and can be restored" ends 0 restore "$dir/both" --data again
ok "each" sh -c '[ -s again/1/data.mdb ] && [ -s again/2/data.mdb ] && cmp -s hosts/secret again/secret'
{ kill "$host" && wait "$host"; } 2>/dev/null
host=

echo "1..$count"
exit "$failed"
