/* log.c - one line, one fact, one write(2). */
#include "base/log.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/url.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The process's settings: written once at the start, read everywhere. */
static atomic_int least_level = LOG_LEVEL_INFO;
static atomic_uint host_number;

enum { ESCAPE_BYTES = 12 }; /* of one character, with its NUL */

static const char *const level_names[] = {"debug", "info ", "warn ", "error"};

bool log_writes(enum log_level level) {
    return (int)level >= atomic_load(&least_level);
}

void log_set_level(enum log_level level) {
    assert(level >= LOG_LEVEL_DEBUG && level <= LOG_LEVEL_ERROR);
    atomic_store(&least_level, (int)level);
}

void log_set_host(unsigned number) {
    atomic_store(&host_number, number);
}

/* "[2] ", or "". */
static const char *host_mark(char out[16]) {
    unsigned number = atomic_load(&host_number);
    out[0] = '\0';
    if (number > 0) {
        (void)snprintf(out, 16, "[%u] ", number);
    }
    return out;
}

/* Writes the character at `at`, or its escape such as "\\n", "\\x1b", "\\u{202e}", to `out`;
 * returns how many bytes of the text it took. */
static size_t tell_character(struct slice text, size_t at, char out[ESCAPE_BYTES]) {
    uint32_t c = 0;
    size_t len = utf8_read(text, at, &c);
    if (len > 0 && !utf8_is_harmful(c)) {
        memcpy(out, text.data + at, len);
        out[len] = '\0';
        return len;
    }
    c = len == 0 ? (uint8_t)text.data[at] : c; /* a byte that is not UTF-8 */
    (void)snprintf(out, ESCAPE_BYTES, c == '\n' ? "\\n" : c < 0x100 ? "\\x%02x" : "\\u{%x}", c);
    return len == 0 ? 1 : len;
}

/* Control characters would let a payload forge a line or control a terminal; others change the
 * writing direction. */
static size_t add_escaped(struct slice text, char *out, size_t room) {
    size_t len = 0;
    for (size_t at = 0; at < text.len && len + ESCAPE_BYTES < room;) {
        char told[ESCAPE_BYTES];
        at += tell_character(text, at, told);
        size_t told_len = strlen(told);
        memcpy(out + len, told, told_len);
        len += told_len;
    }
    return len;
}

void log_line(enum log_level level, const char *area, const char *format, ...) {
    assert(level >= LOG_LEVEL_DEBUG && level <= LOG_LEVEL_ERROR);
    if ((int)level < atomic_load(&least_level)) {
        return;
    }
    char text[ERROR_BYTES_MAX + 512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t public_len = url_cut_logins(text);

    int64_t ms = clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0 ? 1 : 0));
    struct tm utc;
    (void)gmtime_r(&seconds, &utc);
    char line[sizeof text * 2];
    size_t len = strftime(line, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    char mark[16];
    int head = snprintf(line + len, 128, ".%03dZ %s %s%s: ", (int)(ms - (int64_t)seconds * 1000),
                        level_names[level], host_mark(mark), area);
    assert(head > 0 && head < 128);
    len += (size_t)head;
    len += add_escaped((struct slice){text, public_len}, line + len, sizeof line - len - 1);
    line[len++] = '\n';
    /* If the log cannot be written, there is nowhere to report that. */
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
}
