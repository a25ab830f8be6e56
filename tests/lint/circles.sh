#!/bin/sh
# circles.sh OBJECTS [FOLDER...] - no two files of a folder of core/ need one another, not even by way
# of others. OBJECTS is the folder that the compiler wrote core's object files to: who calls whom is
# read from their symbols, so a prototype in a header of many hides nothing. A function that is
# handed over as a pointer is not a need of who calls it. An object whose source is gone does not
# count (SOURCES: where they are, else core/). Prints each circle with the calls that close it; the
# exit status says whether there was any. With FOLDERs (engine, io/mqtt) it looks at those alone.
set -eu
objects=$(cd "$1" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "${SOURCES:-$here/../../core}" && pwd)

files=$(
    [ $# -gt 0 ] || set -- .
    cd "$objects" && find "$@" -name '*.c.o' | sed 's|^\./||' | sort | while read -r object; do
        [ ! -f "$sources/${object%.o}" ] || echo "$objects/$object"
    done
)
if [ -z "$files" ]; then
    echo "circles.sh: $objects has no object files of $sources: build first" >&2
    exit 2
fi
printf '%s\n' "$files" | tr '\n' '\0' | xargs -0 nm -A -g | awk -v root="$objects/" -f "$here/circles.awk"
