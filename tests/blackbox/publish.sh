#!/bin/sh
# publish.sh - zingq publish: a key makes it once, what is wrong with an option is said; and a change of the
# rules while events wait is warned of.
#
# ctest: timeout=120
# shellcheck disable=SC2016,SC2317 # jq gets $; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function(e) zing.sleep("1h") end' >scripts/h.lua

conf() { # RULE
    cat >topics.conf <<CONF
http { listen = "" }
service "s" { subscribe = {"t/+"}  handler = "h.lua"  idempotency = "$1" }
CONF
}

books_are() { # BOOK COUNT
    "$ZINGQ" status --json | jq -e --arg book "$1" --argjson n "$2" '.services[0][$book] == $n' >/dev/null
}

id_of() { # WORDS...: what the command prints
    "$ZINGQ" "$@" 2>/dev/null
}

conf none
start_broker
start_host

# --- under a key ---

first=$(id_of publish t/a one --idempotency-key k-1)
ok "a publish under a key has an id" test "${#first}" -eq 36
ok "a second one under it makes nothing, and has the same" test "$(id_of publish t/a one --idempotency-key k-1)" = "$first"
ok "another payload under it is a conflict" complains 1 'another request came under the same idempotency key' \
    publish t/a two --idempotency-key k-1
ok "the key is one of its topic" sh -c '[ "$("$ZINGQ" publish t/b one --idempotency-key k-1)" != "$1" ]' - "$first"
ok "two events were accepted" wait_for 20 books_are accepted 2
ok "and none was a duplicate" books_are duplicates 0
ok "a key of no bytes is refused" complains 2 'idempotency-key must be 1 to 255 bytes' publish t/a x --idempotency-key ''
ok "one that would end its line is refused" complains 2 'idempotency-key must be 1 to 255 bytes' \
    publish t/a x --idempotency-key "k
Host: x"

# --- what is wrong ---

ok "a time too far ahead is said to be" complains 2 'after must be at most 3650d, not "100000d"' publish t/a x --after 100000d
ok "one that no number holds, too" complains 2 'after: "99999999999999999999d" is too large for a duration' \
    publish t/a x --after 99999999999999999999d
ok "and what is no duration" complains 2 'after: "soon" is not a duration' publish t/a x --after soon
ok "a property of ours is refused" complains 2 'property "zingq-id"' publish t/a x --property zingq-id=x
api() { # PATH PATTERN
    curl -sS -X POST --unix-socket data/zingq.sock -d x "http://localhost$1" >out
    grep -q "$2" out
}
ok "the API names the parameter" api '/api/publish?topic=t/a&after_ms=9999999999999' \
    'after_ms must be a whole number from 0 to 315360000000, not .*9999999999999'
ok "each by itself" api '/api/publish?topic=t/a&qos=2' 'qos must be 0 or 1, not .*2'

# --- another rule ---

stop_host
conf json:/id
: >host.log
start_host
ok "a rule that changed while events wait is warned of" grep -q \
    'service "s" has other rules than before: key none, idempotency json:/id, and not key none, idempotency none. 2 events wait' host.log
stop_host
: >host.log
start_host
ok "once" sh -c '! grep -q "other rules" host.log'

echo "1..$count"
exit "$failed"
