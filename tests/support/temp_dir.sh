#!/bin/sh
# temp_dir.sh - where shell tests keep what they write, as temp_dir.h says of the others. Sourced.

temp_place() {
    if [ -n "${ZINGQ_TEST_TMP:-}" ]; then
        echo "$ZINGQ_TEST_TMP"
    elif [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -ge 1048576 ]; then
        echo /dev/shm
    else
        echo /tmp
    fi
}

# temp_dir NAME: makes a folder zingq-NAME-...... there and prints its path.
temp_dir() {
    mktemp -d "$(temp_place)/zingq-$1-XXXXXX"
}
