#!/bin/sh
# faketime.sh - for shell tests: a wall clock of a program's own. libfaketime stands between it and CLOCK_REALTIME
# alone. Sourced, behind world.sh. A clock is a file, which says what it is ahead of the true time.

faketime=
for library in /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib*/faketime/libfaketimeMT.so.1; do
    [ ! -e "$library" ] || faketime=$library
done
[ -n "$faketime" ] || {
    echo "Bail out! there is no libfaketimeMT.so.1: install faketime (Debian) or libfaketime"
    exit 1
}

# set_clock SECONDS CLOCK
set_clock() {
    printf '%+d\n' "$1" >"$2.new" && mv "$2.new" "$2"
}

# make_faked PROGRAM CLOCK FILE: the file runs the program by that clock.
make_faked() {
    cat >"$3" <<END
#!/bin/sh
export LD_PRELOAD=$faketime FAKETIME_TIMESTAMP_FILE=$2 FAKETIME_NO_CACHE=1
export FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1
exec $1 "\$@"
END
    chmod +x "$3"
}
