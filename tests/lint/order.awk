# order - who may include whom: reads the #include "folder/x.h" lines and holds them to the order of
# the folders in core/ORDER.

function folder_of(path) {
    return path ~ /\// ? substr(path, 1, match(path, /\/[^\/]*$/) - 1) : ""
}

BEGIN {
    while ((getline line < order_file) > 0) {
        if (line !~ /^#/ && split(line, word, " ") > 1) {
            floor[word[1]] = ++floors
        }
    }
    if (floors == 0) {
        print order_file ":1: no folders are listed"
        failed = 1
        exit
    }
}

FNR == 1 {
    mine = folder_of(substr(FILENAME, index(FILENAME, "core/") + length("core/")))
    if (mine != "" && !(mine in floor)) {
        refuse(1, "the folder core/" mine " is not in " order_file "; add it, with a sentence")
    }
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
    split($0, part, "\"")
    theirs = folder_of(part[2])
    if (theirs == "") {
        refuse(FNR, "name the folder: #include \"folder/" part[2] "\"")
    } else if (!(theirs in floor)) {
        refuse(FNR, "\"" part[2] "\" is in no folder of " order_file)
    } else if (mine != "" && floor[theirs] > floor[mine]) {
        refuse(FNR, "core/" mine " may not include \"" part[2] "\": core/" theirs " stands above it" \
               " in " order_file "; move what both need further down, or let the higher one call")
    }
}
