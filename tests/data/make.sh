#!/bin/sh
# make.sh - makes the data folder of a released stored format, with the program that wrote it:
#
#     ZINGQ=PROGRAM sh tests/data/make.sh SCHEMA
#
# SCHEMA is that program's (core/store/store.h). tests/data/schema-SCHEMA then has the folder as kill -9
# left it, with something of every kind in it, its topics.conf and scripts, and what an export of it
# must say, from the present program ($NOW). Keep them: tests/blackbox/formats.sh opens all of them.
# When a format is released, make the next one in the same way. So far
#
#     schema-2   the last program that wrote this schema alone is that of commit 68fd796; it has a recipe
#                of its own, in schema-2/make.sh
#     schema-3   commit abc46d52, the one before ba563341
#     schema-4   the last program that wrote this schema is that of commit 32cebb4c
#     schema-5   the present one
set -eu
: "${ZINGQ:?the program that writes the schema}" "${NOW:?the present program}"
cd "$(dirname "$0")"
export PATH="$PATH:/usr/sbin"
folder=schema-$1
port=18831
rm -rf "$folder"
cp -R recipe "$folder"
mv "$folder/pair/topics.conf" "$folder/pair.conf" && rmdir "$folder/pair"
cd "$folder"
mosquitto -p "$port" >/dev/null 2>&1 &
broker=$!
host=
trap 'kill -9 $broker $host 2>/dev/null || :' EXIT
sleep 1
# A file that cannot be written: its lines wait.
mkdir -p data/files/blocked.txt

run() { # OPTION...: a host, until it is ready
    "$ZINGQ" run --broker "mqtt://127.0.0.1:$port" "$@" &
    host=$!
    sleep 3
}

pub() { # TOPIC PAYLOAD OPTION...
    topic=$1 payload=$2
    shift 2
    mosquitto_pub -V 5 -q 1 -p "$port" -t "$topic" -m "$payload" "$@"
}

once() { # TOPIC PAYLOAD KEY
    pub "$1" "$2" -D publish user-property idempotency-key "$3"
}

run
"$ZINGQ" pause queue
once work/counted count a
once work/counted count b
once work/counted count b
pub work/values values
pub work/refused bad
pub work/failed fails
pub work/held lock
pub work/letter letter
pub work/written written
pub work/blocked blocked
pub park/parked bad
pub park/parked behind
pub waits/waiting ""
pub sagas/half ""
pub fair/anna/one later
pub fair/bert/two later
"$ZINGQ" signal waits early go "was here first"
for i in 1 2 3 4 5; do
    pub "queue/line/$((i % 2 * 4))" "$i"
    pub batch/x "$i"
done
"$ZINGQ" publish --after 1h out/cancelled "never" >cancelled
"$ZINGQ" cancel "$(grep -o '[0-9a-f]*-[0-9a-f-]*' cancelled | head -n 1)"
rm cancelled
sleep 20 # attempts fail until their event is dead
"$ZINGQ" pause fair
sleep 45 # retries are due: their heads wait for their tenant's turn
for i in 1 2 3; do
    pub "fair/anna/$i" "anna $i"
    pub "fair/bert/$i" "bert $i"
done
pub work/retried later
pub work/delayed "put off"
pub steps/asleep ""
pub steps/retried ""
"$ZINGQ" publish --after 1m --idempotency-key k out/asked "asked for"
sleep 2
kill -9 "$broker"
"$ZINGQ" publish out/outbox "left late"
kill -9 "$host"
mosquitto -p "$port" >/dev/null 2>&1 &
broker=$!
sleep 1
run -c pair.conf
for key in 1 2 3 4 5 6; do
    pub "work/$key" "pair $key"
done
sleep 2
kill -9 "$host" "$broker"
rmdir data/files/blocked.txt
for data in data pair; do
    (cd "$data" && rm -f zingq.sock zingq.lock token processor history) # of a machine, or large
    "$NOW" export --data "$data" "$data.jsonl"
    rm -f "$data/lock.mdb"
done
ls -lR data pair
