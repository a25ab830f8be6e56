/* error.c - names and texts of codes; sentences for people. */
#include "base/error.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

const char *error_text(int code) {
    switch (code) {
#define X(name, value, text)                                                                       \
    case value:                                                                                    \
        return text;
        ERROR_LIST(X)
#undef X
    default:
        return "no error";
    }
}

const char *error_name(int code) {
    switch (code) {
#define X(name, value, text)                                                                       \
    case value:                                                                                    \
        return #name;
        ERROR_LIST(X)
#undef X
    default:
        return "ERR_NONE";
    }
}

int error_of_file(int error) {
    return error == ENOSPC || error == EDQUOT || error == EFBIG ? ERR_FULL : ERR_DISK;
}

int report(struct report *r, int code, const char *format, ...) {
    if (r != NULL) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(r->text, sizeof r->text, format, args);
        va_end(args);
        utf8_mend(r->text);
    }
    return code;
}
