/*
 * text.c - MQTT strings as libmosquitto checks them: UTF-8 without control characters and without
 * Unicode's noncharacters.
 */
#include "io/mqtt/text.h"

#include "base/utf8.h"

#include <stdio.h>

static bool is_control(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

static bool is_refused(uint32_t c) {
    return is_control(c) || (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe;
}

bool mqtt_text_fault(struct slice s, char *out, size_t size) {
    uint32_t c = 0;
    for (size_t at = 0, len; at < s.len; at += len) {
        len = utf8_read(s, at, &c);
        if (len == 0) {
            (void)snprintf(out, size, "bytes that are not UTF-8");
            return true;
        }
        if (is_refused(c)) {
            (void)snprintf(out, size, "a %s (U+%04X)",
                           is_control(c) ? "control character" : "character that is not text",
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
        size_t len = utf8_read(s, at, &c);
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
