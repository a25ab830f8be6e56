#!/bin/sh
# clock.sh - the wall clock is set while the program runs, while it is down, and is wrong from the beginning:
# libfaketime stands between the program and CLOCK_REALTIME alone. What counts in which time is docs/time.md;
# tests/engine/test_time.c goes through all of it with a clock of the test's.
#
# ctest: long timeout=180 label=torture
# shellcheck disable=SC2016,SC2317 # what sh -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"
# shellcheck source=tests/support/faketime.sh
. "$SOURCE_DIR/tests/support/faketime.sh"

cd "$dir" || exit 1
# The program, and date, by a clock that the test sets.
for program in "$ZINGQ" "$(command -v date)"; do
    must make_faked "$program" "$dir/offset" "${program##*/}"
done
ZINGQ=$dir/${ZINGQ##*/}

YEAR=31536000
HOUR=3600

# near_the_hour SECONDS: so much ahead, and on to shortly before a full hour.
near_the_hour() {
    set_clock $(($1 + HOUR - ($(date +%s) + $1) % HOUR - 3)) offset
}

ticked() { # TIMES: so often the schedule ran
    [ "$(grep -c '^out/tick ' published)" -eq "$1" ]
}

left() { # TIMES: so many of those put off until an instant
    [ "$(grep -c '^out/at ' published)" -eq "$1" ]
}

exported_as_listed() { # what waits for an instant; to the second: the host's clocks differ by chance
    listed=$("$ZINGQ" delayed --json | jq -r '.[0].due_at[0:19]')
    [ "$("$ZINGQ" export | jq -r 'select(.kind == "delayed") | .due_ms / 1000 | floor | todate | .[0:19]')" = "$listed" ]
}

clock() { # seconds since 1970, as the program sees them
    ./date +%s
}

mkdir scripts
cat >topics.conf <<'END'
http { listen = "" }
sys { interval = "off" }
service "retried" { subscribe = {"retried/+"}  handler = "retried.lua"  delay = "3s"  jitter = 0 }
service "lingers" { subscribe = {"lingers/+"}  handler = "lingers.lua"  batch = 10  linger = "2s" }
service "once"    { subscribe = {"once"}       handler = "once.lua" }
service "put-off" { subscribe = {"put-off"}    handler = "put_off.lua" }
schedule "hourly" { cron = "0 * * * *"  publish = "out/tick"  missed = "skip" }
END
cat >scripts/retried.lua <<'END'
return function(event)
  if event.attempt == 1 then error("not yet") end
  zing.publish("out/retried", event.payload)
end
END
echo 'return function(events) zing.publish("out/lingers", events[1].payload) end' >scripts/lingers.lua
echo 'return function(event) zing.publish("out/once", event.payload) end' >scripts/once.lua
cat >scripts/put_off.lua <<'END'
return function(event) zing.publish("out/at", event.payload, {at = tonumber(event.payload)}) end
END

got() { # LINE: once
    [ "$(grep -c -x -F -e "$1" published)" -eq 1 ]
}

comes() { # LINE
    wait_for 20 got "$1"
}

once() { # PAYLOAD KEY
    pub -t once -m "$1" -D publish user-property idempotency-key "$2"
}

duplicates() {
    [ "$("$ZINGQ" status --json | jq '.services[] | select(.name == "once") | .duplicates')" -eq "$1" ]
}

stepped() { # WORD TIMES: so often at least it was told
    [ "$(grep -c "the wall clock stepped $1" host.log)" -ge "$2" ]
}

# What the schedule waits for lies within the hour.
ticks_within_the_hour() {
    "$ZINGQ" status --json >status.json
    next=$(jq -r '.schedules[0].next_at | sub("\\.[0-9]+"; "") | fromdate' status.json)
    now=$(clock)
    [ "$next" -gt "$((now - 5))" ] && [ "$next" -le "$((now + HOUR))" ]
}

# When the last event of the service was accepted, as it is shown, is within the last minute.
came_just_now() { # SERVICE
    came=$("$ZINGQ" events --service "$1" --json |
        jq -rs 'flatten | map(.received_at) | max | sub("\\.[0-9]+"; "") | fromdate')
    now=$(clock)
    [ "$came" -le "$((now + 1))" ] && [ "$came" -gt "$((now - 60))" ]
}

books_balance() {
    says 0 'holds; every waiting event was found' status
}

# ---- a clock that is right at first -------------------------------------------------------------

set_clock 0 offset
start_broker
mosquitto_sub -V 5 -q 1 -p "$port" -i observer -t 'out/#' -F '%t %p' >>published 2>>observer.err &
keep $!
must wait_for 10 sh -c "grep -q observer '$dir/broker.log'"
start_host

pub -t retried/back -m "set back"
pub -t lingers/back -m "set back"
at=$(($(clock) + 10))
pub -t put-off -m "$at"
must wait_for 10 says 0 ' 1 delayed' status
set_clock -$HOUR offset
ok "an hour back, a retry comes at its time" comes "out/retried set back"
ok "and a batch that lingers" comes "out/lingers set back"
ok "the step is told" stepped back 1
ok "what is to leave at an instant has not left: the clock does not show it" left 0
ok "a list says when it will" says 0 'in 59 m\|in 1 h' delayed
ok "and so does an export" exported_as_listed
once first a
ok "an event runs" comes "out/once first"
ok "and is shown by the clock as it is" came_just_now once
once first a
ok "its key is known" wait_for 10 duplicates 1
set_clock 0 offset
ok "once the clock shows the instant, it leaves" comes "out/at $at"

pub -t retried/ahead -m "set ahead"
pub -t put-off -m "$(($(clock) + 2 * HOUR))"
set_clock $YEAR offset
ok "a year ahead, a retry comes at its time" comes "out/retried set ahead"
ok "what was to leave in two hours has left" wait_for 10 left 2
once again a
ok "an idempotency key is still known" wait_for 10 duplicates 2
once second b
ok "another one is new" comes "out/once second"
near_the_hour $YEAR
ok "the schedule goes by the clock" wait_for 20 ticked 1
ok "and waits for its next hour" ticks_within_the_hour
set_clock 0 offset
ok "no year without ticks is left behind" wait_for 10 ticks_within_the_hour
near_the_hour $HOUR
ok "the schedule runs on" wait_for 20 ticked 2
set_clock 0 offset
ok "every step is told" eval 'wait_for 10 stepped back 3 && stepped ahead 4'
ok "and none leaves anything behind" ticks_within_the_hour
once again a
once again b
ok "and every key is known" wait_for 10 duplicates 4
ok "the books balance" books_balance

# ---- set while the host is down -----------------------------------------------------------------

pub -t retried/down -m "set while down"
must wait_for 10 sh -c 'grep -q "attempt failed service=retried.*not yet" host.log'
at=$(($(clock) - YEAR + 3))
pub -t put-off -m "$(($(clock) + YEAR))"
kill_host
set_clock $((2 * YEAR)) offset
start_host
ok "a retry comes although the clock was set between kill -9 and start" comes "out/retried set while down"
ok "what was to leave in a year leaves" wait_for 10 left 3
once again b
ok "keys are known" wait_for 10 duplicates 5
stop_host
set_clock -$YEAR offset
start_host
once again b
pub -t retried/down -m "set back while down"
ok "also when it was set back" wait_for 10 duplicates 6
ok "retries come" comes "out/retried set back while down"
pub -t put-off -m "$at"
ok "an instant of the clock as it is comes" comes "out/at $at"
ok "the schedule goes by the clock" ticks_within_the_hour
ok "the books balance" books_balance
ok "the host stops well" stop_host

# ---- a clock that begins in 1970 ----------------------------------------------------------------

{ kill "$broker" && wait "$broker"; } 2>/dev/null # the host's session there would get a share
rm -rf data broker.log
: >published
: >host.log
start_broker
must wait_for 10 sh -c "grep -q observer '$dir/broker.log'" # it comes again by itself
true_time=$(date +%s)
set_clock $((5 - true_time)) offset
start_host
pub -t retried/early -m "in 1970"
once early c
pub -t put-off -m "$((true_time - 60))"
ok "in 1970 events run" comes "out/once early"
ok "retries come" comes "out/retried in 1970"
ok "an event is shown as of 1970" came_just_now once
ok "the schedule goes by the clock" ticks_within_the_hour
near_the_hour $((5 - true_time))
ok "and runs" wait_for 20 ticked 1
ok "what is to leave in our time waits" says 0 ' 1 delayed' status
pub -t retried/set -m "when it is set"
must wait_for 10 sh -c "[ \$(grep -c 'attempt failed service=retried.*not yet' host.log) -eq 2 ]"
set_clock 0 offset
ok "when the clock is set, that leaves" comes "out/at $((true_time - 60))"
ok "a retry comes at its time" comes "out/retried when it is set"
once early c
ok "a key of 1970 is known" wait_for 10 duplicates 1
ok "its event is shown as of now" came_just_now once
ok "the schedule goes by the clock" ticks_within_the_hour
stop_host
start_host
once early c
ok "also after a restart" wait_for 10 duplicates 2
ok "the books balance" books_balance
ok "the host stops well" stop_host

echo "1..$count"
exit "$failed"
