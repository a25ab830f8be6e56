#!/bin/sh
# power_cuts.sh - the power fails: whatever the disk made of what was not synced, what was acknowledged is there, what
# left was on disk before, the store is whole, and a host goes on from it.
#
# The real program runs under strace, which records each write, each sync, and what leaves for the broker and the HTTP
# clients. support/power_cuts.py rebuilds the data folder as the disk may have had it at each sync: with all, none or some
# of what was not synced yet, torn at 512 bytes or 4 KiB.
#
# ZINGQ_POWER_CUTS is how many; ZINGQ_POWER_SEED repeats a run.
#
# ctest: timeout=300
# ctest: label=torture
# shellcheck disable=SC2317 # ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

if ! strace -o "$dir/out" true 2>"$dir/err"; then
    echo "1..0 # SKIP strace cannot trace here: $(cat "$dir/err")"
    exit 0
fi
cd "$dir" || exit 1
mkdir scripts
front=$(free_port)
cat >topics.conf <<CONF
http { listen = "127.0.0.1:$front" }
sys { interval = "off" }
service "jobs" {
    subscribe = {"in/+"} handler = "jobs.lua" key = "json:/n" idempotency = "json:/n"
    delay = "20ms" max_delay = "50ms" retries = 1
}
endpoint "/jobs" { publish = "in/posted" }
CONF
# Every fifth one fails for good, every third one once.
cat >scripts/jobs.lua <<'LUA'
return function(event)
    local n = event.json.n
    zing.state.incr("runs")
    zing.step("note", function() return n end)
    zing.append("lines.txt", n)
    zing.publish("out/" .. n, event.payload)
    if n % 5 == 0 or (n % 3 == 0 and event.attempt == 1) then error("not now") end
end
LUA
start_broker

# --- what is recorded ---

calls=open,openat,write,pwrite64,writev,lseek,ftruncate,fsync,fdatasync,sendto,sendmsg,read,recvfrom,recvmsg
strace -f -yy -xx -s 4194304 -o trace -e "trace=$calls" \
    "$ZINGQ" run --broker "mqtt://127.0.0.1:$port" >host.log 2>&1 </dev/null &
keep $!
must wait_for 60 host_is_ready
host=$("$ZINGQ" status --json | jq .host.pid)
i=0
while [ "$i" -lt 40 ]; do
    pub -t "in/$i" -m "{\"n\":$i}" &
    curl -s -o /dev/null -H 'Content-Type: application/json' -d "{\"n\":$((1000 + i))}" "http://127.0.0.1:$front/jobs"
    i=$((i + 1))
done
must wait_for 60 service_is jobs 'waiting == 0 and .accepted == 80'
kill "$host"
must wait_for 20 test ! -e data/zingq.sock
host=

# --- what a disk may have made of it ---

"$PYTHON" "$SOURCE_DIR/tests/support/power_cuts.py" trace data "$port" "$front" \
    "${ZINGQ_POWER_CUTS:-50}" ${ZINGQ_POWER_SEED:+"$ZINGQ_POWER_SEED"}
