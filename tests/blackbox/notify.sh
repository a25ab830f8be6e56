#!/bin/sh
# notify.sh - a service manager, played by a socket that writes down what it hears, is told when the
# host is ready, that it lives, and that it stops.
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# shellcheck disable=SC2317 # called by wait_for
heard() {
    grep -qx "$1" "$dir/heard"
}

# manager NAME: NAME as the test binds it; an abstract name begins with @.
manager() {
    rm -f "$dir/bound"
    : >"$dir/heard"
    "$PYTHON" - "$1" "$dir" <<'END' &
import socket, sys
name, folder = sys.argv[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\0" + name[1:] if name[0] == "@" else name)
open(folder + "/bound", "w").close()
while True:
    with open(folder + "/heard", "a") as out:
        out.write(s.recv(4096).decode() + "\n")
END
    keep $!
    must wait_for 10 test -e "$dir/bound"
    export NOTIFY_SOCKET="$1"
}

mkdir "$dir/scripts"
cd "$dir" || exit 1
cat >topics.conf <<'END'
store { path = "data" }
http { listen = "" }
service "s" { subscribe = {"s"}  handler = "h.lua" }
END
echo 'return function() end' >scripts/h.lua
start_broker

manager "$dir/manager.sock"
export WATCHDOG_USEC=200000
start_host
ok "the manager hears that the host is ready" wait_for 10 heard READY=1
ok "and that it lives" wait_for 10 heard WATCHDOG=1
ok "it ends well" stop_host
ok "and says that it stops" wait_for 10 heard STOPPING=1

manager "@zingq-test-$$"
export WATCHDOG_PID=1 WATCHDOG_USEC=2000
start_host
ok "an abstract name is a socket, too" wait_for 10 heard READY=1
ok "it ends well" stop_host
ok "another process's watchdog is not fed" test "$(grep -c WATCHDOG heard)" = 0

export NOTIFY_SOCKET=nowhere
start_host
ok "a socket that is none is said, and the host runs" \
    wait_for 10 grep -q 'cannot tell the service manager READY=1: Invalid argument' host.log
ok "it ends well" stop_host

echo "1..$count"
[ "$failed" -eq 0 ]
