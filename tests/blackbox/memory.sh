#!/bin/sh
# memory.sh - past limits.memory things wait, nothing dies and nothing is lost: each door of a host with 64 MiB
# is flooded, and the most of its anonymous memory that was seen is at most 64 MiB more.
#
# ctest: busy long timeout=240
# ctest: label=torture
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

MOST_KIB=$(((64 + 96) * 1024)) # 64 MiB beside the limit, and room for a few answers on a loaded machine

flood=$SOURCE_DIR/tests/support/flood.py # no function: of one in the background $! would be a shell

# a_gateway BYTES: $gateway, an HTTP server that answers so many.
a_gateway() {
    "$PYTHON" "$flood" server "$1" >"$dir/gateway" &
    keep $!
    must wait_for 10 test -s "$dir/gateway"
    gateway=http://127.0.0.1:$(cat "$dir/gateway")
    rm "$dir/gateway"
}

# host NAME LIMITS <SCRIPT: a host with a store of its own; $services and $per say how many services there are
# and what else each has. Its script is read from the standard input.
host() {
    name=$1
    mkdir -p "$dir/$name/scripts"
    cd "$dir/$name" || exit 1
    cat >scripts/handler.lua
    http_port=$(free_port)
    {
        printf 'store { path = "data" }\nhttp { listen = "127.0.0.1:%s" }\n' "$http_port"
        printf 'limits { memory = "64MiB" lua_time = "20s" %s }\n' "$2"
        printf 'vars { gateway = "%s" }\nendpoint "/api/in" { publish = "%s/1" }\n' "${gateway:-none}" "$name"
        for i in $(seq "$services"); do
            printf 'service "%s%s" { subscribe = {"%s/%s"} handler = "handler.lua" timeout = "90s" %s }\n' \
                "$name" "$i" "$name" "$i" "$per"
        done
    } >topics.conf
    start_host
    "$PYTHON" "$flood" watch "$host" "$dir/$name.peak" &
    keep $!
}

figure() {
    "$ZINGQ" status --json | jq "[.services[].$1] | add"
}

all_ended() {
    [ "$(figure "done")" = "$1" ] || [ "$(figure dead)" != 0 ]
}

# all_done COUNT: so many events end, within the test's time, and none of them died.
all_done() {
    wait_for 100 all_ended "$1"
    echo "# $name: $(figure "done") of $1 done, $(figure dead) dead, $(figure retries) retries"
    [ "$(figure "done")" = "$1" ] && [ "$(figure dead)" = 0 ] && [ "$(figure retries)" = 0 ]
}

memory_holds() {
    peak=$(cat "$dir/$name.peak")
    echo "# $name: peak RssAnon $((peak / 1024)) MiB"
    [ "$peak" -le "$MOST_KIB" ]
}

show_failure() {
    tail -n 20 "$dir/host.log" | sed 's/^/# /'
}

start_broker

# --- HTTP answers: 100 handlers ask for 8 MiB each at once ---

a_gateway 8388608
services=2
per='concurrency = 64'
host answers '' <<'END_LUA'
return function(event)
  local r = zing.http.get(zing.config.gateway .. "/", {timeout = "60s"}) -- the machine may be busy
  assert(r.status == 200 and #r.body == 8388608)
end
END_LUA
for i in 1 2; do
    pub -t "$name/$i" -m '{}' --repeat 50
done
ok "large answers to many handlers wait for one another" all_done 100
ok "and the memory holds" memory_holds
ok "the host ends well" stop_host

# --- bodies: 60 requests of 4 MiB at once ---

services=1
per='concurrency = 8'
host bodies 'payload = "4MiB"' <<'END_LUA'
return function(event)
  assert(#event.payload == 4000000)
end
END_LUA
"$PYTHON" "$flood" bodies "$http_port" /api/in 60 4000000 >"$dir/out"
sed 's/^/# bodies: status and how often: /' "$dir/out"
ok "bodies that do not fit are answered 503 with a time, the others are accepted" grep -q '^202 60$' "$dir/out"
ok "and each is handled once" all_done 60
ok "and the memory holds" memory_holds
ok "the host ends well" stop_host

# --- MQTT: 256 KiB messages at full speed to slow services ---

a_gateway 10
head -c 262144 /dev/zero | tr '\0' x >"$dir/large"
services=4
per='concurrency = 64'
host intake '' <<'END_LUA'
return function(event)
  assert(#event.payload == 262144)
  zing.http.get(zing.config.gateway .. "/slow")
end
END_LUA
for i in $(seq "$services"); do
    mosquitto_pub -V 5 -q 1 -p "$port" -t "$name/$i" -f "$dir/large" --repeat 250 &
    keep $!
done
ok "messages that come faster than they are handled wait" all_done 1000
ok "and the memory holds" memory_holds
ok "the host ends well" stop_host

# --- scripts: 12 services that fill their Lua states, and keep them filled while they wait ---

services=12
per='concurrency = 1'
host scripts '' <<'END_LUA'
return function(event)
  local kept = {}
  for i = 1, 40 do kept[i] = string.rep("x", 1 << 20) end
  zing.http.get(zing.config.gateway .. "/slow")
  assert(#kept == 40)
end
END_LUA
for i in $(seq "$services"); do
    pub -t "$name/$i" -m '{}' --repeat 2
done
ok "scripts that need much memory run one after another" all_done 24
ok "and the memory holds" memory_holds
ok "the host ends well" stop_host

# --- JSON: 12 services that decode 256 KiB, and keep it while they wait ---

"$PYTHON" "$flood" json 262144 >"$dir/large.json"
services=12
per='concurrency = 4'
host json '' <<'END_LUA'
return function(event)
  local json = event.json
  zing.http.get(zing.config.gateway .. "/slow")
  assert(#json > 80000)
end
END_LUA
for i in $(seq "$services"); do
    pub -t "$name/$i" -f "$dir/large.json" --repeat 8
done
ok "JSON that takes much memory when it is decoded waits" all_done 96
ok "and the memory holds" memory_holds
ok "the host ends well" stop_host

# --- what handlers stage: 4 services that set 30 values of 1 MB, and call before they end ---

services=4
per='concurrency = 8'
host staged '' <<'END_LUA'
return function(event)
  for i = 1, 30 do zing.state.set("value" .. i, string.rep("x", 1000000)) end
  zing.http.get(zing.config.gateway .. "/slow")
end
END_LUA
for i in $(seq "$services"); do
    pub -t "$name/$i" -m '{}' --repeat 8
done
ok "handlers that stage much wait for one another" all_done 32
ok "and the memory holds" memory_holds
ok "the host ends well" stop_host

echo "1..$count"
exit $((failed > 0))
