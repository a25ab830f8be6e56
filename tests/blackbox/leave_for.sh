#!/bin/sh
# leave_for.sh - a data folder is lost, and a new one takes its place: the broker goes on keeping its share
# of the messages for the old host. The new one says so, and `zingq leave --client-id` ends it.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function() end' >scripts/h.lua
start_broker
cat >topics.conf <<END
broker { url = "mqtt://127.0.0.1:$port" }
http { listen = "" }
service "h" { subscribe = {"h"}  handler = "h.lua"  several_hosts = independent }
END

warned() {
    "$ZINGQ" status >"$dir/status" && grep -q 'is gone, but has not left' "$dir/status"
}

# ten N: ten messages are published, and N more than before are done.
ten() {
    before=$("$ZINGQ" status --json | jq '.services[0].done')
    for _ in 1 2 3 4 5 6 7 8 9 10; do pub -t h -m x; done
    wait_for 10 service_is h "done == $before + $1"
}

start_host
old=$("$ZINGQ" status --json | jq -r .host.id)
ok "a host that is up is not left for" complains 3 'says that it is up.*--force' leave --client-id "$old" --yes
ok "and goes on" ten 10
stop_host
mv data lost
start_host
ok "a new host says that the old one has not left" wait_for 20 warned
ok "and how to end it" grep -q "zingq leave --client-id $old" "$dir/status"
ok "without a terminal it wants to be confirmed" complains 1 'add --yes' leave --client-id "$old"
ok "the session is ended" says 0 "has ended the session of $old" leave --client-id "$old" --yes
ok "nothing is missed from now on" ten 10
ok "and the warning goes" eval 'wait_for 10 eval "! warned"'
ok "there is nothing left to end" says 1 "had no session of $old" leave --client-id "$old" --yes
ok "a script sees that, too" says 1 '"existed": *false' leave --client-id "$old" --yes --json
ok "an empty client id is refused" complains 2 'a client id has' leave --client-id '' --yes

# Given: a broker that does not let anybody look for hosts
stop_host
"$PYTHON" "$SOURCE_DIR/tests/support/limited_broker.py" record deny=87:zingq/hosts >limited.port 2>limited.err &
keep $!
must wait_for 10 test -s limited.port
sed -i "s/127.0.0.1:$port/127.0.0.1:$(cat limited.port)/" topics.conf
ok "where nobody can tell whether it is up, it is not left for" complains 3 \
    'unknown whether host .* refuses the subscription.*--force' leave --client-id "$old" --yes
ok "nor is its connection taken over" eval '! grep -q "^connect $old " record'
ok "--force does it all the same" says 1 "had no session of $old" leave --client-id "$old" --yes --force

echo "1..$count"
[ "$failed" -eq 0 ]
