#!/bin/sh
# members.sh - for shell tests: hosts of a cluster, each with a front door, a data folder $dir/NAME and a log $dir/NAME.log.
# Sourced, behind world.sh and postgres.sh.
# shellcheck disable=SC2016,SC2034,SC2154,SC2317 # for eval; called by ok

# make_doors NAME...: their addresses, $door_NAME.
make_doors() {
    for name; do
        eval "door_$name=127.0.0.1:$(free_port)"
    done
}

# make_members NAME...: a shop whose topics.conf is what is read, with a door for each; its scripts/count.lua is that of the
# events that `send` sends and `counted` counts.
make_members() {
    make_shop
    make_doors "$@"
    cat >scripts/count.lua <<'END'
return function(event)
  zing.state.set("n", (zing.state.get("n") or 0) + 1)
end
END
}

# run_host NAME [FOLDER]: its process is $pid_NAME.
run_host() {
    eval "ZINGQ_HTTP_LISTEN=\$door_$1"
    ZINGQ_HTTP_LISTEN=$ZINGQ_HTTP_LISTEN ZINGQ_CLUSTER_HOST=$1 "$ZINGQ" run --data "$dir/${2:-$1}" \
        --broker "mqtt://127.0.0.1:$port" >>"$dir/$1.log" 2>&1 </dev/null &
    eval "pid_$1=$!"
    keep $!
}

# shards HOST: their numbers.
shards() {
    query "select number from zq.shard where owner = '$1' order by number"
}

# runs HOST N [SUFFIX]: the shard is ready there; SUFFIX is that of its folder.
runs() {
    [ "$("$ZINGQ" status --json --data "$dir/$1/$2${3:-}" | jq .host.ready)" = true ]
}

# have HOST N [SUFFIX]: so many shards run there.
have() {
    [ "$(shards "$1" | grep -c .)" -eq "$2" ] || return 1
    for n in $(shards "$1"); do
        runs "$1" "$n" "${3:-}" || return 1
    done
}

# have_each A B C: so many shards run on each.
have_each() {
    have a "$1" && have b "$2" && have c "$3"
}

# send N...: an event each.
send() {
    for n; do
        pub -t "count/k$((n % 12))" -m "{\"id\":\"$n\"}" || return 1
    done
}

# values SERVICE: all of its state, of all shards.
values() {
    "$ZINGQ" state list "$1" --json --data "$dir/a" 2>/dev/null | jq '[.[].value]'
}

# counted N: so many events have been done, each of them once.
counted() {
    [ "$(values count | jq 'add // 0')" = "$1" ]
}

# ready_is HOST STATUS: 000 if nobody answers.
ready_is() {
    eval "door=\$door_$1"
    [ "$(curl -s -m 8 -o "$dir/ready" -w '%{http_code}' "http://$door/readyz")" = "$2" ]
}

# shard_pid HOST N
shard_pid() {
    cat "$dir/$1/$2/zingq.lock"
}

# pids HOST: of its process and its shards'.
pids() {
    eval "echo \$pid_$1"
    for n in $(shards "$1"); do
        shard_pid "$1" "$n"
        echo
    done
}

has_gone() { # PID...
    for pid; do
        ! kill -0 "$pid" 2>/dev/null || return 1
    done
}

state_is() { # HOST STATE
    [ "$(query "select state from zq.host where name = '$1'")" = "$2" ]
}

# buried: how many hosts have been so far.
buried() {
    cat "$dir"/[abc].log | grep -c 'has shown no life'
}

show_failure() {
    tail -n 12 "$dir"/[abc].log | sed 's/^/# /'
    query 'select * from zq.host' | cut -c1-150 | sed 's/^/# /'
    query 'select * from zq.shard' | sed 's/^/# /'
    values count | jq -c . | sed 's/^/# counted: /'
}
