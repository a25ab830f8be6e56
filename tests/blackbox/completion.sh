#!/bin/sh
# completion.sh - what shells complete and the manual page are made from the commands that there are.
#
# ctest: timeout=60
# shellcheck disable=SC2016,SC2317 # what bash -c gets is expanded when it runs; ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/temp_dir.sh
. "$SOURCE_DIR/tests/support/temp_dir.sh"
# shellcheck source=tests/support/tap.sh
. "$SOURCE_DIR/tests/support/tap.sh"
dir=$(temp_dir completion)
trap 'rm -rf "$dir"' EXIT
count=0
failed=0
: >"$dir/out"
: >"$dir/err"

"$ZINGQ" completion bash >"$dir/bash"

# completes WORDS WANTED: what bash offers for the last of the words.
completes() {
    # shellcheck disable=SC2086 # the words are words
    got=$(bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _zingq && echo "${COMPREPLY[*]}"' \
        "$dir/bash" $1 "${3-}")
    echo "$got" >"$dir/out"
    [ "$got" = "$2" ]
}

ok "commands are completed" completes "zingq" "backup" ba
ok "second words, too" completes "zingq dlq" "list" li
ok "options of a command" completes "zingq export" "--salvage" --sal
ok "of one with two words" completes "zingq dlq list" "--service" --ser
ok "and those that all have" completes "zingq top" "--conf" --co
ok "an option's value is a file's name, perhaps" completes "zingq run --conf" "" st
ok "nothing is made up" completes "zingq" "" nosuch
ok "an unknown shell is named" complains 2 'tcsh' completion tcsh

for shell in zsh fish; do
    ends 0 completion $shell
    cp "$dir/out" "$dir/$shell"
    for word in backup groups salvage; do
        ok "$shell: $word" grep -q -e "$word" "$dir/$shell"
    done
done
ok "help texts are quoted" sh -c '! grep -q "host'"'"'s dashboard" "$0/fish"' "$dir"

ends 0 manual
cp "$dir/out" "$dir/manual"
for word in dev backup 'dlq list' completion; do
    ok "the manual has $word" grep -q -x -e ".SS zingq $word" "$dir/manual"
done

echo "1..$count"
exit "$failed"
