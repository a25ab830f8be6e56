#!/bin/sh
# world.sh - for shell tests of the program: a folder of the test's own ($dir) with a broker, a host and
# whatever else it keeps, all of which end with the test. Sourced; brings temp_dir.sh, wait.sh,
# mosquitto.sh and tap.sh.
# shellcheck disable=SC2034 # $count and $failed are tap.sh's
# shellcheck source=tests/support/temp_dir.sh
. "$SOURCE_DIR/tests/support/temp_dir.sh"
# shellcheck source=tests/support/wait.sh
. "$SOURCE_DIR/tests/support/wait.sh"
# shellcheck source=tests/support/mosquitto.sh
. "$SOURCE_DIR/tests/support/mosquitto.sh"
# shellcheck source=tests/support/tap.sh
. "$SOURCE_DIR/tests/support/tap.sh"

dir=$(temp_dir world)
kept=
broker=
host=
count=0
failed=0
: >"$dir/out"
: >"$dir/err"

# shellcheck disable=SC2317 # called by the trap
end_world() {
    for pid in $kept $host $broker; do
        kill -9 "$pid" 2>/dev/null
    done
    rm -rf "$dir"
}
trap end_world EXIT
trap 'exit 1' INT TERM

# keep PID: it ends with the test.
keep() {
    kept="$kept $1"
}

# serve FILE: an HTTP server that answers as the Python class Peer on standard input says; FILE gets
# its port.
serve() {
    {
        cat
        cat <<'END'
    def log_message(self, *rest):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
print(server.server_port, flush=True)
server.serve_forever()
END
    } >"$1.py"
    "$PYTHON" "$1.py" >"$1" 2>"$1.err" &
    keep $!
    must wait_for 10 test -s "$1"
}

# start_broker: a Mosquitto that queues without end; $port, the same again the second time. One of our own:
# that of `zingq dev` ends with the host.
start_broker() {
    port=${port:-$(free_port)}
    printf 'listener %s 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n' "$port" >"$dir/broker.conf"
    must run_mosquitto "$dir/broker.log" -c "$dir/broker.conf"
}

# pub OPTION...: mosquitto_pub with QoS 1.
pub() {
    mosquitto_pub -V 5 -q 1 -p "$port" "$@"
}

# shellcheck disable=SC2317 # called by wait_for
host_is_ready() {
    [ "$("$ZINGQ" status --json | jq .host.ready)" = true ] # jq -e is content with nothing at all
}

# start_host: in the folder where the test is, at that broker, until it takes messages.
start_host() {
    "$ZINGQ" run --broker "mqtt://127.0.0.1:$port" >>"$dir/host.log" 2>&1 </dev/null &
    host=$!
    wait_for 20 host_is_ready || {
        cat "$dir/host.log"
        echo "Bail out! the host does not start"
        exit 1
    }
}

# service_is SERVICE CONDITION: of its figures, such as 'done == 3'.
# shellcheck disable=SC2317 # called by wait_for
service_is() {
    ends 0 status --json && jq -e ".services[] | select(.name == \"$1\") | .$2" "$dir/out" >/dev/null
}

kill_host() {
    { kill -9 "$host" && wait "$host"; } 2>/dev/null
    host=
}

# stop_host: as systemd does; fails unless it ends well.
stop_host() {
    kill "$host"
    wait "$host"
    stopped=$?
    host=
    [ "$stopped" -eq 0 ]
}
