#!/bin/sh
# circles.sh OBJECTS [FOLDER] - no two files of a folder of core/ need one another, not even by way
# of others. OBJECTS is the folder that the compiler wrote core's object files to: who calls whom is
# read from their symbols, so a prototype in a header of many hides nothing. A function that is
# handed over as a pointer is not a need. Prints each circle with the calls that close it; the exit
# status says whether there was any. With FOLDER (engine, io/mqtt) it looks at that one alone.
set -eu
objects=$1
here=$(dirname "$0")

files=$(find "$objects/${2-}" -name '*.c.o' | sort)
if [ -z "$files" ]; then
    echo "circles.sh: there are no object files below $objects/${2-}" >&2
    exit 2
fi
printf '%s\n' "$files" | tr '\n' '\0' | xargs -0 nm -A -g | awk -v root="$objects/" -f "$here/circles.awk"
