#!/bin/sh
# chaos.sh - real hosts, broker, gateway, mail server and database on a network that breaks: nothing is lost, doubled, out
# of order or stuck, as a program says that reads what each side wrote down by itself. That program is tested first.
#
# ZINGQ_CHAOS_MINUTES makes it longer, from a fresh seed; ZINGQ_CHAOS_SEED repeats one. tests/chaos/chaos.py does it.
#
# ctest: timeout=300 long
# ctest: label=torture
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
BUILD=$(dirname "$ZINGQ")
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export BUILD PATH

"$PYTHON" "$SOURCE_DIR/tests/chaos/selftest.py" || exit 1

set -- --rate 20 --hosts 2 --short --minutes "${ZINGQ_CHAOS_MINUTES:-0.15}"
if [ -n "${ZINGQ_CHAOS_SEED:-}" ]; then
    set -- "$@" --seed "$ZINGQ_CHAOS_SEED"
elif [ -z "${ZINGQ_CHAOS_MINUTES:-}" ]; then
    set -- "$@" --seed 26 # most kinds of faults are among its first
fi
"$PYTHON" "$SOURCE_DIR/tests/chaos/chaos.py" "$@"
