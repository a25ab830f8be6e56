# layers - who may include whom: reads the #include "..." lines and holds them to layers.txt, which
# says what its lines mean.

function regex_of(module) {
    return "^" module "(_.*)?$"
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

function judge(module, header,    mine, theirs) {
    mine = layer_of(module)
    theirs = layer_of(header)
    if (theirs == 0) {
        refuse(FNR, "\"" header ".h\" is in no layer; add the module to tests/lint/layers.txt")
    } else if (theirs > mine && !allowed(module, header)) {
        refuse(FNR, module " (" name[mine] ") may not include \"" header ".h\" (" name[theirs] \
               "), a higher layer; move what both need further down, or let the higher one call")
    } else if (is_door[mine] && theirs < mine && name[theirs] != "base" && name[theirs] != "terms") {
        refuse(FNR, module " is a door and may not know \"" header ".h\" (" name[theirs] \
               "); hand the bytes up through a callback")
    }
}

BEGIN {
    while ((getline line < layers_file) > 0) {
        words = split(line, word, " ")
        sub(/:$/, "", word[2])
        if (word[1] == "layer" || word[1] == "door") {
            name[++layers] = word[2]
            is_door[layers] = (word[1] == "door")
            for (i = 3; i <= words; i++) {
                pattern[++patterns] = regex_of(word[i])
                pattern_layer[patterns] = layers
            }
        } else if (word[1] == "allow") {
            sub(/:$/, "", word[3])
            allow_module[++allows] = regex_of(word[2])
            allow_header[allows] = regex_of(word[3])
        }
    }
    if (layers == 0) {
        print layers_file ":1: no layers are listed"
        failed = 1
    }
}

FNR == 1 {
    module = FILENAME
    sub(/.*\//, "", module)
    sub(/\.[ch]$/, "", module)
    if (layer_of(module) == 0) {
        refuse(FNR, "the module \"" module "\" is in no layer; add it to tests/lint/layers.txt")
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
