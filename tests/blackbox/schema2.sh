#!/bin/sh
# schema2.sh - a data folder that an older program wrote opens, and everything in it goes on. The folder
# (tests/data/schema-2, see its make.sh) was left by kill -9 with something of every kind in it.
#
# ctest: timeout=120
# shellcheck disable=SC2016,SC2317 # what sh -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cp -R "$SOURCE_DIR/tests/data/schema-2/." "$dir" && cd "$dir" || exit 1
start_broker
mosquitto_sub -V 5 -q 1 -p "$port" -i observer -t 'out/#' -F '%t %p' >published 2>observer.err &
keep $!
must wait_for 10 sh -c "grep -q observer '$dir/broker.log'"

got() { # LINE: once
    [ "$(grep -c -x -F -e "$1" published)" -eq 1 ]
}

comes() { # LINE
    wait_for 20 got "$1"
}

counted() {
    [ "$("$ZINGQ" state get work counted n --json | jq -r '.[0].value')" = "$1" ]
}

dead() { # ID of the dead letter of that service
    "$ZINGQ" dlq list --service "$1" --json | jq -r '.[0].id'
}

"$ZINGQ" status --json >before.json
ok "it is read before a host has opened it" [ "$(jq ".services | length" before.json)" -eq 6 ]
start_host
ok "a publish the broker had not taken leaves" comes "out/outbox left late"
ok "a retry comes" comes "out/work retried later"
ok "a delayed publish comes" comes "out/put-off delayed"
ok "a handler that slept goes on" comes "out/step two"
ok "and a step that was done is not done again" sh -c '! grep -q "step one" published'

pub -t work/counted -m count -D publish user-property idempotency-key b
pub -t work/counted -m count -D publish user-property idempotency-key c
ok "idempotency keys are known, and state goes on" wait_for 10 counted 3
pub -t work/held -m "lock again"
ok "a lock is held" comes "out/lock false first"

"$ZINGQ" signal waits waiting go now >/dev/null
ok "who waited gets a signal" comes "out/went waiting now"
pub -t waits/early -n
ok "a signal that was early is there" comes "out/went early was here first"
"$ZINGQ" signal sagas half money no >/dev/null
ok "a saga is undone" comes "out/seat A1 back"

"$ZINGQ" resume queue >/dev/null
ok "what waited in a paused service comes" comes "out/work line 5"
grep '^out/work line' published >order
ok "in its order" sh -c 'printf "out/work line %s\n" 1 2 3 4 5 | cmp - order'

"$ZINGQ" dlq replay "$(dead work)" >"$dir/out" 2>"$dir/err"
ok "a dead letter is replayed" comes "out/work refused bad"
"$ZINGQ" keys resume park parked >"$dir/out" 2>"$dir/err"
ok "a parked key goes on" comes "out/work parked bad"
ok "with what waited behind" comes "out/work parked behind"
ok "and the books balance" says 0 'holds; every waiting event was found' status
ok "the host stops well" stop_host

echo "1..$count"
exit "$failed"
