#!/bin/sh
# fan_in.sh - an event hands out 2,000 jobs in one step and waits for all their answers: each job is handed
# out once and each answer counts once, although the host is killed while they come in.
#
# ctest: timeout=300
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
service "album" { subscribe = {"album"} handler = "album.lua" key = "json:/id" retries = 0 }
service "photo" { subscribe = {"photo"} handler = "photo.lua" key = "json:/n" }
END
cat >scripts/album.lua <<'END'
return function(event)
  local album = event.json
  zing.step("hand out", function()
    for n = 1, album.sent or album.photos do zing.publish("photo", {album = event.key, n = n}) end
  end)
  local sizes, why = zing.wait_all("resized", album.photos, "10m")
  if not sizes then zing.reject(why) end
  local sum = 0
  for _, size in ipairs(sizes) do sum = sum + size end
  zing.state.set("sum", sum)
end
END
cat >scripts/photo.lua <<'END'
return function(event)
  zing.signal("album", event.json.album, "resized", event.json.n)
end
END
start_host
must ends 0 publish album '{"id":"summer","photos":2000}'
for some in 100 600 1200; do
    ok "$some photos are done, and the host is killed" wait_for 60 service_is photo "done >= $some"
    kill_host
    start_host
done
ok "all photos are done" wait_for 120 service_is photo 'done >= 2000'
ok "the album is, too" wait_for 60 service_is album 'done >= 1'
ok "each answer has counted once" says 0 ' 2001000$' state get album summer sum
ok "no answer is left" eval 'ends 0 keys show album summer && ! grep -q resized out'
ok "the books balance" says 0 'holds; every waiting event was found' status

must ends 0 publish album '{"id":"lost","photos":0}'
ok "none are waited for at once" wait_for 30 service_is album 'done >= 2'
must ends 0 publish album '{"id":"winter","photos":3}'
ok "three are" wait_for 30 service_is album 'done >= 3'

must ends 0 publish album '{"id":"autumn","photos":3,"sent":2}'
ok "what it waits for and how many are missing is seen" eval 'wait_for 30 says 0 "resized: waiting.*1 more to come" trace "$(
    "$ZINGQ" events --service album --key autumn --json | jq -r ".. | .id? // empty" | head -n 1)"'
ok "the host stops" stop_host

echo "1..$count"
[ "$failed" -eq 0 ]
