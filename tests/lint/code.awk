# code.awk - what the gates share: a C source without its comments and literals.
#
# code_of(line) gives the line with comments, strings and character constants blanked out, so that
# a gate sees code alone. It must be called for every line, in order; a new file starts afresh.

function code_of(line,    out, i, n, c, two) {
    if (FNR == 1) {
        in_comment = 0
    }
    out = ""
    n = length(line)
    for (i = 1; i <= n; i++) {
        c = substr(line, i, 1)
        two = substr(line, i, 2)
        if (in_comment) {
            if (two == "*/") {
                in_comment = 0
                i++
            }
        } else if (two == "/*") {
            in_comment = 1
            out = out " "
            i++
        } else if (two == "//") {
            break
        } else if (c == "\"" || c == "'") {
            i = literal_end(line, i, c)
            out = out c c
        } else {
            out = out c
        }
    }
    return out
}

# Where the literal that starts at `from` ends: its closing quote, or the end of the line.
function literal_end(line, from, quote,    i, c) {
    for (i = from + 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (c == "\\") {
            i++
        } else if (c == quote) {
            return i
        }
    }
    return length(line)
}

function refuse(line_number, text) {
    printf "%s:%d: %s\n", FILENAME, line_number, text
    failed = 1
}

END {
    exit failed
}
