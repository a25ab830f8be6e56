# limits - core/base/limits.h as a Markdown table: name, value, reason.

function human(name, value,    n, shift) {
    n = value + 0
    if (value ~ /<</) {
        shift = value
        sub(/.*<< */, "", shift)
        n = n * 2 ^ shift
    }
    if (name ~ /_BYTES_/ && n >= 1048576) {
        return n / 1048576 " MiB"
    }
    if (name ~ /_BYTES_/) {
        return n " bytes"
    }
    if (name ~ /_MS(_|$)/) {
        return n " ms"
    }
    if (name ~ /_S$/) {
        return n " s"
    }
    return n ""
}

function row() {
    gsub(/\|/, "\\|", why)
    printf "| `%s` | %s | %s |\n", name, value, why
    open = 0
}

BEGIN {
    print "| limit | value | what it bounds, and why |"
    print "|---|---|---|"
}

/^    [A-Z][A-Z0-9_]* = .*\/\*/ {
    name = $1
    value = $0
    sub(/^[^=]*= */, "", value)
    sub(/,.*/, "", value)
    value = human(name, value)
    why = $0
    sub(/.*\/\* */, "", why)
    open = 1
}

open {
    if (!index($0, name " = ")) {
        more = $0
        sub(/^ *\*? */, "", more)
        why = why " " more
    }
    if (sub(/ *\*\/.*/, "", why)) {
        row()
    }
}
