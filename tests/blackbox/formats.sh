#!/bin/sh
# formats.sh - a data folder of every stored format that was released (tests/data/schema-*, see make.sh
# there) opens: everything in it is there, goes through an export into a new folder, and ends.
#
# ctest: long timeout=300
# shellcheck disable=SC2016,SC2154,SC2317 # eval assigns; what sh -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

newest=$(sed -n 's/.*STORE_SCHEMA = \([0-9]*\).*/\1/p' "$SOURCE_DIR/core/store/store.h")

rows() { # EXPORT: without the first and the last line, in the order of old events and of new ones alike
    sed '1d;$d' "$1" | sort
}

same() { # EXPORT EXPORT
    rows "$1" >one && rows "$2" >other && cmp one other
}

got() { # LINE: once
    [ "$(grep -c -x -F -e "$1" published)" -eq 1 ]
}

comes() { # LINE
    wait_for 30 got "$1"
}

# listen NAME: from now on `published` has what is, at a broker that has no sessions of hosts before.
listen() {
    { [ -z "$broker" ] || { kill -9 "$broker" && wait "$broker"; }; } 2>/dev/null
    start_broker
    mosquitto_sub -V 5 -q 1 -p "$port" -i "$1" -t 'out/#' -F '%t %p' >published 2>observer.err &
    keep $!
    must wait_for 10 grep -q "as $1 " "$dir/broker.log"
}

letter() { # TEXT: the id of the dead letter of "work" with that reason
    "$ZINGQ" dlq list --service work --json | jq -r ".[] | select(.reason | contains(\"$1\")) | .id"
}

counted() {
    [ "$("$ZINGQ" state get work counted n --json | jq -r '.[0].value')" = "$1" ]
}

# What make.sh put in ends as it should: each line that is awaited was published once.
everything_ends() { # FORMAT
    ok "$1: a publish the broker had not taken leaves" comes "out/outbox left late"
    ok "$1: one that was asked for with a delay, too" comes "out/asked asked for"
    ok "$1: a retry comes" comes "out/work retried later"
    ok "$1: a delayed publish comes" comes "out/put-off delayed"
    ok "$1: a handler that slept goes on" comes "out/step asleep two"
    ok "$1: so does one whose attempt failed behind a step" comes "out/step retried two"
    ok "$1: and no step that was done is done again" sh -c '! grep -q " one" published'
    pub -t work/counted -m count -D publish user-property idempotency-key b
    pub -t work/counted -m count -D publish user-property idempotency-key c
    ok "$1: idempotency keys are known, and state goes on" wait_for 10 counted 3
    ok "$1: so is that of a publish" ends 0 publish --after 1m --idempotency-key k out/asked "asked for"
    pub -t work/held -m lock
    ok "$1: a lock is held" comes "out/lock false true"
    "$ZINGQ" signal waits waiting go now >/dev/null
    ok "$1: who waited gets a signal" comes "out/went waiting now"
    pub -t waits/early -n
    ok "$1: a signal that was early is there" comes "out/went early was here first"
    "$ZINGQ" signal sagas half money no >/dev/null
    ok "$1: a saga is undone" comes "out/seat A1 back"
    "$ZINGQ" resume queue >/dev/null
    ok "$1: what waited in a paused service comes" comes "out/work line 5"
    ok "$1: in its order" sh -c 'grep "^out/work line [0-9]" published | sed "s/.* //" | tr -d "\n" | grep -qx "12345"'
    "$ZINGQ" resume fair >/dev/null
    ok "$1: tenants have their turns" comes "out/work 3 bert 3"
    ok "$1: a retry of theirs, too" comes "out/work one later"
    "$ZINGQ" dlq replay "$(letter bad)" >/dev/null
    ok "$1: a dead letter is replayed" comes "out/work refused bad"
    "$ZINGQ" dlq replay "$(letter 'attempt 4')" >/dev/null
    ok "$1: one with a history, too" comes "out/work failed fails"
    "$ZINGQ" keys resume park parked >"$dir/out" 2>"$dir/err"
    ok "$1: a parked key goes on" comes "out/work parked bad"
    ok "$1: with what waited behind" comes "out/work parked behind"
    ok "$1: a line that waited for its file is there" wait_for 10 grep -qx "a line that waits" data/files/blocked.txt
    ok "$1: one that was written stands there once" test "$(cat data/files/written.txt)" = "one line"
    ok "$1: who changed something is told" says 0 queue/pause audit
    ok "$1: and the books balance" says 0 'holds; every waiting event was found' status
}

# The messages for another host reach it, once it is there.
pair_ends() { # FORMAT
    sed 's/this = 1/this = 2/; s/first/second/; s/path = "pair"/path = "second"/' pair.conf >second.conf
    for conf in pair second; do
        "$ZINGQ" run -c "$conf.conf" --broker "mqtt://127.0.0.1:$port" >"$conf.log" 2>&1 </dev/null &
        keep $!
        eval "$conf=$!"
    done
    ok "$1: messages for another host reach it" wait_for 30 sh -c \
        "[ \"\$('$ZINGQ' export --data second 2>/dev/null | grep -c '\"kind\":\"event\".*\"done\"')\" -eq $2 ]"
    ok "$1: and none waits any more" wait_for 10 sh -c \
        "! '$ZINGQ' export --data pair 2>/dev/null | grep -q '\"kind\":\"forward\"'"
    kill "$pair" "$second"
    wait "$pair" "$second"
}

for folder in "$SOURCE_DIR"/tests/data/schema-*; do
    format=${folder##*/}
    cd "$dir" && mkdir "$format" && cp -R "$folder/." "$format" && cd "$format" || exit 1
    for data in data pair; do
        [ -d "$data" ] || continue
        must ends 0 export --data "$data" old.jsonl
        ok "$format: all that $data holds is listed" same old.jsonl "$folder/$data.jsonl"
        ok "$format: $data goes into a new folder" complains 0 'same client to the broker' import --data "$data.new" old.jsonl
        must ends 0 export --data "$data.new" new.jsonl
        ok "$format: and is the same there" same old.jsonl new.jsonl
        ok "$format: which has no fault" says 0 ' 0 findings' doctor --store --data "$data.new"
        # The newest format ends in the folder it was imported into, older ones where they are.
        grep -q "\"schema\":$newest," old.jsonl && rm -rf "$data" && mv "$data.new" "$data"
        rm -f old.jsonl new.jsonl
    done
    [ -f pair.conf ] || continue # schema2.sh does the rest
    listen "$format"
    start_host
    everything_ends "$format"
    ok "$format: the host stops well" stop_host
    pair_ends "$format" "$(grep -c '"kind":"forward"' "$folder/pair.jsonl")"
done

# The newest one as a program that comes later leaves it.
cd "$dir" && cp -R "$SOURCE_DIR/tests/data/schema-$newest/data" newer || exit 1
"$PYTHON" - newer/data.mdb "$newest" <<'END'
import sys
name, schema = sys.argv[1], int(sys.argv[2])
pages = open(name, "rb").read()
key = lambda number: b"schema" + number.to_bytes(4, "little")
assert key(schema) in pages
open(name, "wb").write(pages.replace(key(schema), key(schema + 1)))
END
cp newer/data.mdb before.mdb
printf 'store { path = "newer" }\n' >topics.conf
mkdir -p scripts
said="was written by .*, with store schema $((newest + 1)); this is zingq .*go back with .zingq export. of that one"
for command in status dlq\ list export run compact "export --salvage --into saved" "doctor --store"; do
    # shellcheck disable=SC2086 # words are split
    ok "a store of a newer zingq is refused by $command" complains 3 "$said\|written by a newer zingq" $command
done
ok "check tells it before a start" complains 0 "$said" check
ok "and nothing was made or changed" sh -c 'cmp newer/data.mdb before.mdb && [ ! -e saved/data.mdb ]'
cp -R "$SOURCE_DIR/tests/data/schema-3/data" older
ok "check tells that an older one will be brought up to date" complains 0 'has schema 3, and the first start gives it' check --data older

echo "1..$count"
exit "$failed"
