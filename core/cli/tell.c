/*
 * tell.c - sentences on standard error, and the exit status that belongs to each.
 */
#include "cli/tell.h"

#include "cli/impl.h"
#include "cli/text.h"

#include <stdarg.h>
#include <stdio.h>

static int status_of(int code) {
    switch (code) {
    case 0:
        return EXIT_GOOD;
    case ERR_NOTFOUND:
    case ERR_EXISTS:
        return EXIT_NO;
    case ERR_INVALID:
    case ERR_SCRIPT:
    case ERR_LIMIT:
        return EXIT_USAGE;
    default:
        return EXIT_CANNOT_RUN;
    }
}

static void tell(const char *kind, const char *format, va_list args) {
    struct report r;
    struct buf safe;
    (void)vsnprintf(r.text, sizeof r.text, format, args);
    buf_init(&safe, sizeof r.text * 8);
    text_add_safe(&safe, slice_of(r.text));
    (void)fflush(stdout);
    (void)fprintf(stderr, "zingq: %s%s\n", kind, buf_str(&safe));
    buf_clear(&safe);
}

static unsigned warnings;

unsigned cli_warnings(void) {
    return warnings;
}

void cli_warn(const char *format, ...) {
    va_list args;
    warnings++;
    va_start(args, format);
    tell("warning: ", format, args);
    va_end(args);
}

int cli_fail(int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    tell("", format, args);
    va_end(args);
    return status_of(code);
}

int cli_misused(const struct cli *cli, const char *format, ...) {
    va_list args;
    va_start(args, format);
    tell("", format, args);
    va_end(args);
    (void)fprintf(stderr, "usage: zingq %s%s%s [options]; see zingq %s --help\n",
                  cli->command->name, cli->command->arguments[0] == '\0' ? "" : " ",
                  cli->command->arguments, cli->command->name);
    return EXIT_USAGE;
}

int cli_unknown(const char *kind, const char *word, const char *const *names, size_t count) {
    enum { FEW = 16 };
    const char *meant = conf_suggest(word, names, count);
    struct buf list;
    if (meant != NULL) {
        return cli_fail(ERR_INVALID, "unknown %s \"%s\" (did you mean \"%s\"?)", kind, word, meant);
    }
    buf_init(&list, 4096);
    for (size_t i = 0; i < count && count <= FEW; i++) {
        buf_printf(&list, "%s%s", i == 0 ? ": there are " : ", ", names[i]);
    }
    int status = cli_fail(ERR_INVALID, "unknown %s \"%s\"%s", kind, word, buf_str(&list));
    buf_clear(&list);
    return status;
}
