/*
 * text.c - makes outside text safe to print; formats times and numbers for people.
 *
 * Escapes are for reading, not for parsing: a backslash in the text itself is not escaped.
 */
#include "cli/text.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "event/event.h"
#include "base/utf8.h"
#include "base/uuid.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

size_t text_width(const char *text) {
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return width;
}

static void add_escaped(struct buf *out, uint32_t code) {
    static const char letters[] = "abtnvfr"; /* from 7 on */
    if (code >= 7 && code <= 13) {
        buf_printf(out, "\\%c", letters[code - 7]);
    } else {
        buf_printf(out, code < 0x100 ? "\\x%02" PRIx32 : "\\u{%" PRIx32 "}", code);
    }
}

void text_add_safe(struct buf *out, struct slice text) {
    for (size_t i = 0; i < text.len;) {
        uint32_t code = 0;
        size_t len = utf8_read(text, i, &code);
        if (len == 0 || utf8_is_harmful(code)) {
            add_escaped(out, len == 0 ? (unsigned char)text.data[i] : code);
        } else {
            buf_add(out, text.data + i, len);
        }
        i += len == 0 ? 1 : len;
    }
}

void text_add_id(struct buf *out, struct slice text) {
    struct uuid id;
    char digits[UUID_SHORT_DIGITS + 1];
    if (uuid_parse(text, &id)) {
        buf_add_str(out, uuid_short(&id, digits));
    } else {
        text_add_safe(out, text);
    }
}

void text_add_lines(struct buf *out, struct slice text, const char *indent) {
    while (text.len > 0) {
        struct slice line = slice_first_line(text);
        const size_t used = line.len < text.len ? line.len + 1 : line.len;
        buf_add_str(out, indent);
        for (; line.len > 0 && *line.data == '\t'; line.data++, line.len--) {
            buf_add_str(out, "  "); /* like the indentation of Lua's tracebacks */
        }
        text_add_safe(out, line);
        buf_add_str(out, "\n");
        text = (struct slice){text.data + used, text.len - used};
    }
}

/* ---- JSON ---- */

bool text_is_json(struct slice text) {
    return json_check(text, "text", NULL) == 0;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next token at *at: a string with its quotes, a run of other characters, or one of {}[]:, */
static struct slice next_token(struct slice json, size_t *at) {
    while (*at < json.len && is_blank(json.data[*at])) {
        (*at)++;
    }
    size_t from = *at;
    if (from == json.len) {
        return (struct slice){"", 0};
    }
    if (json.data[from] == '"') {
        size_t i = from + 1;
        while (i < json.len && json.data[i] != '"') {
            i += json.data[i] == '\\' ? 2 : 1;
        }
        *at = i < json.len ? i + 1 : json.len;
    } else {
        (*at)++;
        bool mark = strchr("{}[]:,", json.data[from]) != NULL;
        while (!mark && *at < json.len && !is_blank(json.data[*at]) &&
               strchr("{}[]:,\"", json.data[*at]) == NULL) {
            (*at)++;
        }
    }
    return (struct slice){json.data + from, *at - from};
}

static void new_line(struct buf *out, size_t depth) {
    buf_add_str(out, "\n");
    for (size_t i = 0; i < depth; i++) {
        buf_add_str(out, "  ");
    }
}

void text_add_json_spread(struct buf *out, struct slice json) {
    size_t depth = 0;
    size_t at = 0;
    bool opened = false; /* after an opening bracket, before its content */
    for (;;) {
        struct slice token = next_token(json, &at);
        if (token.len == 0) {
            return;
        }
        char c = token.data[0];
        bool closes = c == '}' || c == ']';
        depth -= closes && depth > 0 ? 1 : 0;
        if (closes != opened) {
            new_line(out, depth);
        }
        buf_add_slice(out, token);
        opened = c == '{' || c == '[';
        depth += opened ? 1 : 0;
        if (c == ',') {
            new_line(out, depth);
        } else if (c == ':') {
            buf_add_str(out, " ");
        }
    }
}

void text_add_json_tight(struct buf *out, struct slice json) {
    size_t at = 0;
    struct slice token = next_token(json, &at);
    for (; token.len > 0; token = next_token(json, &at)) {
        buf_add_slice(out, token);
    }
}

/* ---- times and numbers ---- */

void text_add_time(struct buf *out, int64_t ms, bool with_ms) {
    time_t seconds = (time_t)(ms / 1000);
    struct tm local;
    char text[64];
    if (localtime_r(&seconds, &local) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local) == 0) {
        buf_printf(out, "%" PRId64 " ms", ms);
        return;
    }
    buf_add_str(out, text);
    if (with_ms) {
        buf_printf(out, ".%03d", (int)(ms % 1000));
    }
}

void text_add_ago(struct buf *out, int64_t now_ms, int64_t ms) {
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}};
    int64_t apart = ms > now_ms ? ms - now_ms : now_ms - ms;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (apart >= units[i].ms) {
            buf_printf(out, ms > now_ms ? "in %" PRId64 " %s" : "%" PRId64 " %s ago",
                       apart / units[i].ms, units[i].unit);
            return;
        }
    }
    buf_add_str(out, "now");
}

void text_add_when(struct buf *out, int64_t now_ms, int64_t ms) {
    if (ms == 0) {
        buf_add_str(out, "-");
        return;
    }
    text_add_time(out, clock_to_wall(ms), false);
    buf_add_str(out, " (");
    text_add_ago(out, now_ms, ms);
    buf_add_str(out, ")");
}

void text_add_duration_us(struct buf *out, int64_t us) {
    if (us < 1000) {
        buf_printf(out, "%" PRId64 " us", us);
    } else if (us < 1000000) {
        buf_printf(out, us < 100000 ? "%.1f ms" : "%.0f ms", (double)us / 1000.0);
    } else {
        buf_printf(out, us < 100000000 ? "%.1f s" : "%.0f s", (double)us / 1000000.0);
    }
}

void text_add_count(struct buf *out, uint64_t n) {
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
    assert(len > 0 && len < (int)sizeof digits);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            buf_add_str(out, ",");
        }
        buf_add(out, digits + i, 1);
    }
}

void text_add_bytes(struct buf *out, uint64_t n) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double amount = (double)n;
    size_t i = 0;
    for (; amount >= 1024 && i + 1 < sizeof units / sizeof *units; i++) {
        amount /= 1024;
    }
    buf_printf(out, i == 0 || amount == (double)(uint64_t)amount ? "%.0f %s" : "%.1f %s", amount,
               units[i]);
}

enum text_style text_state_style(uint8_t state) {
    static const enum text_style styles[EVENT_STATE_COUNT] = {
        [EVENT_RETRYING] = STYLE_WARN,    [EVENT_SLEEPING] = STYLE_WARN,
        [EVENT_DONE] = STYLE_GOOD,        [EVENT_DEAD] = STYLE_BAD,
        [EVENT_DISCARDED] = STYLE_DIM,    [EVENT_COMPENSATING] = STYLE_WARN,
        [EVENT_NEEDS_PERSON] = STYLE_BAD, [EVENT_EXPIRED] = STYLE_DIM,
    };
    assert(state < EVENT_STATE_COUNT);
    return styles[state];
}

void text_print(FILE *out, bool colour, enum text_style style, const char *text) {
    static const char *const codes[] = {
        [STYLE_PLAIN] = "",  [STYLE_HEAD] = "1", [STYLE_GOOD] = "32",
        [STYLE_WARN] = "33", [STYLE_BAD] = "31", [STYLE_DIM] = "2"};
    assert((size_t)style < sizeof codes / sizeof *codes);
    if (colour && style != STYLE_PLAIN && text[0] != '\0') {
        (void)fprintf(out, "\x1b[%sm%s\x1b[0m", codes[style], text);
    } else {
        (void)fputs(text, out);
    }
}
