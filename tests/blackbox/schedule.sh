#!/bin/sh
# schedule.sh - schedules as check, status and the metrics show them; a delayed publish taken back on
# a real host, with kill -9 in between. When a schedule ticks is told in tests/engine, where the
# clock is the test's.
#
# ctest: timeout=120
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# answers STATUS METHOD PATH: the front door's; the body is in out.
answers() {
    got=$(curl -sS -o "$dir/out" -w '%{http_code}' -X "$2" --unix-socket front.sock \
        "http://localhost$3" 2>"$dir/err")
    [ "$got" = "$1" ]
}

# Publishes PAYLOAD for later; the id is in $id.
put_off() {
    ends 0 publish remind "$1" --after "$2"
    id=$(cat "$dir/out")
    [ "${#id}" -eq 36 ]
}

mkdir "$dir/scripts"
cd "$dir" || exit 1
cat >topics.conf <<END
store { path = "data" }
http  { listen = "unix:$dir/front.sock" }
END
cat >>topics.conf <<'END'
service "reminders" {
  subscribe = {"remind"}
  handler   = "remind.lua"
}
schedule "new-year" {
  cron     = "30 6 1 1 *"
  timezone = "Europe/Berlin"
  publish  = "report/run"
  payload  = '{"kind":"yearly"}'
  missed   = skip
}
schedule "tidy" { cron = "@hourly"  publish = "tidy/up" }
END
echo 'return function() end' >scripts/remind.lua

# ---- check --------------------------------------------------------------------------------------

ok "check counts the schedules" says 0 'is good: 1 service, 2 schedules, every script compiles' check
ok "check says when a schedule runs next, by its own clock" says 0 \
    'next runs  *... [0-9]*-01-01 06:30 +01:00, ... [0-9]*-01-01 06:30 +01:00, ...' check
ok "check says by which clock" says 0 'schedule  *30 6 1 1 \*, by the clock of Europe/Berlin' check
ok "check says what is published" says 0 'publishes  *report/run  {"kind":"yearly"}' check
sed 's|"Europe/Berlin"|"UTC+1"|' topics.conf >offset.conf
ok "check refuses an offset for a zone" complains 2 'there is no time zone "UTC+1"' check -c offset.conf
ok "and says what to write" grep -q 'a clock 1 h ahead of UTC is "Etc/GMT-1"' err
ok "check says what becomes of missed ticks" says 0 'ticks missed while the host was down are skipped' \
    check
ok "check as JSON says the same" says 0 '"publishes": *"tidy/up  {}"' check --json
only_unheard() {
    [ "$(grep -c 'to which no service here subscribes' err)" -eq 2 ] && [ "$(wc -l <err)" -eq 2 ]
}
ok "check warns of schedules that nobody here listens to, and of nothing else" only_unheard
sed 's/30 6 1 1/30 25 1 1/' topics.conf >wrong.conf
ok "a wrong hour is named with its line and the mend" complains 2 \
    'wrong.conf:8: schedule "new-year": cron: hour 25 is out of range 0 to 23' check -c wrong.conf
sed 's/Berlin/Berln/' topics.conf >wrong.conf
ok "so is a zone that is not there" complains 2 \
    'wrong.conf:9: schedule "new-year": timezone: there is no time zone "Europe/Berln"' \
    check -c wrong.conf

# ---- with a host --------------------------------------------------------------------------------

ok "without a host cancel cannot run" complains 3 'no host is running on\|no store at' \
    cancel 0192f0c1-2345-7abc-8def-0123456789ab
start_broker
start_host
ok "status tells of each schedule" says 0 \
    'schedule new-year: next [0-9]*-01-01T05:30:00Z, last -, 0 runs' status
ok "status as JSON does, too" says 0 '"next_at": *"[0-9-]*T05:30:00.000Z"' status --json
ok "the metrics count its runs" eval \
    'answers 200 GET /metrics && grep -q "^zingq_schedule_runs_total{schedule=\"tidy\"} 0" out'

ok "a delayed publish prints its id" put_off gone 5s
gone=$id
ok "a second one waits, too" put_off kept 6s
kept=$id
short=$(printf %s "$kept" | tail -c 8) # as lists have it
ok "trace says that it waits" says 0 delayed trace "$kept"
ok "a list tells what waits, and where to" says 0 "remind *$short" delayed
ok "for programs too" says 0 '"due_at"' delayed --json
ok "cancel takes it back" says 0 "$gone is cancelled" cancel "$gone"
ok "and only once" complains 1 'nothing waits under the id' cancel "$gone"
ok "trace knows" says 0 cancelled trace "$gone"
kill_host
start_host
is_done() {
    [ "$("$ZINGQ" events --state "done" --service reminders --json | grep -c '"id"')" -eq 1 ]
}
ok "after kill -9 the other one leaves at its time" wait_for 20 is_done
ok "it is the right one" says 0 "$short" events --service reminders
ok "the cancelled one never comes" says 0 cancelled trace "$gone"
ok "what has left cannot be cancelled" complains 1 'has left' cancel "$kept"
ok "an id that is none is wrong usage" ends 2 cancel 17

ok "an hour's delay can be taken back over HTTP" put_off gone 1h
ok "with an answer" answers 200 POST "/api/cancel/$id"
ok "once" answers 404 POST "/api/cancel/$id"
ok "by POST alone" answers 405 GET "/api/cancel/$id"
ok "by an id alone" answers 400 POST /api/cancel/17
ok "nothing is delayed any more" says 0 ' 0 delayed' status
ok "and nothing is listed" says 0 'no delayed publishes' delayed

echo "1..$count"
[ "$failed" -eq 0 ]
