#!/bin/sh
# debounce.sh - many changes of a cart lead to one publish, that of the last change, although the host is
# killed between two of them; a row of changes without an end is sent after max_wait.
#
# ctest: timeout=180
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
service "carts" { subscribe = {"cart/+"} handler = "carts.lua" key = "topic:2" }
service "index" { subscribe = {"index/+"} handler = "index.lua" key = "topic:2" }
END
cat >scripts/carts.lua <<'END'
return function(event)
  local wait = event.key == "endless" and {after = "1h", max_wait = "3s"} or {after = "5s"}
  zing.publish("index/" .. event.key, event.payload,
               {after = wait.after, max_wait = wait.max_wait, replace = "cart-" .. event.key})
end
END
cat >scripts/index.lua <<'END'
return function(event)
  zing.state.incr("times")
  zing.state.set("last", event.payload)
end
END
start_host
must ends 0 publish cart/7 one
must ends 0 publish cart/7 two
ok "two changes are handled" wait_for 20 service_is carts 'done == 2'
kill_host
start_host
must ends 0 publish cart/7 three
ok "a third one is, after a kill" wait_for 20 service_is carts 'done == 3'
ok "one publish waits" eval 'ends 0 delayed --json && [ "$(jq -s "flatten | length" out)" -eq 1 ]'
ok "it is handled once" wait_for 30 service_is index 'done == 1'
ok "and was the last" says 0 '"three"$' state get index 7 last
ok "nothing waits any more" says 0 "no delayed publishes" delayed

for n in 1 2 3 4; do must ends 0 publish cart/endless "$n"; done
ok "what would be put off for an hour is sent after max_wait" wait_for 30 service_is index 'done == 2'
ok "it was the last of four" says 0 '"4"$' state get index endless last
ok "the books balance" says 0 'holds; every waiting event was found' status
ok "the host stops" stop_host

echo "1..$count"
[ "$failed" -eq 0 ]
