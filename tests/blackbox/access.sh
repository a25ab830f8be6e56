#!/bin/sh
# access.sh - who may do what over HTTP: the host's own token, tokens with roles, endpoints that want one,
# a brake on guessing, proxies that are believed.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:=python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
echo 'return function(event) end' >scripts/h.lua
door=$(free_port)
base=http://127.0.0.1:$door
start_broker

# write_conf HTTP-OPTIONS TOKENS
write_conf() {
    cat >topics.conf <<END_CONF
store { path = "data" }
http { listen = "127.0.0.1:$door" $1 }
service "jobs" { subscribe = {"jobs"} handler = "h.lua" }
endpoint "/api/open" { publish = "jobs" }
endpoint "/api/none" { publish = "jobs" auth = none }
endpoint "/api/paid" { publish = "jobs" auth = token }
endpoint "/api/other" { publish = "jobs" auth = token }
$2
END_CONF
}

# answers STATUS TOKEN PATH CURL-OPTION...: TOKEN "" = none is sent.
answers() {
    wanted=$1
    bearer=$2
    path=$3
    shift 3
    got=$(curl -sS -m 20 -o out -D err -w '%{http_code}' -H 'Content-Type: application/json' \
        ${bearer:+-H "Authorization: Bearer $bearer"} "$@" "$base$path")
    [ "$got" = "$wanted" ] || {
        echo "# $path: status $got, not $wanted"
        return 1
    }
}

# ---- nothing said: the host's own token ----

write_conf '' ''
start_host
own=$(cat data/token)
ok "a token is made at the first start, for its owner alone" eval '[ ${#own} -eq 64 ] && [ "$(stat -c %a data/token)" = 600 ]'
ok "the API wants it" answers 401 '' /api/status
ok "also for what changes something" answers 401 '' /api/services/jobs/pause -X POST
ok "and takes it" answers 200 "$own" /api/status
ok "endpoints are open on loopback" answers 202 '' /api/open -d '{}'
ok "to a name that may be anyone's they are not" answers 421 '' /api/open -d '{}' -H 'Host: evil.example'
ok "unless that is said" answers 202 '' /api/none -d '{}' -H 'Host: evil.example'
ok "one that wants a token gets one" answers 401 '' /api/paid -d '{}'
ok "the host's will do" answers 202 "$own" /api/paid -d '{}'
ok "metrics are open until a token is named" answers 200 '' /metrics
must stop_host
start_host
ok "the next start has the same token" answers 200 "$own" /api/status
must stop_host
chmod 644 data/token
start_host
ok "one that others could read is replaced" eval '[ "$(cat data/token)" != "$own" ] && answers 401 "$own" /api/status'
must stop_host

# ---- roles ----

write_conf 'token = "the-admin-of-this-host"' 'token "grafana" { value = "reads-and-nothing-else" role = read }
token "shop" { value = "posts-and-nothing-else" role = submit endpoints = {"/api/paid"} }
token "night-shift" { value = "operates-and-no-more" role = operate }
token "tiny" { value = "tiny" role = read }'
start_host
ok "a short token is warned of" grep -q 'token "tiny" has fewer than 16 bytes' host.log
ok "with a token named the metrics want one" answers 401 '' /metrics
ok "and so do endpoints that say nothing" answers 401 '' /api/open -d '{}'
ok "one that says none does not" answers 202 '' /api/none -d '{}'
ok "read: sees" eval 'answers 200 reads-and-nothing-else /api/status && answers 200 reads-and-nothing-else /metrics'
ok "read: changes nothing" answers 403 reads-and-nothing-else /api/services/jobs/pause -X POST
ok "read: submits nothing" answers 403 reads-and-nothing-else /api/paid -d '{}'
ok "submit: uses its endpoint" answers 202 posts-and-nothing-else /api/paid -d '{}'
ok "submit: no other" answers 403 posts-and-nothing-else /api/other -d '{}'
ok "submit: sees nothing" eval 'answers 403 posts-and-nothing-else /api/status && answers 403 posts-and-nothing-else /metrics'
ok "operate: pauses and resumes" eval 'answers 200 operates-and-no-more /api/services/jobs/pause -X POST &&
    answers 200 operates-and-no-more /api/services/jobs/resume -X POST'
ok "operate: does not touch the host" answers 403 operates-and-no-more /api/leave -X POST
ok "admin: does" answers 200 the-admin-of-this-host /api/reload -X POST
ok "a session can what its token can" eval 'answers 200 "" /login -d "{\"token\": \"reads-and-nothing-else\"}" -c jar &&
    answers 200 "" /api/status -b jar && answers 403 "" /api/services/jobs/pause -X POST -b jar'

# ---- who did it ----

ok "a change is on record: who, from where, what, and how it was answered" says 0 \
    'night-shift *127.0.0.1 *200 *POST /api/services/jobs/pause' audit
ok "one over the socket, too" eval 'ends 0 pause jobs && ends 0 resume jobs && says 0 "owner *unix uid $(id -u) " audit'
ok "what is only looked at is not" eval 'ends 0 audit && ! grep -q GET out'
ok "nor is what publishes" eval '! grep -q /api/paid out'
ok "programs get JSON" eval 'ends 0 audit --json && jq -e "all(.at_ms > 0) and any(.who == \"night-shift\")" out >/dev/null'
ok "since when can be said" eval 'ends 0 audit --since 2099-01-01 && grep -q "nothing was changed" out'
ok "operators see it by the API, newest first" eval 'answers 200 operates-and-no-more "/api/audit?limit=2" &&
    jq -e "length == 2 and .[0].path == \"/api/services/jobs/resume\"" out >/dev/null'
ok "readers do not" answers 403 reads-and-nothing-else /api/audit
ok "the record is its owner's" eval '[ "$(stat -c %a data/audit.jsonl)" = 600 ]'
printf '{"at_ms": 1, "who": "torn' >>data/audit.jsonl
must kill_host
start_host
ok "a torn line hides no other" eval 'ends 0 pause jobs && ends 0 resume jobs && ends 0 audit --json &&
    jq -e ".[-1].path == \"/api/services/jobs/resume\"" out >/dev/null'

lines() { # N: of the file, the N-th from the end
    tail -n "$1" data/audit.jsonl | head -n 1
}

ok "a change is on record before it begins" eval 'ends 0 pause jobs && lines 2 | jq -e ".asked and .path == \"/api/services/jobs/pause\"" >/dev/null &&
    [ "$(lines 2 | jq .id)" = "$(lines 1 | jq .id)" ]'
must ends 0 audit --json
# shellcheck disable=SC2034 # in what eval gets
known=$(jq length out)
must kill_host
sed -i '$d' data/audit.jsonl # as a host that died between the commit and the record
start_host
ok "it was made, and its record is not lost" eval 'ends 0 audit --json && [ "$(jq length out)" = "$known" ] &&
    jq -e ".[-1].path == \"/api/services/jobs/pause\" and .[-1].status == null" out >/dev/null'
ok "with a question mark for how it was answered" says 0 ' [?]  *POST /api/services/jobs/pause' audit
must ends 0 resume jobs

# ---- taking a token away ----

write_conf 'token = "the-admin-of-this-host"' 'token "night-shift" { value = "operates-and-no-more" role = read }'
kill -HUP "$host"
ok "a token that is gone from topics.conf is one no longer" wait_for 10 answers 401 reads-and-nothing-else /api/status
ok "nor are its sessions" answers 401 '' /api/status -b jar
ok "another role holds at once" answers 403 operates-and-no-more /api/services/jobs/pause -X POST
echo 'token "broken" {' >>topics.conf
kill -HUP "$host"
ok "a wrong topics.conf changes nothing" eval 'wait_for 10 grep -q "topics.conf is not taken over" host.log &&
    answers 200 the-admin-of-this-host /api/status'
write_conf 'token = "the-admin-of-this-host"' ''

# ---- guessing ----

guess() { # how often of 40 a wrong token is told to be wrong; by one curl, faster than they are forgiven
    curl -sS -o out -w '%{http_code}\n' -H 'Content-Type: application/json' -d '{"token": "guess-1"}' \
        "$@" "$base/login?[1-40]" | grep -c 401
}

# braked CURL-OPTION...: after one more wrong token the right one is not looked at. What it is to wait
# may be over before the second is sent, on a slow machine.
braked() {
    curl -sS -o out -H 'Content-Type: application/json' -d '{"token": "guess"}' "$@" "$base/login"
    answers 429 the-admin-of-this-host /api/status "$@"
}

ok "who guesses has to wait" eval '[ "$(guess)" -lt 20 ]'
ok "a right one is not looked at either" wait_for 10 braked
ok "the answer says how long" grep -qi '^retry-after: [0-9]' err
ok "the log tells where it comes from" grep -q 'wrong token from=127.0.0.1' host.log
ok "and not what was sent" eval '! grep -q guess- host.log'
ok "the unix socket is not slowed" eval '"$ZINGQ" status >out'
ok "after a while the right one is looked at again" wait_for 20 answers 200 the-admin-of-this-host /api/status
must stop_host

# ---- proxies ----

write_conf 'token = "the-admin-of-this-host" proxies = {"127.0.0.0/8"}' ''
start_host
ok "behind a proxy it is the client who waits" eval '[ "$(guess -H "X-Forwarded-For: 1.2.3.4, 203.0.113.9")" -lt 20 ] &&
    wait_for 10 braked -H "X-Forwarded-For: 203.0.113.9"'
ok "and no other" answers 200 the-admin-of-this-host /api/status -H 'X-Forwarded-For: 203.0.113.10'
ok "the log names it" grep -q 'wrong token from=203.0.113.9' host.log
must stop_host

# ---- beyond loopback ----

sed -i "s|127.0.0.1:$door|0.0.0.0:$door|" topics.conf
ok "beyond loopback an endpoint says who may use it" complains 2 'auth = token or auth = none' check

echo "1..$count"
[ "$failed" -eq 0 ]
