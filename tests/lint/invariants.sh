#!/bin/sh
# invariants.sh - docs/invariants.md is true: every number is in a comment of the file that is said to
# check it, beside functions that exist there, and in the test; and no number is used that is not listed.
set -eu
cd "$(dirname "$0")/../.."
doc=docs/invariants.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

complain() { # NUMBER WORDS
    echo "$doc:$(grep -n "$1 " "$doc" | head -n 1 | cut -d: -f1): $1 $2"
    touch "$work/failed"
}

# A line for each word of the columns "checked by" and "test": NUMBER KIND FILE WORD.
awk -F'|' '/^\| INV-/ {
    gsub(/ /, "", $2)
    n = split($5, words, /[ ,]+/)
    for (i = 1; i <= n; i++) {
        if (words[i] ~ /^`/) {
            file = words[i]
            gsub(/`/, "", file)
            print $2, "file", "core/" file, "-"
        } else if (words[i] != "") {
            print $2, "function", "core/" file, words[i]
        }
    }
    test = $6
    gsub(/[ `]/, "", test)
    print $2, "test", "tests/" test, "-"
}' "$doc" >"$work/listed"

while read -r number kind file word; do
    if [ ! -f "$file" ]; then
        complain "$number" "names $file, which is not there"
    elif [ "$kind" = function ]; then
        grep -qw "$word" "$file" || complain "$number" "names $word, which is not in $file"
    elif ! grep -qw "$number" "$file"; then
        complain "$number" "is not in a comment of $file"
    fi
done <"$work/listed"

cut -d' ' -f1 "$work/listed" | sort -u >"$work/numbers"
grep -rhoE 'INV-[A-Z]+-[0-9]+' core tests --include='*.[ch]' | sort -u >"$work/used"
for number in $(comm -13 "$work/numbers" "$work/used"); do
    echo "$doc:1: $number is not listed: $(grep -rlw "$number" core tests | tr '\n' ' ')"
    touch "$work/failed"
done
[ ! -e "$work/failed" ]
