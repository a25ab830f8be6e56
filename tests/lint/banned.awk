# banned - calls that know no bounds or hide their errors, and what to call instead; and clocks, which
# base/clock.c alone reads: whoever reads one must say which, docs/time.md.

BEGIN {
    mend["strcpy"] = mend["strcat"] = mend["sprintf"] = mend["vsprintf"] = \
        "snprintf or a struct buf, which have a maximum"
    mend["strtok"] = "strcspn and a slice; strtok keeps hidden state"
    mend["gets"] = "fgets or getline"
    mend["atoi"] = mend["atol"] = mend["atof"] = "strtol or strtod with their errors checked"
    mend["alloca"] = "malloc, or an array with a maximum from base/limits.h"
    split("clock clock_gettime ftime g_get_monotonic_time g_get_real_time gettimeofday time " \
        "timespec_get uv_clock_gettime uv_hrtime", names, " ")
    for (i in names) {
        clocks[names[i]] = 1
    }
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
        if (word in clocks && FILENAME ~ /(^|\/)core\// && FILENAME !~ /\/?core\/base\/clock\.c$/) {
            refuse(FNR, word " reads a clock; use base/clock.h, and see docs/time.md which")
        }
        code = substr(code, RSTART + RLENGTH)
    }
}
