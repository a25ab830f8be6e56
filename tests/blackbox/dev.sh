#!/bin/sh
# dev.sh - what `zingq dev` starts lies in TMPDIR and ends with it, however it ends; and is there when
# zingq was installed. A saved topics.conf is taken over.
#
# ctest: timeout=120
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

mkdir "$dir/scripts" "$dir/tmp"
cd "$dir" || exit 1
TMPDIR=$dir/tmp
export TMPDIR
echo 'http { listen = "" } service "sale" { subscribe = {"sale"} handler = "sale.lua" }' >topics.conf
cat >scripts/sale.lua <<'END'
return function()
  local answer = zing.http.post(zing.config.gateway_url .. "/v1/charges",
    {form = {amount = 4200, currency = "eur", source = "ada"}})
  if answer.status ~= 200 then error("the gateway says " .. answer.status) end
end
END

start_dev() { # PROGRAM
    "$1" dev >host.log 2>&1 </dev/null &
    host=$!
    wait_for 30 grep -q 'connected to' host.log
}

companions() { # how many processes have a file of the temporary folder on their command line
    cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -c "^$dir/tmp/zingq-dev-"
}

count_is() { # N BOOK
    [ "$("$ZINGQ" status --json | jq ".services[0].$2")" = "$1" ]
}

gone() { [ "$(companions)" -eq 0 ] && [ -z "$(ls "$dir/tmp")" ]; }

ok "dev starts" start_dev "$ZINGQ"
ok "with its companions in TMPDIR" [ "$(companions)" -gt 0 ]
kill -TERM "$host"
wait "$host"
ok "they end with it" gone
ok "dev starts again" start_dev "$ZINGQ"
echo 'service "bill" { subscribe = {"bill"} handler = "sale.lua" }' >>topics.conf
ok "a saved topics.conf is taken over" wait_for 20 grep -q 'taken over: 2 services' host.log
echo 'service "bad" {' >>topics.conf
ok "a mistake is said, and changes nothing" wait_for 20 grep -q 'not taken over.*topics.conf' host.log
sed -i '$d' topics.conf
kill -KILL "$host"
wait "$host" 2>/dev/null
ok "after kill -9 nothing is left either" wait_for 20 gone

# Without the plugin beside it nothing needs Mosquitto to stay root, where it was started as root.
cp "$ZINGQ" alone
ok "a program on its own starts one too" start_dev ./alone
kill -KILL "$host"
wait "$host" 2>/dev/null
ok "which ends as well" wait_for 20 gone

build=$(dirname "$ZINGQ")
ok "zingq is installed" sh -c "cmake --install '$build' --prefix '$dir/installed' >install.log 2>&1"
ok "an installed dev starts" start_dev installed/bin/zingq
ok "with a payment gateway" wait_for 20 grep -q '^payments http://' host.log
ok "and a mail server" wait_for 20 grep -q '^mail  *smtp://' host.log
[ "$failed" -eq 0 ] || sed 's/^/# /' host.log install.log
ends 0 publish sale '{}'
ok "so the first example of the README works" wait_for 20 count_is 1 "done"
kill -TERM "$host"
wait "$host"
host=
ok "and leaves nothing" gone

echo "1..$count"
[ "$failed" -eq 0 ]
