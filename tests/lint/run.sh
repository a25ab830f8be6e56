#!/bin/sh
# run.sh BUILD - all of ./dev lint: format, shell scripts, the house rules, two static analysers.
# run.sh --fast - of ./dev lint --fast: the first three, for the files that differ from the last commit.
# Everything is run before the verdict, so that one round shows all there is to mend.
set -u
cd "$(dirname "$0")/../.." || exit 3
build=$1
failures=

step() {
    name=$1
    shift
    echo "lint: $name"
    "$@" || failures="$failures $name"
}

sources() {
    find core tests -name '*.[ch]' | sort
}

scripts() {
    echo dev
    echo .ci/run
    find tests scripts docker \( -name '*.sh' -o -name run \) -type f 2>/dev/null | sort
}

# looked_at: of the names it reads those to look at.
looked_at() {
    if [ "$build" = --fast ]; then
        grep -Fx -e "$changed"
    else
        cat
    fi
}

format() {
    errors=$(sources | looked_at | xargs -r clang-format --dry-run -Werror 2>&1) && return 0
    echo "$errors" | grep 'error:' || echo "$errors"
    echo "mend it with: clang-format -i FILE"
    return 1
}

# SC2317: what a trap calls counts as unreachable
check_scripts() {
    scripts | looked_at | xargs -r shellcheck -x -e SC2317
}

gate() {
    tests/lint/gate.sh --files "$1" | looked_at | xargs -r tests/lint/gate.sh "$1"
}

# Looks at what is compiled. One file a call: clang-tidy 14 sees uninitialised va_lists where there
# are none when it is given several.
tidy() {
    jq -r '.[].file' "$build/compile_commands.json" | sort -u |
        xargs -n 1 -P "$(nproc 2>/dev/null || echo 2)" \
            clang-tidy -p "$build" --quiet 2>"$build/tidy.err" && return 0
    grep -v 'warnings\{0,1\} generated' "$build/tidy.err"
    return 1
}

check() {
    mkdir -p "$build/cppcheck" &&
        cppcheck --project="$build/compile_commands.json" --cppcheck-build-dir="$build/cppcheck" \
            --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
            --suppress=missingIncludeSystem --suppressions-list=tests/lint/cppcheck.txt \
            --error-exitcode=1 -j "$(nproc 2>/dev/null || echo 2)"
}

verdict() {
    if [ -n "$failures" ]; then
        echo "lint: not clean:$failures"
        exit 1
    fi
    echo "lint: clean"
    exit 0
}

if [ "$build" = --fast ]; then
    changed=$(git diff --name-only --diff-filter=d HEAD) || exit 3
    [ -n "$changed" ] || verdict
fi
step format format
step shellcheck check_scripts
for gate in banned documented order length marks markup naps torn; do
    step "$gate" gate "$gate"
done
step limits tests/lint/limits.sh
step invariants tests/lint/invariants.sh
[ "$build" != --fast ] || verdict
step gates-refuse tests/lint/selftest.sh
step clang-tidy tidy
step cppcheck check
verdict
