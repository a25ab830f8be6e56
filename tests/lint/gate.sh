#!/bin/sh
# gate.sh [--files] NAME [FILE...] - one of the house rules, each in NAME.awk: banned documented length
# marks markup naps order torn. Without files it looks at all that the rule is for. Prints file:line, what is wrong
# and how to mend it; the exit status says whether anything was. --files prints what it would look at.
set -eu
cd "$(dirname "$0")/../.."
list=
[ "$1" != --files ] || {
    list=yes
    shift
}
name=$1
shift

find_files() {
    find "$@" 2>/dev/null | grep -v '^tests/lint/' | sort
}

files_of() {
    case $name in
    banned) find_files core tests -name '*.[ch]' ;;
    documented) find_files core -name '*.h' ;;
    length)
        echo dev
        find_files core scripts tests -name '*.[ch]' -o -name '*.sh' -o -name '*.lua' \
            -o -name '*.py' -o -name '*.js' -o -name '*.mjs' -o -name '*.css' -o -name '*.html'
        ;;
    marks)
        printf '%s\n' dev CMakeLists.txt README.md
        find_files core scripts tests docs docker -type f
        ;;
    markup) find_files core/web/assets -name '*.js' -o -name '*.html' -o -name '*.svg' ;;
    torn) find_files core tests -name '*.[ch]' ;;
    order) find_files core -name '*.[ch]' ;;
    naps) find_files tests/unit tests/engine tests/blackbox -type f ;;
    *)
        echo "gate.sh: there is no gate \"$name\"" >&2
        exit 2
        ;;
    esac
}

# shellcheck disable=SC2046 # no name in this repository has a space
[ $# -gt 0 ] || set -- $(files_of)
[ $# -gt 0 ] || exit 0
[ -z "$list" ] || {
    printf '%s\n' "$@"
    exit
}
exec awk -v order_file=core/ORDER -f "tests/lint/$name.awk" -f tests/lint/code.awk "$@"
