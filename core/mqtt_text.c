/*
 * mqtt_text.c - MQTT's strings as libmosquitto checks them: UTF-8 without control characters and
 * without what Unicode calls no characters.
 */
#include "mqtt_text.h"

#include <stdint.h>
#include <stdio.h>

/* The character at `at`: how many bytes it has, 0 when they are no UTF-8. */
static size_t decode(struct slice s, size_t at, uint32_t *character) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)s.data[at];
    size_t len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first > 0xf4 || len == 0 || len > s.len - at) {
        return 0;
    }
    *character = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        uint8_t next = (uint8_t)s.data[at + i];
        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        *character = *character << 6 | (next & 0x3fu);
    }
    bool wrong = *character < least[len] || *character > 0x10ffff ||
                 (*character >= 0xd800 && *character <= 0xdfff);
    return wrong ? 0 : len;
}

static bool is_control(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

static bool is_refused(uint32_t c) {
    return is_control(c) || (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

bool mqtt_text_fault(struct slice s, char *out, size_t size) {
    uint32_t c = 0;
    for (size_t at = 0, len; at < s.len; at += len) {
        len = decode(s, at, &c);
        if (len == 0) {
            (void)snprintf(out, size, "bytes that are no UTF-8");
            return true;
        }
        if (is_refused(c)) {
            (void)snprintf(out, size, "a %s (U+%04X)",
                           is_control(c) ? "control character" : "character that is no text",
                           (unsigned)c);
            return true;
        }
    }
    return false;
}

void mqtt_text_escape(struct buf *out, struct slice s, size_t max) {
    enum { ESCAPED_BYTES = 4 };
    size_t end = out->len + max;
    for (size_t at = 0, step; at < s.len; at += step) {
        uint32_t c = 0;
        size_t len = decode(s, at, &c);
        bool right = len > 0 && !is_refused(c);
        step = len == 0 ? 1 : len;
        if (out->len + (right ? len : step * ESCAPED_BYTES) > end) {
            return;
        }
        if (right) {
            buf_add(out, s.data + at, len);
        }
        for (size_t i = 0; !right && i < step; i++) {
            buf_printf(out, "\\x%02X", (unsigned)(uint8_t)s.data[at + i]);
        }
    }
}
