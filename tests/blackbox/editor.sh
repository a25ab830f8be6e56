#!/bin/sh
# editor.sh - what editors know of the API, docs/lua/zing.lua, is what the program has: every function, field and
# option, and none besides.
#
# ctest: timeout=60
# shellcheck disable=SC2317 # ok calls functions
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}"
# shellcheck source=tests/support/temp_dir.sh
. "$SOURCE_DIR/tests/support/temp_dir.sh"
# shellcheck source=tests/support/tap.sh
. "$SOURCE_DIR/tests/support/tap.sh"
dir=$(temp_dir editor)
trap 'rm -rf "$dir"' EXIT
count=0
failed=0
stubs=$SOURCE_DIR/docs/lua/zing.lua
: >"$dir/out"
: >"$dir/err"

# A handler lists what it sees.
mkdir "$dir/scripts"
cat >"$dir/topics.conf" <<'END'
store { path = "data" }
service "s" { subscribe = {"in"} handler = "s.lua" }
END
cat >"$dir/scripts/s.lua" <<'END'
local function list(t, name)
    for field, value in pairs(t) do
        local full = name .. "." .. field
        if type(value) == "function" then
            print("function " .. full)
        elseif type(value) == "table" and full ~= "zing.config" then
            local meta = getmetatable(value)
            if meta == nil or type(meta) ~= "table" or not meta.__call then list(value, full) end
            if meta and type(meta) == "table" and meta.__call then print("function " .. full) end
        end
    end
end
return function()
    list(zing, "zing")
end
END

same() {
    diff "$dir/program" "$dir/editor" >"$dir/out"
}

fields_of() { # CLASS
    sed -n "/^---@class $1\$/,/^\$/s/^---@field \([a-z_0-9]*\) .*/\1/p" "$stubs" | sort -u
}

options_of() { # TABLE FILE: of an options table in C
    sed -n "/$1\[\] = {/,/};/p" "$SOURCE_DIR/core/lua/api/$2" | grep -o '{"[a-z_]*"' | tr -d '{"' | sort -u
}

(cd "$dir" && "$ZINGQ" try s in --payload '{}') >"$dir/listed" 2>&1
sed -n 's/.* handler: function \([a-z_.0-9]*\) .*/\1/p' "$dir/listed" | sort -u >"$dir/program"
sed -n 's/^function \(zing\.[a-z_.0-9]*\)(.*/\1/p' "$stubs" | sort -u >"$dir/editor"
ok "functions" same
ok "and there are some" test "$(wc -l <"$dir/program")" -gt 30

options_of fields event.c >"$dir/program"
fields_of zing.Event >"$dir/editor"
ok "fields of an event" same

options_of publish_options publish.c >"$dir/program"
fields_of zing.PublishOptions >"$dir/editor"
ok "options of zing.publish" same

options_of http_options http.c >"$dir/program"
fields_of zing.HttpOptions >"$dir/editor"
ok "options of zing.http" same

options_of mail_options mail.c >"$dir/program"
fields_of zing.Mail >"$dir/editor"
ok "options of zing.mail" same

options_of options lock.c >"$dir/program"
fields_of zing.LockOptions >"$dir/editor"
ok "options of zing.lock" same

echo "1..$count"
exit "$failed"
