#!/bin/sh
# sys_faults.sh - a system call of the real program fails: it goes on or ends with a reason, in its time and by no signal; the
# store is whole, and a host that starts on it ends every event that was acknowledged, once.
#
# strace lets the n-th call of a kind fail; support/sys_faults.py says which calls there are, and with what errors. Calls of the
# program's own (allocations, LMDB, libraries) fail in build/tests/zingq_faulty: support/fault/fault.h.
#
# ZINGQ_SYS_FAULTS is how many points are tried, ZINGQ_SYS_COMMANDS how many of commands, if not as many; ZINGQ_SYS_SEED repeats
# a run; ZINGQ_SYS_FAULT="fdatasync:EIO:3", or "memory:17", is one alone.
#
# ctest: timeout=900
# ctest: label=torture
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

if ! strace -f --seccomp-bpf -o "$dir/out" -e inject=sync:error=EIO true 2>"$dir/err"; then
    echo "1..0 # SKIP strace cannot trace here: $(cat "$dir/err")"
    exit 0
fi
cd "$dir" || exit 1
mkdir scripts
front=$(free_port)
# The client id stays, so that the broker keeps what a host that failed has not taken.
start_broker
cat >topics.conf <<CONF
broker { url = "mqtt://127.0.0.1:$port" client_id = "faults" }
http { listen = "127.0.0.1:$front" }
sys { interval = "1s" }
limits { stop_timeout = "2s" }
service "jobs" {
    subscribe = {"in/+"} handler = "jobs.lua" key = "json:/n" idempotency = "json:/n" delay = "20ms" retries = 20
}
endpoint "/jobs" { publish = "in/posted" }
CONF
cat >scripts/jobs.lua <<'LUA'
return function(event)
    local n = event.json.n
    zing.step("note", function() return n end)
    zing.append("lines.txt", tostring(n))
    zing.publish("out/" .. n, event.payload)
end
LUA
start_host
stop_host || exit 1
cp -r data first

# A normal run tries the same points each time.
seed=${ZINGQ_SYS_SEED:-${ZINGQ_SYS_FAULTS:+$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}}
"$PYTHON" "$SOURCE_DIR/tests/support/sys_faults.py" "$port" "$front" "${ZINGQ_SYS_FAULTS:-2}" "${seed:-1}"
