# banned - calls that know no bounds or hide their errors, and what to call instead.

BEGIN {
    mend["strcpy"] = mend["strcat"] = mend["sprintf"] = mend["vsprintf"] = \
        "snprintf or a struct buf, which have a maximum"
    mend["strtok"] = "strcspn and a slice; strtok keeps hidden state"
    mend["gets"] = "fgets or getline"
    mend["atoi"] = mend["atol"] = mend["atof"] = "strtol or strtod with their errors checked"
    mend["alloca"] = "malloc, or an array with a maximum from limits.h"
    mend["rand"] = "uuid_source_random or randombytes_buf"
}

{
    code = code_of($0)
    while (match(code, /[A-Za-z_][A-Za-z0-9_]*[ \t]*\(/)) {
        word = substr(code, RSTART, RLENGTH)
        sub(/[ \t]*\($/, "", word)
        if (word in mend) {
            refuse(FNR, word " is banned; use " mend[word])
        }
        code = substr(code, RSTART + RLENGTH)
    }
}
