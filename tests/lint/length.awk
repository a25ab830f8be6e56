# length - no function above 70 lines, no file above 600: past that a reader loses the thread.
#
# A function is measured from the line of its name to its closing brace; the layout is clang-format's.

BEGIN {
    function_max = 70
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
    start = 0
}

{
    lines = FNR
}

is_c {
    code = code_of($0)
    if (code ~ /^[A-Za-z_].*\(/) {
        start = FNR
        name = code
        sub(/[ \t]*\(.*/, "", name)
        sub(/.*[ *]/, "", name)
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
