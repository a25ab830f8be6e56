/* json_write.c - see base/json_write.h. */
#include "base/json_write.h"

#include "base/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *json_real_text(double v, char out[JSON_REAL_BYTES]) {
    assert(isfinite(v));
    for (int digits = 15; digits <= 17; digits++) {
        int len = snprintf(out, JSON_REAL_BYTES, "%.*g", digits, v);
        assert(len > 0 && len < JSON_REAL_BYTES - 2);
        if (digits == 17 || strtod(out, NULL) == v) { // cppcheck-suppress floatComparison
            break;
        }
    }
    if (strpbrk(out, ".eE") == NULL) {
        memcpy(out + strlen(out), ".0", 3);
    }
    return out;
}

static void quote_ascii(unsigned char c, struct buf *out) {
    static const char names[] = "btn\vfr"; /* from 8 on; 11 has no short form */
    if (c == '"' || c == '\\') {
        char pair[2] = {'\\', (char)c};
        buf_add(out, pair, 2);
    } else if (c >= 8 && c <= 13 && c != 11) {
        char pair[2] = {'\\', names[c - 8]};
        buf_add(out, pair, 2);
    } else {
        buf_printf(out, "\\u%04x", c);
    }
}

static bool is_plain(unsigned char c) {
    return c >= 0x20 && c != '"' && c != '\\' && c < 0x80;
}

bool json_quote(struct slice text, struct buf *out) {
    const unsigned char *s = (const unsigned char *)text.data;
    bool valid = true;
    buf_add_u8(out, '"');
    for (size_t i = 0; i < text.len;) {
        size_t run = i;
        while (run < text.len && is_plain(s[run])) {
            run++;
        }
        buf_add(out, s + i, run - i);
        i = run;
        if (i == text.len) {
            break;
        }
        uint32_t character;
        size_t len = utf8_read(text, i, &character);
        if (len == 0) {
            valid = false;
            buf_add_str(out, "\xEF\xBF\xBD");
            len = 1;
        } else if (len == 1) {
            quote_ascii(s[i], out);
        } else {
            buf_add(out, s + i, len);
        }
        i += len;
    }
    buf_add_u8(out, '"');
    return valid;
}
