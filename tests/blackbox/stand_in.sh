#!/bin/sh
# stand_in.sh - a host of a division is away: another one takes what the broker has for it, so that only
# its own keys wait; and it has its session back when it returns.
#
# ctest: long timeout=420
# ctest: label=torture
# shellcheck disable=SC2016,SC2086,SC2154,SC2317 # jq gets $; words are split; launch sets; ok calls
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1

# Each key's jobs, in the order in which they ran, are its state; so are the signals of each gate.
folder() { # NAME NUMBER
    mkdir -p "$1/scripts"
    cat >"$1/scripts/job.lua" <<'LUA'
return function(e)
    zing.state.set("seen", (zing.state.get("seen") or "") .. e.json.id .. " ")
end
LUA
    cat >"$1/scripts/gate.lua" <<'LUA'
return function(e)
    local said = zing.wait("go", e.json.patience) or "nothing"
    zing.state.set("heard", (zing.state.get("heard") or "") .. said .. " ")
end
LUA
    cat >"$1/scripts/news.lua" <<'LUA'
return function(e) zing.state.set("read", (zing.state.get("read") or 0) + 1) end
LUA
    cat >"$1/topics.conf" <<CONF
broker { url = "mqtt://127.0.0.1:$port"  client_id = "zingq-$1" }
http { listen = "unix:$dir/front-$1.sock" }
hosts { count = 2  this = $2 }
service "jobs" { subscribe = {"jobs"}  handler = "job.lua"  key = "json:/key"  idempotency = "json:/id" }
service "news" { subscribe = {"news/+"}  handler = "news.lua"  key = "topic:2"  share = no }
service "views" { subscribe = {"news/+"}  handler = "news.lua"  key = "topic:2"  share = no }
service "gates" { subscribe = {"gates/+"}  handler = "gate.lua"  key = "topic:2" }
CONF
}

launch() { # NAME: that host; $NAME is its process.
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
    true
}

jobs_to() { # FROM TO: pairs of one key, so that each host is dealt half of each key's
    seq "$1" "$2" | awk '{ printf "{\"id\":%d,\"key\":\"k%d\"}\n", $1, int($1 / 2) % 10 }' |
        mosquitto_pub -V 5 -q 1 -p "$port" -t jobs -l
}

# settled NAME COUNT: so many jobs, the signals of 8 gates and b's copies of 5 news for 2 services have run
# there, or wait there for b: the broker has none.
settled() {
    status "$1" "def done(\$name): .services[] | select(.name == \$name).done;
        .host.forwards[0].waiting as \$wait | .engine.waiting == 0 and done(\"jobs\") > $2 / 4 and
        done(\"jobs\") + done(\"gates\") + \$wait == $2 + 8 + 10"
}

at_rest() { # NAME...
    for one in "$@"; do
        status "$one" '.engine.waiting == 0 and .host.forwards[0].waiting == 0 and .host.ready' || return 1
    done
}

value() { # SERVICE KEY NAME [HOST]: of its state, wherever it is
    "$ZINGQ" state get "$1" "$2" "$3" --json --data "${4:-a}/data" 2>>err | jq -r '.. | .value? // empty'
}

have_read() { # COUNT NAME...: each of them has read so much
    news=$1
    shift
    for one in "$@"; do
        [ "$(value news all read "$one")" = "$news" ] && [ "$(value views all read "$one")" = "$news" ] || return 1
    done
}

seen() { # KEY: the ids of its jobs, in their order
    value jobs "$1" seen
}

each_once() { # FROM TO: every job ran once
    for k in 0 1 2 3 4 5 6 7 8 9; do seen "k$k"; done | tr ' ' '\n' | sed '/^$/d' | sort -n >ran
    seq "$1" "$2" >sent
    diff sent ran >out
}

# What one host is dealt stays in its order: Mosquitto deals in turn, so each host has every other job.
in_order() { # FROM TO
    for k in 0 1 2 3 4 5 6 7 8 9; do
        seen "k$k" | tr ' ' '\n' | awk -v key="$k" -v from="$1" -v to="$2" '
            $1 >= from && $1 <= to { if ($1 < last[$1 % 2]) { print "k" key ": " $1 " after " last[$1 % 2]; bad = 1 }
                last[$1 % 2] = $1 }
            END { exit bad }' || return 1
    done >out
}

stands_in() { # NAME NUMBER COUNT
    status "$1" "[.hosts[] | select(.this == $2 and .stood_in_by == $3)] | length == 1"
}

heard() { # WORDS: what each gate has heard
    for g in 0 1 2 3 4 5 6 7; do
        [ "$(value gates "g$g" heard)" = "$1 " ] || return 1
    done
}

# --- a host is killed whose session is ended, at a broker of its own: what comes of that is looked at last ---

start_broker
keep "$broker"
folder c 1
folder d 2
must up c
must up d
end d KILL
mosquitto_sub -V 5 -p "$port" -i zingq-d -t none -W 1 >/dev/null 2>&1 # a clean start ends the session

port=
start_broker
folder a 1
folder b 2
must up a
must up b
for g in 0 1 2 3 4 5 6 7; do
    pub -t "gates/g$g" -m '{"patience":"1h"}'
done
must wait_for 20 sh -c '[ "$(for d in a b; do "$ZINGQ" status --json --data $d/data; done |
    jq -s "[.[].engine.waiting] | add")" = 8 ]'

# --- a host is killed ---

end b KILL
jobs_to 1 200
for g in 0 1 2 3 4 5 6 7; do
    pub -t "zingq/signal/gates/g$g/go" -m '"now"'
done
for n in 1 2 3 4 5; do
    pub -t news/all -m "$n"
done
ok "while a host is away another one stands in for it" wait_for 40 stands_in a 2 1
ok "and takes what the broker has for it: only its own keys wait" wait_for 20 settled a 200
ok "status says so" sh -c '"$ZINGQ" status --data a/data | grep -q "^        b, number 2 of 2.*, gone, host 1 stands in"'
ok "the log, too" grep -q 'standing in for host 2 (b)' a/host.log
ok "and the metrics" sh -c 'curl -sS --unix-socket front-a.sock http://localhost/metrics >metrics
    grep -q "^zingq_standing_in 1" metrics && awk "/^zingq_stood_in_messages_total/ { exit !(\$2 >= 100) }" metrics'
ok "of what every host gets it takes its own copies alone" have_read 5 a
ok "its presence tells whom it stands in for" sh -c 'mosquitto_sub -V 5 -p "$1" -t zingq/hosts/default/a --retained-only -C 1 -W 2 |
    jq -e ".stands_in_for == [2]" >/dev/null' - "$port"

# --- the one that stands in is killed ---

jobs_to 201 400
end a KILL
jobs_to 401 500
must up a
ok "one that was killed while it stood in does so again" wait_for 40 stands_in a 2 1
ok "and goes on with what there is" wait_for 20 settled a 500

# --- the host returns ---

ok "the host that was away has its session back" up b
ok "nobody stands in for it any more" wait_for 10 stands_in a 2 null
ok "what waited goes to it" wait_for 30 at_rest a b
ok "each job has run once" each_once 1 500
ok "in the order of what each host was dealt" in_order 1 500
ok "it has read its copies of what every host gets" wait_for 20 have_read 5 a b
ok "signals for its keys have arrived" wait_for 20 heard now
for g in 0 1 2 3 4 5 6 7; do
    pub -t "gates/g$g" -m '{"patience":"1s"}'
done
ok "once" wait_for 20 heard "now nothing"

# --- it returns in the middle ---

end b KILL
jobs_to 501 600
must wait_for 40 stands_in a 2 1
jobs_to 601 2000
launch b
ok "when it returns in the middle the two settle" wait_for 60 at_rest a b
ok "and each job has run once" each_once 1 2000
jobs_to 2001 2400
ok "they go on side by side" wait_for 60 at_rest a b
ok "and do not take the session from each other" status b '.host.connects <= 2'

# --- it lives, but is taken for dead ---

end a TERM
kill -STOP "$b"
must up a
ok "one that stands still is stood in for" wait_for 60 stands_in a 2 1
jobs_to 2401 2600
kill -CONT "$b"
ok "it is back soon" wait_for 20 stands_in a 2 null
ok "and handles what waited" wait_for 30 at_rest a b
ok "each job has run once" each_once 1 2600
ok "it was cut off once" status b '.host.connects <= 4'

# --- there is nothing to take ---

ok "where the broker has no session of a host that is said" wait_for 40 grep -q 'has no session of it' c/host.log
ok "and nobody is said to stand in for it" stands_in c 2 null
must up d
ok "nor is one left behind" sh -c 'grep "client_id=zingq-d " d/host.log | tail -n 1 | grep -q "session=new"'

# --- the broker refuses it ---

rules() { # LINE: of the broker's, read again; as root it has become another user
    chmod 755 "$dir"
    printf 'listener %s 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n%s\n' "$port" "$1" >broker.conf
    kill -HUP "$broker"
}

end b KILL
rules 'clientid_prefixes zingq-a'
ok "where the broker refuses its client id status says that nobody stands in" wait_for 40 sh -c \
    '"$ZINGQ" status --data a/data | grep -q "^warning nobody stands in for host 2, b: the broker"'
ok "the log, too, once" sh -c '[ "$(grep -c "cannot stand in for host 2 (b): the broker" a/host.log)" -eq 1 ]'
ok "the host goes on" status a .host.ready
rules ''
ok "and the other one is back when it may" up b
ok "then there is nothing to be said" wait_for 10 sh -c \
    '! "$ZINGQ" status --data a/data | grep -q "nobody stands in"'

echo "1..$count"
exit "$failed"
