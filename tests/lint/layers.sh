#!/bin/sh
# layers.sh - reads the #include "..." lines of core/ and holds them to layers.txt.
# LAYERS and the files can be given, so that the gate itself can be tried: layers.sh [FILE...]
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- core/*.c core/*.h
exec awk -f tests/lint/layers.awk "${LAYERS:-tests/lint/layers.txt}" "$@"
