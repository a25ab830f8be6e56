#!/bin/sh
# store.sh - the store's file: read whole, made smaller, saved from when it is damaged; and who reads it
# never stops the host for good.
#
# ctest: timeout=180
# shellcheck disable=SC1010 # "done" is a state here
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

figure_is() {
    [ "$("$ZINGQ" status --json | jq ".engine.$1")" = "$2" ]
}

# books FIELD: of the only service.
books() {
    "$ZINGQ" status --json | jq ".services[0].$1"
}

books_say() {
    [ "$(books "$1")" = "$2" ]
}

file_bytes() {
    stat -c %s data/data.mdb
}


# fill COUNT PAYLOAD: events of as many keys.
fill() {
    i=0
    while [ "$i" -lt "$1" ]; do
        printf 'in/k%s %s\n' "$i" "$2"
        i=$((i + 1))
    done | while read -r topic payload; do
        pub -t "$topic" -m "$payload" || exit 1
    done
}

mkdir "$dir/scripts"
cd "$dir" || exit 1
cat >topics.conf <<'END_CONF'
store { path = "data" max_size = "16MiB" keep_done = "1s" }
http  { listen = "" }
service "s" { subscribe = {"in/+"} handler = "s.lua" key = "topic:2" retries = 0 dead_topic = "" }
END_CONF
cat >scripts/s.lua <<'END_LUA'
return function(event)
    zing.state.set("last", #event.payload)
    if event.payload:find("^bad") then zing.reject("no") end
end
END_LUA
start_broker
start_host

# --- readers ---
fill 10 "bad$("$PYTHON" -c 'print("y" * 20000)')" # more than a pipe holds
must wait_for 20 books_say dead 10
mkfifo "$dir/pipe"
"$ZINGQ" dlq export >"$dir/pipe" 2>/dev/null &
hung=$!
keep "$hung"
exec 9<"$dir/pipe"
mkfifo "$dir/other"
"$ZINGQ" export >"$dir/other" 2>/dev/null & # of the whole store: from a copy
other=$!
keep "$other"
exec 8<"$dir/other"
"$ZINGQ" dlq export >/dev/null &
kill -9 $! 2>/dev/null
payload=$("$PYTHON" -c 'print("y" * 20000)')
i=0
while [ "$i" -lt 1200 ]; do
    echo "$payload"
    i=$((i + 1))
done | pub -t in/big -l
ok "hung exports and a killed one fill nothing: 24 MB come through 16" wait_for 60 books_say done 1200
ok "and more is taken" figure_is accepts true
exec 8<&- 9<&-
wait "$hung" "$other" 2>/dev/null
must wait_for 20 books_say waiting 0
must stop_host

sed -i "s/keep_done = \"1s\"/keep_done = \"1h\"/" topics.conf
start_host
fill 60 fine
fill 20 bad
must wait_for 20 books_say dead 30

# --- a sound store ---
ok "doctor --store finds nothing wrong beside a running host" says 0 'records read, 0 findings' doctor --store
ok "export writes a line for each event" says 0 '"kind":' export
ok "and for its state" test "$("$ZINGQ" export | jq -s '[.[] | select(.kind == "state")] | length')" = 61
ok "all of them" test "$("$ZINGQ" export | jq -s '[.[] | select(.kind == "event")] | length')" -ge 80
ok "compact is refused beside a host" complains 3 'another host' compact

must stop_host

# --- smaller ---
before=$(file_bytes)
done_before=$(books done)
ok "compact says what the file had and has" says 0 'data.mdb had .*, has ' compact
ok "it is not larger" test "$(file_bytes)" -le "$before"
ok "the books are the same" books_say done "$done_before"
ok "and sound" says 0 ' 0 findings' doctor --store
start_host
pub -t in/new -m fine
ok "a host goes on in the new file" wait_for 10 books_say done $((done_before + 1))
must stop_host

# --- a record that cannot be read ---
events=$("$ZINGQ" events --limit 1000 --json | jq length)
must "$PYTHON" "$SOURCE_DIR/tests/support/spoil.py" data event record
ok "a record that cannot be read is named with its key" says 1 'event .* of service number 0 (key .*cannot be read\|event .* of service "s" (key .*cannot be read' doctor --store
ok "listings pass it over, and say so" complains 0 'cannot be read and is left out: event' events --limit 1000 --json
ok "the others are there" test "$(jq length "$dir/out")" = $((events - 1))
ok "dead letters are listed all the same" ends 0 dlq list
ok "and exported" ends 0 export
done_before=$(books done)
start_host
ok "a host that meets it passes it over" ends 0 replay --service s --from 2h --dry-run
pub -t in/k1 -m fine
ok "a host starts and goes on" wait_for 10 books_say done $((done_before + 1))
must stop_host

# --- damaged ---
must "$PYTHON" "$SOURCE_DIR/tests/support/spoil.py" data state
ok "a store with a damaged page is refused by commands" complains 3 'damaged pages' status
ok "and by the host" complains 3 'damaged pages' run --broker "mqtt://127.0.0.1:$port"
ok "doctor --store names the table" says 1 'table state: page' doctor --store
ok "export --salvage names what is lost" complains 0 'lost: table state: page' export --salvage --into saved
ok "and saves the events" grep -q '"kind": *"event"' "$dir/out"
ok "what it saved is a store, with what was set aside" says 1 'set aside' doctor --store --data saved
ok "which compact lets go" says 0 '1 records that were set aside have been deleted' compact --drop-aside --data saved
ok "and then nothing is wrong with it" says 0 ' 0 findings' doctor --store --data saved
ok "into one that is there it does not write" complains 3 'a store in saved already' export --salvage --into saved
ok "one that is no store at all is told" complains 3 'no store\|cannot open' export --salvage --data "$dir/none"
cp saved/data.mdb "$dir/whole.mdb"
truncate -s 40000 saved/data.mdb
ok "a file cut short is refused" complains 3 'lacks pages' status --data saved
ok "and saved from" ends 0 export --salvage --data saved --into again
cp "$dir/whole.mdb" saved/data.mdb
rm -rf data saved/lock.mdb && mv saved data
start_host
pub -t in/last -m fine
ok "a host starts on what was saved" wait_for 10 books_say done $((done_before + 2))
must stop_host

echo "1..$count"
[ "$failed" -eq 0 ]
