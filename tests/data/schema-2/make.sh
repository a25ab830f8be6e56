#!/bin/sh
# make.sh - makes data/ anew, with a zingq of schema 2: ZINGQ=PROGRAM sh make.sh. The last program that
# wrote this schema alone is that of commit 68fd796.
set -eu
: "${ZINGQ:?the program that writes schema 2}"
cd "$(dirname "$0")"
export PATH="$PATH:/usr/sbin"
port=18831
rm -rf data
mosquitto -p "$port" >/dev/null 2>&1 &
broker=$!
trap 'kill $broker 2>/dev/null' EXIT
sleep 1
"$ZINGQ" run --broker "mqtt://127.0.0.1:$port" &
host=$!
sleep 2

pub() { # TOPIC PAYLOAD OPTION...
    topic=$1 payload=$2
    shift 2
    mosquitto_pub -V 5 -q 1 -p "$port" -t "$topic" -m "$payload" "$@"
}
once() { # TOPIC PAYLOAD KEY
    pub "$1" "$2" -D publish user-property idempotency-key "$3"
}

once work/counted count a
once work/counted count b
once work/counted count b
pub work/refused bad
pub work/retried later
pub work/held lock
pub work/delayed "put off"
pub park/parked bad
pub park/parked behind
pub steps/asleep ""
pub waits/waiting ""
pub sagas/half ""
"$ZINGQ" signal waits early go "was here first"
"$ZINGQ" pause queue
for i in 1 2 3 4 5; do
    pub queue/line "$i"
done
sleep 2
kill -9 "$broker"
"$ZINGQ" publish out/outbox "left late"
kill -9 "$host"
rm -f data/zingq.sock
ls -l data
