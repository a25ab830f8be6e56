#!/bin/sh
# package.sh - the Debian package: installed, run as its user, removed and purged by dpkg itself, in a layer
# over this machine's files that ends with the test.
#
# ctest: timeout=300
# ctest: label=torture
# shellcheck disable=SC2016 # what sh -c gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

layered() { # COMMAND: sh, in the layer
    unshare -m sh -c '
        mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root" &&
            mount --rbind /dev "$0/root/dev" && mount --rbind /proc "$0/root/proc" &&
            exec chroot "$0/root" sh -c "$1"' "$dir" "$1" >"$dir/out" 2>"$dir/err" </dev/null
}

mkdir "$dir/upper" "$dir/work" "$dir/root"
if [ "$(id -u)" -ne 0 ] || ! command -v dpkg-shlibdeps >/dev/null || ! layered true; then
    echo "1..0 # SKIP needs root, dpkg-dev and overlayfs"
    exit 0
fi

tree=$(dirname "$ZINGQ")
ok "cpack makes it" sh -c 'cpack -G DEB -B "$0/made" --config "$1/CPackConfig.cmake" >"$0/out" 2>"$0/err"' "$dir" "$tree"
mkdir -p "$dir/upper/opt" "$dir/upper/etc/dpkg/dpkg.cfg.d"
# What other packages do then, as man-db, which looks at all manual pages each time, is not ours.
printf 'force-unsafe-io\nno-triggers\n' >"$dir/upper/etc/dpkg/dpkg.cfg.d/quick"
must mv "$dir"/made/zingq_*.deb "$dir/upper/opt/zingq.deb"

ok "dpkg installs it" layered 'dpkg -i /opt/zingq.deb'
ok "it says what is next" grep -q 'systemctl enable --now zingq' "$dir/out"
ok "the service has a user" layered 'getent passwd zingq'
ok "and a folder that is his alone" layered '[ "$(stat -c "%U %a" /var/lib/zingq)" = "zingq 700" ]'
ok "the unit runs what was installed" grep -q -x 'ExecStart=/usr/bin/zingq run -c /etc/zingq/topics.conf' \
    "$dir/upper/usr/lib/systemd/system/zingq.service"
ok "there is a manual page" test -s "$dir/upper/usr/share/man/man1/zingq.1"

ok "its user may call it from a folder that is not his" layered '
    mkdir -m 700 /tmp/mine && cd /tmp/mine && runuser -u zingq -- zingq check'

start_broker
sed -i "s/:1883/:$port/" "$dir/upper/etc/zingq/topics.conf"
ok "its topics.conf is good" layered 'runuser -u zingq -- zingq check -c /etc/zingq/topics.conf'
ok "a greeting is answered" layered '
    runuser -u zingq -- zingq run -c /etc/zingq/topics.conf >/tmp/host.log 2>&1 &
    host=$!
    mosquitto_sub -V 5 -h 127.0.0.1 -p '"$port"' -q 1 -c -i listener -t hello/answer -C 1 -W 30 &
    heard=$!
    for try in $(seq 300); do
        runuser -u zingq -- zingq status 2>/dev/null | grep -q " connected$" && break
        timeout 0.1 tail -f /dev/null
    done
    mosquitto_pub -V 5 -h 127.0.0.1 -p '"$port"' -q 1 -t hello -m world
    wait $heard
    status=$?
    kill $host
    wait $host
    exit $status'
ok "as the script says" grep -q -x 'hello world' "$dir/out"

ok "a changed topics.conf survives another installation" layered 'dpkg -i --force-confdef /opt/zingq.deb'
ok "as it is" grep -q ":$port" "$dir/upper/etc/zingq/topics.conf"
ok "dpkg removes it" layered 'dpkg -r zingq'
ok "and keeps settings and data" layered '[ -e /etc/zingq/topics.conf ] && [ -e /var/lib/zingq/data.mdb ] && [ ! -e /usr/bin/zingq ]'
ok "a purge leaves nothing" layered 'dpkg -P zingq && [ ! -e /etc/zingq ] && [ ! -e /var/lib/zingq ]'

echo "1..$count"
exit "$failed"
