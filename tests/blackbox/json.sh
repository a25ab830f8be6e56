#!/bin/sh
# json.sh - zing.json agrees with another reader of JSON, Python's, on what is JSON and what it means: on
# texts written by hand and on thousands made from them.
#
# ctest: timeout=120
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

cd "$dir" || exit 1
mkdir scripts
cat >topics.conf <<CONF
http { listen = "" }
limits { lua_time = "60s" }
service "reader" { subscribe = {"texts"} handler = "reader.lua" }
CONF
# The payload is a text a line, in hexadecimal; so is the answer: the value as JSON, or a dash.
cat >scripts/reader.lua <<'LUA'
local function bytes(hex) return string.char(tonumber(hex, 16)) end
return function(event)
  local answers = {}
  for line in event.payload:gmatch("[^\n]+") do
    local ok, value = pcall(zing.json.decode, (line:sub(2):gsub("..", bytes)))
    local written
    if ok then ok, written = pcall(zing.json.encode, value) end
    answers[#answers + 1] = ok and written or tostring(written or "-"):match("infinite") or "-"
  end
  zing.publish("answers", table.concat(answers, "\n"))
end
LUA
# shellcheck disable=SC2094 # "texts" is what it is to do, too
"$PYTHON" "$SOURCE_DIR/tests/support/json_texts.py" texts >texts || exit 1
"$ZINGQ" try reader texts --file texts --json >tried || echo "# zingq try: $?"
ok "zing.json agrees with Python's json" "$PYTHON" "$SOURCE_DIR/tests/support/json_texts.py" compare texts tried
echo "1..$count"
[ "$failed" -eq 0 ]
