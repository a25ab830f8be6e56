#!/bin/sh
# hosts.sh - several hosts at one broker: they know each other, a second one that would run the keys of the
# first is refused or holds, and who cannot know says so.
#
# ctest: long timeout=240
# ctest: label=torture
# shellcheck disable=SC2016,SC2086,SC2317 # jq gets $; words are split; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1

# folder NAME HOSTS OPTION...: a host's folder with its topics.conf; HOSTS is what stands in hosts { }, the
# options are those of the service.
folder() {
    mkdir -p "$1/scripts"
    echo 'return function(e) zing.publish("out/x", e.payload) end' >"$1/scripts/svc.lua"
    cat >"$1/topics.conf" <<CONF
broker { url = "mqtt://127.0.0.1:$port"  client_id = "zingq-$1"  username = "env:BROKER_USER"  password = "x" }
http { listen = "" }
sys { interval = "200ms" }
hosts { $2 }
service "seats" { subscribe = {"seats/+"}  handler = "svc.lua"  $3 }
CONF
}

# launch NAME: that host; $NAME is its process.
launch() {
    (cd "$1" && exec "$ZINGQ" run) >>"$1/host.log" 2>&1 </dev/null &
    eval "$1=$!"
    keep $!
}

status() { # NAME FILTER: of its status; what jq prints is "true"
    [ "$("$ZINGQ" status --json --data "$1/data" 2>/dev/null | jq "$2" 2>/dev/null)" = true ]
}

up() { # NAME
    launch "$1" && wait_for 20 status "$1" .host.ready
}

end() { # NAME SIGNAL
    eval "pid=\$$1"
    { kill "-$2" "$pid" && wait "$pid"; } 2>/dev/null
    ended=$?
}

# refused NAME PATTERN: it ends by itself with status 3 and says that.
refused() {
    rm -f "$1/host.log"
    (cd "$1" && timeout 20 "$ZINGQ" run) >"$1/host.log" 2>&1 </dev/null
    ended=$?
    [ "$ended" -eq 3 ] && grep -q -e "^zingq: .*$2" "$1/host.log"
}

sees() { # NAME OTHER STATE
    status "$1" "[.hosts[] | select(.host == \"$2\" and .state == \"$3\")] | length == 1"
}

# presence NAME STATE SINCE SERVICES: what a host of that name would say.
presence() {
    printf '{"host":"%s","id":"id-%s","version":"1","group":"default","count":1,"this":1,"state":"%s","hello":false,"since":%s,"services":%s}' \
        "$1" "$1" "$2" "$3" "$4"
}

forge() { # NAME STATE SINCE
    pub -r -t "zingq/hosts/default/$1" -m "$(presence "$1" "$2" "$3" '{"seats":{"key":"topic:2","order":"key"}}')"
}

kept() { # NAME: what the broker keeps under its name, or nothing
    mosquitto_sub -V 5 -p "$port" -t "zingq/hosts/default/$1" --retained-only -C 1 -W 1 2>/dev/null
}

BROKER_USER=zingq
export BROKER_USER
start_broker

# --- a second host without a division ---

folder a '' 'key = "topic:2"'
folder b '' 'key = "topic:2"'
ok "check says that a second host is refused, and what to do" sh -c \
    'cd a && "$ZINGQ" check | grep -q "A second host is refused .*\"seats\".*hosts { count = 2 "'
ok "the first host runs" up a
ok "it shows itself, retained" wait_for 10 sh -c 'echo "$1" | jq -e ".state == \"up\" and
    .services.seats.key == \"topic:2\" and .count == 1" >/dev/null' - "$(kept a)"
ok "it knows that it sees the others" status a .hosts_known
ok "a second one is refused, and names the first and the service" refused b 'another host, a, .*"seats"'
ok "and three ways out" sh -c 'grep -q "hosts { count = 2 .*several_hosts = independent.*stop one" b/host.log'
ok "the first goes on" status a .host.ready
ok "it saw the other come and go" wait_for 10 sees a b gone
pub -t seats/1 -m one
ok "and works" wait_for 10 status a '.services[0].done == 1'
ok "the broker has no subscription of the second" sh -c '! "$ZINGQ" status --json --data b/data |
    jq -e ".services[0].accepted > 0" >/dev/null'

# --- gone, stale, back ---

end a TERM
ok "a clean stop says gone" sh -c 'echo "$1" | jq -e ".state == \"gone\"" >/dev/null' - "$(kept a)"
ok "then the second may run" up b
ok "and sees that the first is gone" sees b a gone
launch a
end b KILL
ok "a host that is killed is gone, says the broker" wait_for 10 sh -c \
    'mosquitto_sub -V 5 -p "$1" -t zingq/hosts/default/b -C 1 -W 5 | jq -e ".state == \"gone\"" >/dev/null' - "$port"
end a KILL
forge ghost up 5
began=$(date +%s)
ok "a presence that the broker kept of a host that is no more stops nobody" up a
ok "it was waited for" test "$(($(date +%s) - began))" -ge 5
ok "and is listed as silent" sees a ghost silent
ok "the metrics' figures are published: one is up" wait_for 10 sh -c \
    '[ "$(mosquitto_sub -V 5 -p "$1" -t zingq/sys/a/hosts/up -C 1 -W 2)" = 1 ]' - "$port"
pub -r -t zingq/hosts/default/ghost -n
ok "one that left is forgotten" wait_for 10 status a '[.hosts[] | select(.host == "ghost")] == []'

# --- a session of an earlier run ---

# b has a session with a shared subscription, and some of what is published is dealt to it.
for i in 1 2 3 4 5 6 7 8; do
    pub -t seats/2 -m "dealt-$i"
done
ok "a second host with a session is refused, too" refused b 'keeps the messages for this host'
before=$("$ZINGQ" status --json --data a/data | jq '.services[0].done')
for i in 1 2 3 4 5 6 7 8; do
    pub -t seats/3 -m "after-$i"
done
ok "and it is dealt nothing from then on" wait_for 10 status a ".services[0].done == $before + 8"
end a TERM
ok "when the first has stopped the second runs" up b
ok "and handles what was dealt to it" wait_for 10 sh -c \
    '[ "$(($("$ZINGQ" status --json --data a/data | jq ".services[0].done") +
    $("$ZINGQ" status --json --data b/data | jq ".services[0].done")))" -eq 17 ]'

# --- at run time ---

forge elder up 5
ok "a host that finds an older one at run time holds the service" wait_for 10 status b '.hosts[0].held == ["seats"]'
ok "is not ready" status b '.host.ready == false'
ok "says why in status" sh -c '"$ZINGQ" status --data b/data | grep -q "^warning .*\"seats\" takes no events: another host, elder"'
ok "and in the log" grep -q 'error host: service "seats" takes no events: another host, elder' b/host.log
ok "and in its presence" sh -c 'echo "$1" | jq -e ".services.seats.held" >/dev/null' - "$(kept b)"
ok "it has given up its subscription" wait_for 10 status b '.host.subscriptions == 1'
sed -i 's/handler = "svc.lua"/& retries = 7/' b/topics.conf
ok "a reload is taken over" sh -c '"$ZINGQ" reload --data b/data | grep -q "was taken over"'
ok "and does not subscribe it again" status b '.host.subscriptions == 1 and .hosts[0].held == ["seats"]'
done_before=$("$ZINGQ" status --json --data b/data | jq '.services[0].done')
forge elder gone 5
ok "when the other is gone it goes on by itself" wait_for 10 status b .host.ready
for i in 1 2 3 4; do # one of them may be dealt to the session of a
    pub -t seats/4 -m "free-$i"
done
ok "and takes events again" wait_for 10 status b ".services[0].done > $done_before"
ok "subscribed once" sh -c '! grep -q "cannot subscribe" b/host.log'
forge younger up 99999999999999
ok "a younger one is seen" wait_for 10 sees b younger up
ok "and does not stop it" status b '.host.ready and .hosts[0].held == []'
forge b gone 1
ok "what others put under its name it puts right" wait_for 10 sh -c \
    'mosquitto_sub -V 5 -p "$1" -t zingq/hosts/default/b --retained-only -C 1 -W 2 | jq -e ".state == \"up\"" >/dev/null' - "$port"
pub -t zingq/hosts/default/rubbish -m 'no JSON'
pub -t zingq/hosts/default/rubbish -m 'no JSON'
ok "garbage is ignored and told once" wait_for 10 sh -c '[ "$(grep -c "a presence on" b/host.log)" -eq 1 ]'
pub -r -t zingq/hosts/default/younger -n
pub -r -t zingq/hosts/default/elder -n
ok "leaving clears its presence" "$ZINGQ" leave --yes --data b/data
# shellcheck disable=SC2154 # launch sets it
wait "$b"
ok "at the broker" sh -c '[ -z "$1" ]' - "$(kept b)"

# --- who may run side by side ---

rm -rf a b
folder a '' 'key = "topic:2"  several_hosts = independent'
folder b '' 'key = "topic:2"  several_hosts = independent'
ok "where keys are independent the first runs" up a
ok "GET /api/hosts begins with the host itself" sh -c 'curl -sS --unix-socket a/data/zingq.sock http://localhost/api/hosts |
    jq -e ".hosts_known and .hosts[0].host == \"a\" and .hosts[0].self and .hosts[0].services == [\"seats\"]" >/dev/null'
ok "and the second" up b
ok "they see each other" wait_for 10 sees a b up
ok "both ways" wait_for 10 sees b a up
end b KILL
ok "one that is killed is listed as gone" wait_for 10 sees a b gone
ok "it comes back" up b
ok "and is listed as up" wait_for 10 sees a b up
ok "status lists them" sh -c '"$ZINGQ" status --data a/data | grep -q "^hosts   a, up (this host)" &&
    "$ZINGQ" status --data a/data | grep -q "^        b, up"'
folder c '' 'key = "topic:2"'
ok "one with other rules is refused" refused c 'several_hosts = divided here and independent there'
end a TERM
end b TERM

rm -rf a b c
folder a 'count = 2  this = 1' 'key = "topic:2"'
folder b 'count = 2  this = 2' 'key = "topic:2"'
folder c 'count = 2  this = 2' 'key = "topic:2"'
folder d 'count = 3  this = 3' 'key = "topic:2"'
folder e 'count = 2  this = 2  group = "other"' 'key = "topic:2"'
ok "check tells the division" sh -c 'cd a && "$ZINGQ" check --json | jq -r .hosts | grep -q "host 1 of 2"'
ok "of a division the first runs" up a
ok "a host with another count is refused" refused d 'hosts.count is 3 here and 2 there'
ok "one of another group, too" refused e 'group "other"'
ok "the second runs" up b
ok "another second one is refused" refused c 'both are host 2 of 2'
ok "a host of a division must run all of it" sh -c 'cd c && "$ZINGQ" run --service seats >out 2>err; [ $? -eq 2 ] && grep -q "hosts.count is 2" err'
end a TERM
end b TERM

# --- a broker that does not let them know ---

end_broker() {
    { kill -9 "$broker" && wait "$broker"; } 2>/dev/null
}

# rules LINE...: the broker again, with an acl_file and $broker_options.
broker_options=
rules() {
    end_broker
    printf '%s\n' 'user zingq' 'topic readwrite seats/#' 'topic readwrite out/#' 'topic readwrite zingq/signal/#' \
        'topic readwrite zingq/sys/#' 'topic readwrite zingq/doctor/#' "$@" 'user test' 'topic readwrite #' >acl
    printf 'listener %s 127.0.0.1\nuser root\nallow_anonymous true\nacl_file %s/acl\n%s\n' "$port" "$dir" \
        "$broker_options" >broker.conf
    chmod 644 acl
    must run_mosquitto broker.log -c broker.conf
}

rm -rf a b
folder a '' 'key = "topic:2"'
rules
ok "where the topic may not be written the host runs" up a
ok "and says that it cannot know" wait_for 10 sh -c \
    '"$ZINGQ" status --data a/data | grep -q "^warning cannot see other hosts: .* publish zingq/hosts/default/a"'
ok "in JSON, too" status a '.hosts_known == false'
ok "in the log" grep -q 'cannot see other hosts' a/host.log
mosquitto_pub -V 5 -u test -q 1 -p "$port" -t seats/1 -m x
ok "and works" wait_for 10 status a '.services[0].done == 1'
ok "doctor names the line" sh -c 'cd a && "$ZINGQ" doctor >out 2>&1; grep -q "zingq/hosts/#" out'
end a TERM
broker_options='max_queued_messages 0' # then Mosquitto 2.0.11 closes over a publish that it denies
rules
ok "also where the broker closes the connection over it" up a
ok "it finds that out and stops publishing there" wait_for 20 sh -c \
    '"$ZINGQ" status --data a/data | grep -q "^warning .*the broker ends the connection when this host publishes"'
ok "then it stays connected" wait_for 20 status a .host.ready
ok "after two losses" status a '.host.connects <= 4'
sed -i '/^user zingq/a topic readwrite zingq/hosts/#' acl
kill -HUP "$broker" # the rules are read again
ok "but tries again soon: it may have been the network" wait_for 30 status a .hosts_known
end a TERM
broker_options=
rules 'topic write zingq/hosts/#'
ok "where it may not be read the host runs" up a
ok "and says that it cannot know" wait_for 10 sh -c \
    '"$ZINGQ" status --data a/data | grep -q "^warning cannot see other hosts: .* read zingq/hosts"'
ok "doctor names the line" sh -c 'cd a && "$ZINGQ" doctor >out 2>&1; grep -q "topic readwrite zingq/hosts/#" out'
end a TERM
rules 'topic readwrite zingq/hosts/#'
ok "where both are allowed it knows" up a
ok "again" wait_for 10 status a .hosts_known
ok "doctor is content" sh -c 'cd a && "$ZINGQ" doctor >out 2>&1; ! grep -q "readwrite zingq/hosts/#" out'

echo "1..$count"
exit "$failed"
