#!/bin/sh
# project.sh - zingq init, zingq new handler: what they write works as it is, and nothing is overwritten.
set -u

: "${ZINGQ:?}" "${SOURCE_DIR:?}"
. "$SOURCE_DIR/tests/support/temp_dir.sh"
dir=$(temp_dir project) || exit 1
trap 'rm -rf "$dir"' EXIT
count=0
failed=0
. "$SOURCE_DIR/tests/support/tap.sh"
cd "$dir" || exit 1

ok "init writes a project" says 0 'created shop/topics.conf' init shop
cd shop || exit 1
ok "its editor finds the API" test -f "$(sed -n 's/.*library": \["\(.*\)"\].*/\1/p' .luarc.json)/zing.lua"
ok "which is good" says 0 'topics.conf is good: 1 service' check --strict
ok "and whose tests hold, also with crashes" says 0 '^3 passed, [0-9]* crashes' test --crash-everywhere
ok "new handler adds a script, its tests and its service" says 0 'added the service "sms"' new handler sms
ok "which is good, too" says 0 'topics.conf is good: 2 services' check --strict
ok "and tested" says 0 '^6 passed' test
ok "a name in any letters of a topic will do" says 0 'added the service "e-mail_2"' new handler e-mail_2
ok "its tests hold" says 0 '^9 passed' test

cp topics.conf before
ok "the same handler again is refused, with the line of its service" \
    complains 1 'topics.conf:[0-9]*: there is a service "sms" already' new handler sms
echo mine >scripts/calls.lua
ok "a script that is there is not overwritten" complains 1 'calls.lua exists already' new handler calls
ok "and its service not added" cmp -s before topics.conf
ok "nor is a project" complains 1 'topics.conf exists already: nothing was written' init .
ok "a name that cannot be one says what can" complains 2 'letters, digits, _ and -' new handler 'a/b'
sed 's/store *{/store2 {/' before >topics.conf
ok "a topics.conf with a mistake is left alone" complains 2 'store2' new handler more
ok "with its folder" test ! -e scripts/more.lua

mv before other.conf
rm topics.conf
ok "-c names the file that gets the service" says 0 'other.conf' new handler push -c other.conf
ok "and no other is made" test ! -e topics.conf

echo "1..$count"
exit $((failed > 0))
