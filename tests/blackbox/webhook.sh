#!/bin/sh
# webhook.sh - an endpoint with auth = hmac takes what openssl signs, as Stripe and as Standard Webhooks do,
# and nothing else; and what zing.webhook sends.
#
# ctest: timeout=120
# shellcheck disable=SC2016 # what eval gets is expanded when it runs
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

# code FORMAT KEY TEXT: HMAC-SHA256; FORMAT hex or base64, KEY in hex.
code() {
    printf %s "$3" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$2" -binary |
        if [ "$1" = hex ]; then od -An -v -tx1 | tr -d ' \n'; else base64 -w 0; fi
}

hex_of() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

# stripe STATUS SECRET SECONDS BODY: posts it, signed with the text of the secret at that time.
stripe() {
    got=$(curl -s -o "$dir/out" -w '%{http_code}' "http://127.0.0.1:$door/hooks/stripe" -d "$4" -H 'Content-Type: application/json; charset=utf-8' \
        -H "Stripe-Signature: t=$3,v1=$(code hex "$(hex_of "$2")" "$3.$4"),v0=1234")
    [ "$got" = "$1" ]
}

# standard STATUS KEY ID BODY: the key as text.
standard() {
    now=$(date +%s)
    got=$(curl -s -o "$dir/out" -w '%{http_code}' "http://127.0.0.1:$door/hooks/standard" -d "$4" -H 'Content-Type: application/json' \
        -H "webhook-id: $3" -H "webhook-timestamp: $now" -H "webhook-signature: v1,$(code base64 "$(hex_of "$2")" "$3.$now.$4")")
    [ "$got" = "$1" ]
}

mkdir "$dir/scripts"
cd "$dir" || exit 1
start_broker
door=$(free_port)
STRIPE_SECRET=whsec_of_stripe_0123456789
NEW_SECRET=whsec_$(printf 'the new secret, 24 bytes' | base64)
OLD_SECRET=whsec_$(printf 'the old secret, 24 bytes' | base64)
export STRIPE_SECRET NEW_SECRET OLD_SECRET
cat >topics.conf <<END
http    { listen = "127.0.0.1:$door" }
vars    { hook_secret = "env:OLD_SECRET" }
endpoint "/hooks/stripe" { publish = "in/stripe" auth = hmac preset = stripe secret = "env:STRIPE_SECRET" }
endpoint "/hooks/standard" { publish = "in/standard" auth = hmac preset = "standard-webhooks" secret = {"env:NEW_SECRET", "env:OLD_SECRET"} }
service "in" { subscribe = {"in/+"} handler = "in.lua" }
service "out" { subscribe = {"out"} handler = "out.lua" retries = 0 secrets = {"hook_secret"} }
END
cat >scripts/in.lua <<'END'
return function(event) zing.state.set("last", event.payload) end
END
cat >scripts/out.lua <<END
return function(event)
  local answer = zing.webhook("http://127.0.0.1:$door/hooks/standard", event.json, {secret = zing.secret("hook_secret")})
  if answer.status ~= 202 then zing.reject(answer.status .. " " .. answer.body) end
end
END
start_host
ok "what is signed as Stripe does is accepted" stripe 202 "$STRIPE_SECRET" "$(date +%s)" '{"id":"evt_1","n":"\u00e9"}'
ok "with another secret it is not" eval 'stripe 401 another_secret_of_stripe "$(date +%s)" "{}" && grep -q "endpoint.s secret" out'
ok "nor an hour later" eval 'stripe 401 "$STRIPE_SECRET" "$(($(date +%s) - 3600))" "{}" && grep -q "last 5 minutes" out'
ok "nor without a signature" eval '[ "$(curl -s -o out -w "%{http_code}" "http://127.0.0.1:$door/hooks/stripe" -H "Content-Type: application/json" -d "{}")" = 401 ]'
ok "the operator sees that" grep -q 'endpoint /hooks/stripe was refused' host.log
ok "what is signed as Standard Webhooks are is accepted" standard 202 'the new secret, 24 bytes' msg_1 '{"n":1}'
ok "with the old secret, too" standard 202 'the old secret, 24 bytes' msg_2 '{"n":2}'
ok "with none of them it is not" standard 401 'the bad secret, 24 bytes' msg_3 '{"n":3}'
ok "a repeated webhook-id is no second event" standard 202 'the new secret, 24 bytes' msg_1 '{"n":1}'
ok "three events came of it" wait_for 20 service_is in 'done == 3'
must ends 0 publish out '{"n":4}'
ok "what zing.webhook sends is accepted" wait_for 20 service_is out 'done == 1'
ok "and handled" wait_for 20 service_is in 'done == 4'
ok "doctor finds no open endpoint" eval 'ends 0 doctor --security || true; ! grep -q "open without a token" out'
ok "the host stops" stop_host

echo "1..$count"
[ "$failed" -eq 0 ]
