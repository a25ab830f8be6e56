#!/bin/sh
# erase.sh - `zingq erase`: what the host has of a key goes, everywhere, and for good; never by accident,
# and not while one of its events may still do something.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

mkdir "$dir/scripts"
cd "$dir" || exit 1
start_broker
cat >topics.conf <<'END'
http    { listen = "" }
service "visits" { subscribe = {"visit/+"} handler = "visits.lua" key = "topic:2" retries = 0 }
END
cat >scripts/visits.lua <<'END'
return function(event)
  zing.state.set("name", event.payload)
  zing.lock("seat", {owner = event.payload, ttl = 600})
  if event.payload == "wait" then zing.sleep("1h") end
  if event.payload == "bad" then zing.reject("no " .. event.key) end
end
END
start_host
for payload in hello bad; do
    must ends 0 publish visit/ann-of-rouen "$payload"
    must ends 0 publish visit/bob "$payload"
done
must ends 0 signal visits ann-of-rouen paid
ok "all are handled" eval 'wait_for 20 service_is visits "dead == 2" && service_is visits "done == 2"'
ok "an audit record names the key" eval 'ends 1 keys skip visits ann-of-rouen; grep -q ann-of-rouen data/audit.jsonl'

ok "nothing is erased by accident" complains 1 'add --yes' erase visits ann-of-rouen </dev/null
ok "a service that is none is told apart" complains 1 'no such service' erase visit ann-of-rouen --yes
ok "all of the key is erased" says 0 '^erased 2 events, 3 values, locks and signals' erase visits ann-of-rouen --yes
ok "no event of it is found" says 0 'no such events' events --service visits --key ann-of-rouen
ok "no state of it" ends 1 state get visits ann-of-rouen
ok "no letter of it" eval 'ends 0 dlq list --json && ! grep -q ann-of-rouen out'
ok "no waiting signal of it" eval 'ends 0 keys show visits ann-of-rouen && ! grep -q paid out'
ok "no audit record of it, but a hash" eval '! grep -q ann-of-rouen data/audit.jsonl &&
    hash=$(printf ann-of-rouen | sha256sum | cut -d" " -f1) && ends 0 audit --json &&
    [ "$(jq --arg key "sha256:$hash" "map(select(.query.key == \$key)) | length" out)" -eq 3 ]'
ok "another key keeps all" eval 'ends 0 state get visits bob && ends 0 dlq list && grep -q "no bob" out'
ok "an erased letter counts as discarded" eval 'service_is visits "dead == 1" && service_is visits "discarded == 1"'
ok "the books balance" says 0 'holds; every waiting event was found' status

must ends 0 publish visit/eve wait
ok "an event sleeps" wait_for 20 service_is visits "waiting == 1"
ok "while it does nothing of its key is erased" complains 1 'nothing was erased: 1 events of the key have not ended.*sleeping' \
    erase visits eve --yes
ok "nothing was" service_is visits "waiting == 1"
ok "once it is cancelled all goes" eval 'id=$("$ZINGQ" events --service visits --key eve --json | jq -r ".. | .id? // empty" | head -n 1) &&
    ends 0 cancel "$id" && says 0 "^erased 1 events" erase visits eve --yes'
ok "the host stops" stop_host

echo "1..$count"
[ "$failed" -eq 0 ]
