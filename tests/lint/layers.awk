# layers.awk - see layers.txt. The first file is the list, the others are C sources.

function regex_of(glob) {
    gsub(/\*/, ".*", glob)
    return "^" glob "$"
}

# The number of the module's layer, 0 when it is in none.
function layer_of(module,    i) {
    for (i = 1; i <= patterns; i++) {
        if (module ~ pattern[i]) {
            return pattern_layer[i]
        }
    }
    return 0
}

function allowed(module, header,    i) {
    for (i = 1; i <= allows; i++) {
        if (module ~ allow_module[i] && header ~ allow_header[i]) {
            return 1
        }
    }
    return 0
}

function refuse(text) {
    printf "%s:%d: %s\n", FILENAME, FNR, text
    failed = 1
}

function judge(module, header,    mine, theirs) {
    mine = layer_of(module)
    theirs = layer_of(header)
    if (theirs == 0) {
        refuse("\"" header ".h\" is in no layer; add the module to tests/lint/layers.txt")
    } else if (theirs > mine && !allowed(module, header)) {
        refuse(module " (" name[mine] ") may not include \"" header ".h\" (" name[theirs] \
               "), a higher layer; move what both need further down, or let the higher one call")
    } else if (is_door[mine] && theirs < mine && name[theirs] != "base" && name[theirs] != "terms") {
        refuse(module " is a door and may not know \"" header ".h\" (" name[theirs] \
               "); hand the bytes up through a callback")
    }
}

FNR == NR && /^(layer|door) / {
    layers++
    name[layers] = $2
    sub(/:$/, "", name[layers])
    is_door[layers] = ($1 == "door")
    for (i = 3; i <= NF; i++) {
        pattern[++patterns] = regex_of($i)
        pattern_layer[patterns] = layers
    }
}

FNR == NR && /^allow / {
    sub(/:$/, "", $3)
    allow_module[++allows] = regex_of($2)
    allow_header[allows] = regex_of($3)
}

FNR == NR {
    next
}

FNR == 1 {
    module = FILENAME
    sub(/.*\//, "", module)
    sub(/\.[ch]$/, "", module)
    files++
    if (layer_of(module) == 0) {
        refuse("the module \"" module "\" is in no layer; add it to tests/lint/layers.txt")
    }
}

/^#[ \t]*include[ \t]+"/ {
    header = $0
    sub(/^[^"]*"/, "", header)
    sub(/\.h".*$/, "", header)
    if (layer_of(module) != 0 && header != module) {
        judge(module, header)
    }
}

END {
    if (files == 0) {
        print "layers: no files were read"
        exit 1
    }
    if (!failed) {
        printf "layers: %d files, all includes point down\n", files
    }
    exit failed
}
