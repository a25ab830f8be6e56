#!/bin/sh
# image.sh - the steps of docker/Dockerfile, taken in a layer over this machine's files that ends with the
# test: its user, its files, its environment, its command and its health check. What takes a network, and
# docker itself, is left out: packages are not installed but compared with what the program needs.
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

says_file() { # WORD: of the Dockerfile's last stage
    "$PYTHON" "$SOURCE_DIR/tests/support/dockerfile.py" "$SOURCE_DIR/docker/Dockerfile" "$1"
}

mkdir "$dir/upper" "$dir/work" "$dir/root"
if [ "$(id -u)" -ne 0 ] || ! command -v dpkg-shlibdeps >/dev/null || ! layered true; then
    echo "1..0 # SKIP needs root, dpkg-dev and overlayfs"
    exit 0
fi

# The program that the first stage makes.
mkdir -p "$dir/upper/usr/local/bin" "$dir/made/debian"
must strip -o "$dir/upper/usr/local/bin/zingq" "$ZINGQ"
touch "$dir/made/debian/control"

libraries_are_installed() {
    says_file packages | sort >"$dir/packages"
    (cd "$dir/made" && dpkg-shlibdeps -O --ignore-missing-info "$dir/upper/usr/local/bin/zingq") 2>"$dir/err" |
        sed 's/^[^=]*=//; s/ ([^)]*)//g; s/, /\n/g; s/ *| *[^,]*//g' | grep -v '^libc6$' | sort >"$dir/needed"
    comm -13 "$dir/packages" "$dir/needed" >"$dir/missing"
    cat "$dir/missing"
    [ -s "$dir/needed" ] && [ ! -s "$dir/missing" ]
}

ok "it installs every library that the program needs" libraries_are_installed
ok "its steps can be taken" layered "mkdir /etc/zingq && CONTEXT='$SOURCE_DIR' && $(says_file steps | sed 's/$/ \&\&/') true"
ok "its user has the folder alone" layered '[ "$(stat -c "%U %a" /var/lib/zingq)" = "zingq 700" ]'
ok "its topics.conf is good beyond loopback, too" layered '
    ZINGQ_TOKEN=a-token-of-the-test ZINGQ_HTTP_LISTEN=0.0.0.0:8080 zingq check -c /etc/zingq/topics.conf'

# Given: what `docker run` is given in the compose file
start_broker
user=$(says_file user)
run="env - PATH=/usr/local/bin:/usr/bin:/bin $(says_file env | tr '\n' ' ') ZINGQ_BROKER_URL=mqtt://127.0.0.1:$port"
http=$("$(dirname "$ZINGQ")/tests/bench/bench_port")
run="$run ZINGQ_TOKEN=a-token-of-the-test ZINGQ_HTTP_LISTEN=0.0.0.0:$http"
command=$(says_file entrypoint | tr '\n' ' ')$(says_file cmd | tr '\n' ' ')
health=$(says_file healthcheck | sed "s/:8080/:$http/" | tr '\n' ' ')
ok "its command serves as its user, its health check passes, and it ends well" layered "
    runuser -u $user -- $run $command >/tmp/host.log 2>&1 &
    host=\$!
    status=1
    for try in \$(seq 50); do
        runuser -u $user -- $run $health && status=0 && break
        timeout 0.1 tail -f /dev/null
    done
    kill \$host
    wait \$host
    grep -q 'host: stopped' /tmp/host.log || status=1
    exit \$status"
ok "its data is in the volume" test -e "$dir/upper/var/lib/zingq/data.mdb"

echo "1..$count"
[ "$failed" -eq 0 ]
