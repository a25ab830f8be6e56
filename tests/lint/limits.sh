#!/bin/sh
# limits.sh [--write] - docs/limits.md ends with the table that core/base/limits.h makes; --write mends it.
set -eu
cd "$(dirname "$0")/../.."
doc=docs/limits.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed '/^| limit | value |/,$d' "$doc" >"$work/wanted"
awk -f tests/lint/limits.awk core/base/limits.h >>"$work/wanted"
if [ "${1:-}" = --write ]; then
    cp "$work/wanted" "$doc"
elif ! diff -u "$doc" "$work/wanted" >"$work/diff"; then
    sed -n '4,$p' "$work/diff" | grep '^[-+]'
    echo "$doc:1: not what core/base/limits.h says; mend it with: tests/lint/limits.sh --write"
    exit 1
fi
