#!/bin/sh
# selftest.sh - gates that cannot fail protect nothing: each must refuse a file that breaks its
# rule, and accept one that only looks like it.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# verdict GATE WANTED FILE: runs the gate over the file.
verdict() {
    got=accepts
    tests/lint/gate.sh "$1" "$3" >"$work/out" 2>&1 || got=refuses
    if [ "$got" != "$2" ]; then
        echo "selftest.sh: the gate \"$1\" $got $(basename "$3"), wanted: $2"
        cat "$work/out"
        failed=1
    fi
}

# file NAME: makes a file of what stands on standard input, prints its path.
file() {
    mkdir -p "$(dirname "$work/$1")"
    cat >"$work/$1"
    echo "$work/$1"
}

verdict banned refuses "$(file bad.c <<'END'
    n = atoi(text);
END
)"
verdict banned refuses "$(echo 'return uv_hrtime();' | file core/reads.c)"
verdict banned refuses "$(echo 'seconds = time (NULL);' | file core/reads.c)"
verdict banned accepts "$(echo 'clock_gettime(id, &t);' | file core/base/clock.c)"
verdict banned accepts "$(echo 'return uv_now(loop) + run_time(s);' | file core/loop.c)"
verdict banned accepts "$(file good.c <<'END'
    /* atoi(text) hides errors */
    log_info("x", "never strcpy(a, b)"); snprintf(text, 4, "%d", my_rand(1));
END
)"
verdict length refuses "$({ echo 'int f(void) {'; yes '    x++;' | head -n 70; echo '}'; } | file long.c)"
verdict length accepts "$({ echo 'int f(void) {'; yes '    x++;' | head -n 68; echo '}'; } | file fits.c)"
verdict length refuses "$({ echo 'int f(void) {'; yes '    x++;' | head -n 45; echo '}'; } | file core/long.c)"
verdict length accepts "$({ echo 'int f(int x,'; echo 'int y);'; yes '    x++;' | head -n 45; echo '};'; } | file core/declared.h)"
verdict length refuses "$(yes '' | head -n 601 | file endless.h)"
verdict marks refuses "$(echo '/* TO''DO: later */' | file mark.c)"
verdict marks accepts "$(echo 'mktemp -d /tmp/t.XXXXXX' | file mktemp.sh)"
verdict markup refuses "$(echo 'place.innerHTML = text;' | file parses.js)"
verdict markup refuses "$(echo 'const f = new Function("x", text);' | file evaluates.js)"
verdict markup refuses "$(echo '<button onclick="go()">' | file handler.html)"
verdict markup refuses "$(echo '<p style="color: red">' | file styled.html)"
verdict markup refuses "$(echo '<script src="https://example.org/x.js"></script>' | file afar.html)"
verdict markup accepts "$(echo 'h("a", {onclick: go}, text); element.textContent = text;' | file text.js)"
verdict naps refuses "$(echo '    usleep(1000);' | file nap.c)"
verdict naps refuses "$(echo 'start_host && sleep 2' | file nap.sh)"
verdict naps accepts "$(echo '/* never sleep(1) here */' | file awake.c)"
verdict torn refuses "$(printf 'int f(int x) { /* Why\n    it is. */\n' | file brace.c)"
verdict torn refuses "$(printf '    /* Why. */ x =\n        y;\n' | file half.c)"
verdict torn accepts "$(printf '    /* Why. */\n    x = y; /* 0 = none */\n    if (x) { /* both */\n' | file whole.c)"
verdict documented refuses "$(printf '/* head */\n\nint lane_take(struct lane *l);\n' | file bare.h)"
verdict documented accepts "$(printf '/* head */\n\n/* Takes. */\nint lane_take(struct lane *l);\n' | file said.h)"
verdict documented accepts "$(printf 'static inline int f(void) {\n    return 1;\n}\n' | file body.h)"
verdict order refuses "$(echo '#include "engine/engine.h"' | file core/journal/low.c)"
verdict order refuses "$(echo '#include "journal/journal.h"' | file core/io/mqtt/door.c)"
verdict order refuses "$(echo '#include "buf.h"' | file core/engine/bare.c)"
verdict order refuses "$(echo '#include "base/buf.h"' | file core/attic/new.c)"
verdict order accepts "$(echo '#include "journal/journal.h"' | file core/engine/high.c)"
verdict order accepts "$(echo '#include "journal/impl.h"' | file core/journal/own.c)"

# object FILE TEXT: compiles it into the folder that circles.sh looks at.
object() {
    mkdir -p "$work/core/$(dirname "$1")" "$work/objects/$(dirname "$1")"
    echo "$2" >"$work/core/$1"
    cc -c -o "$work/objects/$1.o" "$work/core/$1"
}

# circles WANTED [FOLDER]: what circles.sh says of these objects.
circles() {
    got=accepts
    SOURCES="$work/core" tests/lint/circles.sh "$work/objects" ${2:+"$2"} >"$work/out" 2>&1 || got=refuses
    if [ "$got" != "$1" ]; then
        echo "selftest.sh: circles.sh $got ${2-all folders}, wanted: $1"
        cat "$work/out"
        failed=1
    fi
}

object low/a.c 'int b(void); int a(void); int a(void) { return b(); }'
object low/b.c 'int c(void); int b(void); int b(void) { return c(); }'
object low/c.c 'int c(void); int c(void) { return 1; }'
object high/d.c 'int a(void); int d(void); int d(void) { return a(); }'
circles accepts
object low/c.c 'int a(void); int c(void); int c(void) { return a(); }'
circles refuses
circles refuses low
circles accepts high
rm "$work/core/low/b.c"
circles accepts
exit $failed
