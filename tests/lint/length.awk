# length - no function of core/ above 45 lines, no other one above 70 (a test's table of cases may be
# long), no file above 600: past that a reader loses the thread.
#
# A function is measured from the line of its name to its closing brace; the layout is clang-format's.

BEGIN {
    file_max = 600
}

function file_ends() {
    if (lines > file_max) {
        printf "%s:%d: the file has %d lines, %d is the limit; split it by idea\n",
               file, lines, lines, file_max
        failed = 1
    }
}

FNR == 1 {
    file_ends()
    file = FILENAME
    is_c = FILENAME ~ /\.[ch]$/
    function_max = FILENAME ~ /(^|\/)core\// ? 45 : 70
    start = 0
}

{
    lines = FNR
}

is_c {
    code = code_of($0)
    if (code ~ /^[A-Za-z_].*\(/) {
        start = FNR
        has_body = 0
        name = code
        sub(/[ \t]*\(.*/, "", name)
        sub(/.*[ *]/, "", name)
    }
    if (code ~ /\{/) {
        has_body = 1
    } else if (!has_body && code ~ /;/) {
        start = 0 # it was a declaration
    }
    if (code ~ /^}/) {
        if (start > 0 && FNR - start + 1 > function_max) {
            refuse(start, name " has " FNR - start + 1 " lines, " function_max \
                   " is the limit; give its parts names, or turn its cases into a table")
        }
        start = 0
    }
}

END {
    file_ends()
}
