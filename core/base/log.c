/*
 * log.c - one line, one fact, one write(2).
 *
 * Settings belong to the process: every thread reads them, reading topics.conf sets them.
 */
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

const char *const log_areas[LOG_AREA_COUNT] = {"admin", "audit",  "broker",  "engine",
                                               "files", "fleet",  "handler", "host",
                                               "http",  "script", "store"};

static atomic_int least_level = LOG_LEVEL_INFO;
static atomic_int least_of_area[LOG_AREA_COUNT]; /* LOG_LEVEL_UNSET: least_level */
static atomic_bool as_json;
static atomic_uint host_number;
static void (*diverted)(void *ctx, struct slice line); /* NULL: to standard error */
static void *diverted_ctx;

enum {
    ESCAPE_BYTES = 16, /* of one character, with its NUL */
    HEAD_BYTES = 256,
    LINE_BYTES = HEAD_BYTES + 6 * (LOG_MESSAGE_BYTES + LOG_MEMBERS_BYTES),
};
static_assert(LOG_MESSAGE_BYTES == ERROR_BYTES_MAX + 512, "an error fits, and what stands before");

static const char *const level_names[] = {"", "debug", "info", "warn", "error"};

/* A line under construction. Escaping makes six bytes of one at most, so everything fits. */
struct line {
    char text[LINE_BYTES];
    size_t len;
};

void log_set(const struct log_settings *settings) {
    assert(strcmp(log_areas[LOG_AREA_HANDLER], "handler") == 0);
    enum log_level level = settings->level;
    atomic_store(&least_level, (int)(level == LOG_LEVEL_UNSET ? LOG_LEVEL_INFO : level));
    for (size_t i = 0; i < LOG_AREA_COUNT; i++) {
        atomic_store(&least_of_area[i], (int)settings->areas[i]);
    }
    atomic_store(&as_json, settings->json);
}

bool log_is_json(void) {
    return atomic_load(&as_json);
}

bool log_writes(enum log_level level, const char *area) {
    int least = LOG_LEVEL_UNSET;
    for (size_t i = 0; i < LOG_AREA_COUNT && least == LOG_LEVEL_UNSET; i++) {
        if (strcmp(log_areas[i], area) == 0) {
            least = atomic_load(&least_of_area[i]);
        }
    }
    return (int)level >= (least == LOG_LEVEL_UNSET ? atomic_load(&least_level) : least);
}

void log_set_host(unsigned number) {
    atomic_store(&host_number, number);
}

void log_divert(void (*take)(void *ctx, struct slice line), void *ctx) {
    diverted = take;
    diverted_ctx = ctx;
}

static void add(struct line *line, const char *text) {
    size_t len = strlen(text);
    assert(len <= sizeof line->text - line->len);
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

/* Escapes a character in a text: "\n", "\x1b", "\u{202e}". */
static void tell_in_text(uint32_t c, char out[ESCAPE_BYTES]) {
    (void)snprintf(out, ESCAPE_BYTES, c == '\n' ? "\\n" : c < 0x100 ? "\\x%02x" : "\\u{%x}", c);
}

/* The same in a string of JSON; a byte that is not UTF-8 becomes U+FFFD. */
static void tell_in_json(uint32_t c, bool valid, char out[ESCAPE_BYTES]) {
    if (!valid) {
        (void)snprintf(out, ESCAPE_BYTES, "\\ufffd");
    } else if (c == '"' || c == '\\') {
        (void)snprintf(out, ESCAPE_BYTES, "\\%c", (int)c);
    } else if (c == '\n') {
        (void)snprintf(out, ESCAPE_BYTES, "\\n");
    } else if (c < 0x10000) {
        (void)snprintf(out, ESCAPE_BYTES, "\\u%04x", c);
    } else {
        (void)snprintf(out, ESCAPE_BYTES, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10),
                       0xdc00 + (c & 0x3ff));
    }
}

/* Control characters would let a payload forge a line or drive a terminal, others turn it round.
 * `quoted`: the text becomes the inside of a string, so quotes and backslashes are escaped too. */
static void add_escaped(struct line *line, struct slice text, bool json, bool quoted) {
    for (size_t at = 0; at < text.len;) {
        char told[ESCAPE_BYTES];
        uint32_t c = 0;
        size_t len = utf8_read(text, at, &c);
        bool valid = len > 0;
        if (valid && !utf8_is_harmful(c) && !(quoted && (c == '"' || c == '\\'))) {
            memcpy(told, text.data + at, len);
            told[len] = '\0';
        } else {
            json ? tell_in_json(c, valid, told)
                 : tell_in_text(valid ? c : (uint8_t)text.data[at], told);
        }
        at += valid ? len : 1;
        add(line, told);
    }
}

/* "2026-01-02T03:04:05.678Z" */
static void tell_now(char out[32]) {
    int64_t ms = clock_wall_ms();
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0 ? 1 : 0));
    struct tm utc;
    (void)gmtime_r(&seconds, &utc);
    size_t len = strftime(out, 26, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(out + len, 32 - len, ".%03dZ", (int)(ms - (int64_t)seconds * 1000) % 1000);
}

static void add_head(struct line *line, enum log_level level, const char *area, bool json) {
    char head[HEAD_BYTES];
    char now[32];
    char mark[32] = "";
    unsigned host = atomic_load(&host_number);
    if (host > 0) {
        (void)snprintf(mark, sizeof mark, json ? "\"host\":%u," : "[%u] ", host);
    }
    tell_now(now);
    (void)snprintf(head, sizeof head,
                   json ? "{\"time\":\"%s\",\"level\":\"%s\",%s\"area\":\"%s\",\"message\":\""
                        : "%s %-5s %s%s: ",
                   now, level_names[level], mark, area);
    add(line, head);
}

static void add_json(struct line *line, char *text, char *members) {
    add_escaped(line, (struct slice){text, url_cut_logins(text)}, true, true);
    add(line, "\"");
    add_escaped(line, (struct slice){members, url_cut_logins(members)}, true, false);
    add(line, "}");
}

/* Copies as much as fits, and terminates it. */
static size_t copy_text(char *out, size_t room, struct slice text) {
    size_t len = text.len < room ? text.len : room - 1;
    memcpy(out, text.data, len);
    out[len] = '\0';
    return len;
}

void log_text(enum log_level level, const char *area, struct slice message, struct slice more) {
    assert(level >= LOG_LEVEL_DEBUG && level <= LOG_LEVEL_ERROR);
    if (!log_writes(level, area)) {
        return;
    }
    char text[LOG_MESSAGE_BYTES];
    struct line line;
    line.len = 0;
    const bool json = log_is_json(); /* another thread may be reading topics.conf */
    add_head(&line, level, area, json);
    size_t len = copy_text(text, sizeof text, message);
    if (json) {
        char members[LOG_MEMBERS_BYTES + 1] = "";
        assert(more.len <= LOG_MEMBERS_BYTES);
        (void)copy_text(members, sizeof members, more);
        add_json(&line, text, members);
    } else {
        (void)copy_text(text + len, sizeof text - len, more);
        add_escaped(&line, (struct slice){text, url_cut_logins(text)}, false, false);
    }
    add(&line, "\n");
    if (diverted != NULL) {
        diverted(diverted_ctx, (struct slice){line.text, line.len});
        return;
    }
    /* A log that cannot be written has nowhere to say so. */
    ssize_t written = write(STDERR_FILENO, line.text, line.len);
    (void)written;
}

void log_line(enum log_level level, const char *area, const char *format, ...) {
    if (!log_writes(level, area)) {
        return;
    }
    char text[LOG_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_text(level, area, slice_of(text), (struct slice){"", 0});
}
