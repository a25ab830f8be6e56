/* log.c - one line, one fact, one write(2). */
#include "base/log.h"

#include "base/clock.h"
#include "base/limits.h"

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

static const char *const level_names[] = {"debug", "info ", "warn ", "error"};

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

/* Control characters would let a payload forge a line or drive a terminal. */
static size_t escape_controls(const char *text, char *out, size_t room) {
    static const char hex[] = "0123456789abcdef";
    size_t len = 0;
    for (const char *c = text; *c != '\0' && len + 5 < room; c++) {
        unsigned char u = (unsigned char)*c;
        if (u == '\n') {
            out[len++] = '\\';
            out[len++] = 'n';
        } else if (u < 0x20 || u == 0x7f) {
            out[len++] = '\\';
            out[len++] = 'x';
            out[len++] = hex[u >> 4];
            out[len++] = hex[u & 15];
        } else {
            out[len++] = *c;
        }
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
    len += escape_controls(text, line + len, sizeof line - len - 1);
    line[len++] = '\n';
    /* A log that cannot be written has nowhere to say so. */
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
}
