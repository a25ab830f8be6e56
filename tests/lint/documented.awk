# documented - every function declared in a header stands under or beside a comment: the paragraph
# (lines without an empty one between) that declares it has a comment in it. A function
# with its body in the header speaks for itself.

function paragraph_ends() {
    if (declared > 0 && !commented) {
        printf "%s:%d: %s is declared without a comment; say what it does, who owns what, its errors\n",
               file, declared, name
        failed = 1
    }
    declared = 0
    commented = 0
}

FNR == 1 || /^[ \t]*$/ {
    paragraph_ends()
    file = FILENAME
    depth = FNR == 1 ? 0 : depth
}

{
    code = code_of($0)
    if ($0 ~ /\/\*|\*\/|\/\//) {
        commented = 1
    }
    if (depth == 0 && declared == 0 && code ~ /^[A-Za-z_][A-Za-z0-9_ *]*\(/ &&
        code !~ /^typedef/) {
        declared = FNR
        name = code
        sub(/[ \t]*\(.*/, "", name)
        sub(/.*[ *]/, "", name)
    }
    if (depth == 0 && code ~ /\{[ \t]*$/) {
        declared = 0
    }
    depth += gsub(/{/, "", code) - gsub(/}/, "", code)
}

END {
    paragraph_ends()
}
