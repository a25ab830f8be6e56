/* wire_tell.c - see wire_tell.h. */
#include "wire_tell.h"

#include "wire_os.h"

#include <stdarg.h>
#include <string.h>

enum { STORY_LINES = 160, LINE_BYTES = 224 };

static struct {
    uint64_t hash;
    size_t count;
    bool loud;
    bool failed;
    char failure[LINE_BYTES];
    char lines[STORY_LINES][LINE_BYTES];
} history;

void wire_tell_begin(bool loud) {
    history.hash = 14695981039346656037u; /* FNV-1a */
    history.count = 0;
    history.loud = loud;
    history.failed = false;
}

static void add(const char *kind, const char *format, va_list args) {
    char *line = history.lines[history.count % STORY_LINES];
    int64_t ms = wire_clock_ms();
    int head = snprintf(line, LINE_BYTES, "%6lld.%03lld  %s", (long long)(ms / 1000),
                        (long long)(ms % 1000), kind);
    (void)vsnprintf(line + head, LINE_BYTES - (size_t)head, format, args);
    for (const char *at = line; *at != '\0'; at++) {
        history.hash = (history.hash ^ (uint8_t)*at) * 1099511628211u;
    }
    history.count++;
    if (history.loud) {
        (void)printf("%s\n", line);
    }
}

void wire_tell(const char *format, ...) {
    if (history.failed) {
        return; /* the story ends with what went wrong */
    }
    va_list args;
    va_start(args, format);
    add("", format, args);
    va_end(args);
}

void wire_wrong(const char *format, ...) {
    if (history.failed) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(history.failure, sizeof history.failure, format, args);
    va_end(args);
    va_start(args, format);
    add("WRONG: ", format, args);
    va_end(args);
    history.failed = true;
}

const char *wire_tell_failure(void) {
    return history.failed ? history.failure : NULL;
}

uint64_t wire_tell_hash(void) {
    return history.hash;
}

size_t wire_tell_count(void) {
    return history.count;
}

void wire_tell_story(FILE *out) {
    size_t kept = history.count < STORY_LINES ? history.count : STORY_LINES;
    for (size_t i = history.count - kept; i < history.count; i++) {
        (void)fprintf(out, "    %s\n", history.lines[i % STORY_LINES]);
    }
}
