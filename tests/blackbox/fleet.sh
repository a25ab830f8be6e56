#!/bin/sh
# fleet.sh - zingq run --hosts N: one process that starts its hosts, keeps them running, and ends with
# them.
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# start_nowhere: a port that takes connections and answers nothing.
start_nowhere() {
    nowhere=$(free_port)
    "$PYTHON" -c 'import signal, socket, sys
s = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=100)
signal.pause()' "$nowhere" &
    keep $!
    export ZINGQ_VARS_NOWHERE="http://127.0.0.1:$nowhere/"
}

mkdir "$dir/scripts"
cd "$dir" || exit 1
cat >topics.conf <<'END'
store { path = "data" }
service "s" { subscribe = {"s"}  handler = "h.lua"  key = "json:/k" }
END
# A call that is never answered: the attempt ends by itself.
cat >scripts/h.lua <<'END'
return function() pcall(zing.http.get, zing.config.nowhere, {timeout = "2s"}) end
END
start_broker
start_nowhere
ZINGQ_HTTP_LISTEN=127.0.0.1:$(free_port)
export ZINGQ_HTTP_LISTEN

# start_fleet N: leaves $fleet.
start_fleet() {
    "$ZINGQ" run --hosts "$1" --broker "mqtt://127.0.0.1:$port" >>fleet.log 2>&1 </dev/null &
    fleet=$!
    keep "$fleet"
}

# shellcheck disable=SC2317 # called by wait_for
all_ready() { # N
    [ "$("$ZINGQ" status --json 2>/dev/null | jq '[.[] | select(.host.ready)] | length')" = "$1" ]
}

host_pid() { # NUMBER
    cat "data/$1/zingq.lock"
}

# forge NUMBER WORD: another process says that where this host speaks to the fleet.
forge() {
    tr '\0' '\n' <"/proc/$(host_pid "$1")/environ" | sed -n 's/^NOTIFY_SOCKET=@//p' | "$PYTHON" -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(sys.argv[1].encode(), "\0" + sys.stdin.read().strip())' "$2"
}

# shellcheck disable=SC2317
has_gone() { # PID
    ! kill -0 "$1" 2>/dev/null
}

# shellcheck disable=SC2317
said() {
    grep -q "$1" fleet.log
}

never_said() {
    ! said "$1"
}

# shellcheck disable=SC2317
other_pid() { # NUMBER PID: another process runs as that host
    [ "$(host_pid "$1")" != "$2" ] && all_ready 3
}

# shellcheck disable=SC2317
calls_under_way() {
    [ "$("$ZINGQ" status --json --data data/1 | jq .host.calls)" -gt 0 ] &&
        [ "$("$ZINGQ" status --json --data data/2 | jq .host.calls)" -gt 0 ]
}

# ended_with STATUS: the fleet.
ended_with() {
    wait "$fleet"
    [ $? -eq "$1" ]
}

"$PYTHON" - "$dir" <<'END' &
import socket, sys
folder = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(folder + "/manager.sock")
while True:
    with open(folder + "/heard", "a") as out:
        out.write(s.recv(4096).decode() + "\n")
END
keep $!
must wait_for 10 test -S manager.sock
export NOTIFY_SOCKET="$dir/manager.sock" WATCHDOG_USEC=3000000
export ZINGQ_BROKER_CLIENT_ID=shop # one for all of them would be one session

start_fleet 3
ok "three hosts run" wait_for 20 all_ready 3
ok "each is one of three" test "$(grep -c 'info  \[[123]\] host: zingq' fleet.log)" = 3
ok "with a session of its own" \
    test "$(grep -o 'client_id=shop-[123] session=new' fleet.log | sort -u | grep -c .)" = 3
ok "the first has the front door" curl -sf -o answer "http://$ZINGQ_HTTP_LISTEN/healthz"
ok "and no other asked for it" test "$(grep -c 'front door on port' fleet.log)" = 1
ok "the manager hears that they are ready" wait_for 10 grep -qx READY=1 heard
ok "once, from the fleet" test "$(grep -cx READY=1 heard)" = 1
ok "and that it lives" wait_for 10 grep -qx WATCHDOG=1 heard
ok "a list is of all of them" says 0 'no dead letters' dlq list
ok "or of one" ends 0 dlq list --data data/2
ok "also by its number" ends 0 dlq list --host 3
first_link() {
    [ "$("$ZINGQ" dashboard | cut -d= -f1)" = "http://$ZINGQ_HTTP_LISTEN/login?token" ]
}
ok "the dashboard is the first one's" first_link
ok "and no other's" complains 1 'no front door' dashboard --host 2
ok "what any host does for all finds one that runs" eval 'ends 0 pause s && ends 0 resume s && ends 0 publish s "{\"k\":\"a\"}" && ends 0 signal s a go'
ok "and so does what is about a key, wherever it is" wait_for 10 eval 'says 0 done trace s a'
ok "what is of one host wants it named" complains 2 'choose one' reload
ok "of those there are" complains 2 'the folders of 3 hosts: choose one' dlq list --host 4

second=$(host_pid 2)
kill -9 "$second"
ok "a host that is killed is started again" wait_for 20 other_pid 2 "$second"
ok "and the log says so" said 'host 2 was killed by signal 9'

third=$(host_pid 3)
kill -STOP "$third"
ok "so is one that does not live" wait_for 30 other_pid 3 "$third"
ok "and the log says so, too" said 'host 3 has not reported'

ok "a second fleet is refused" \
complains 3 "runs on the data folder" run --hosts 3
ok "and so is a single host" complains 2 'run them with --hosts 3' run

first=$(host_pid 1)
kill -9 "$fleet"
ok "hosts do not outlive a fleet that is killed" wait_for 10 has_gone "$first"
start_fleet 3
ok "which can be started again at once" wait_for 20 all_ready 3

kill -TERM "$(host_pid 3)"
ok "a host that is stopped by itself stays away" wait_for 10 said 'host 3 exited by itself'

for k in 1 2 3 4 5 6; do
    must pub -t s -m "{\"k\":$k}"
done
must wait_for 10 calls_under_way
kill "$fleet" "$(host_pid 1)" "$(host_pid 2)" # as a service manager does, which knows them all
ok "a fleet that is stopped ends well" ended_with 0
ok "and lets what is under way end, though the hosts had the signal twice" never_said 'stopping immediately'
ok "with all of its hosts" wait_for 10 has_gone "$(host_pid 1)"
ok "and says that it stops" wait_for 10 grep -qx STOPPING=1 heard
ok "fewer hosts than there are folders are refused" complains 2 'holds 3 hosts' run --hosts 2
export ZINGQ_HOSTS_COUNT=3 ZINGQ_HOSTS_THIS=1
ok "so is a count of another place" complains 2 'hosts.count is 3 already' run --hosts 3
unset ZINGQ_HOSTS_COUNT ZINGQ_HOSTS_THIS

rm -rf data
export ZINGQ_HTTP_LISTEN="127.0.0.1:$port" # where the broker listens
start_fleet 2
ok "a host that cannot start ends all with its status" ended_with 3
ok "and the log says which" said 'host 1 exited with status 3 at its first start: all stop'
rm -rf data
"$ZINGQ" dev --hosts 2 >>fleet.log 2>&1 </dev/null &
fleet=$!
keep "$fleet"
ok "zingq dev has one broker for all, and a free port where its own is taken" wait_for 20 all_ready 2
ok "of which the first tells" said '\[1\] host: front door on port'
first=$(host_pid 1)
must forge 1 STOPPING=1
kill "$fleet"
ok "all are stopped, whatever another process said in their place" wait_for 15 has_gone "$first"
ok "it ends well" ended_with 0

rm -rf data
mkdir data
touch data/data.mdb
ok "a host that is not divided keeps its folder" complains 2 'zingq reshard --count 2' run --hosts 2

echo "1..$count"
[ "$failed" -eq 0 ]
