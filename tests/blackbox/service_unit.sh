#!/bin/sh
# service_unit.sh - the unit that is installed confines the host; and the host warns when it runs as
# root.
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

unit=$(dirname "$ZINGQ")/zingq.service

has() { # LINE: the unit has it
    grep -qx "$1" "$unit"
}

rated() {
    systemd-analyze security --offline=true --no-pager --threshold=25 "$unit" >"$dir/out" 2>&1
}

if command -v systemd-analyze >/dev/null; then
    ok "its exposure is rated 2.5 at most" rated
fi
ok "it tells systemd when it is ready" has 'Type=notify'
ok "its first start after an upgrade may take long" has 'TimeoutStartSec=1h'
ok "it is watched" has 'WatchdogSec=.*'
ok "it is started again without limit" has 'StartLimitIntervalSec=0'
ok "it has a user of its own" has 'User=zingq'
ok "it leaves no core file" has 'LimitCORE=0'
ok "its memory is bounded" has 'MemoryMax=.*'
ok "it runs what is installed" has 'ExecStart=/.*/bin/zingq run -c /etc/zingq/topics.conf'

if [ "$(id -u)" = 0 ]; then
    mkdir "$dir/scripts"
    cd "$dir" || exit 1
    echo 'return function() end' >scripts/h.lua
    cat >topics.conf <<'END'
broker { url = "mqtt://127.0.0.1:1" }
http { listen = "" }
store { path = "data" }
service "s" { subscribe = {"in/#"} handler = "h.lua" }
END
    "$ZINGQ" run >"$dir/host.log" 2>&1 &
    keep $!
    ok "it warns when it runs as root" wait_for 20 grep -q 'runs as root' "$dir/host.log"
fi

echo "1..$count"
[ "$failed" -eq 0 ]
