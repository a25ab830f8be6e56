/* utf8.c - see base/utf8.h. */
#include "base/utf8.h"

#include <assert.h>

size_t utf8_read(struct slice s, size_t at, uint32_t *character) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    assert(at < s.len);
    uint8_t first = (uint8_t)s.data[at];
    size_t len = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first > 0xf4 || len == 0 || len > s.len - at) {
        return 0;
    }
    uint32_t c = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        uint8_t next = (uint8_t)s.data[at + i];
        if ((next & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (next & 0x3fu);
    }
    *character = c;
    bool wrong = c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff);
    return wrong ? 0 : len;
}

bool utf8_is_valid(struct slice s) {
    uint32_t character;
    size_t one;
    for (size_t at = 0; at < s.len; at += one) {
        one = (unsigned char)s.data[at] < 0x80 ? 1 : utf8_read(s, at, &character);
        if (one == 0) {
            return false;
        }
    }
    return true;
}

void utf8_mend(char *text) {
    const struct slice all = slice_of(text);
    uint32_t character;
    for (size_t at = 0, len; at < all.len; at += len == 0 ? 1 : len) {
        len = utf8_read(all, at, &character);
        if (len == 0) {
            text[at] = '?';
        }
    }
}

bool utf8_is_harmful(uint32_t character) {
    static const uint32_t ranges[][2] = {
        {0x00, 0x1F},     {0x7F, 0x9F},     {0x061C, 0x061C}, {0x200B, 0x200F},
        {0x2028, 0x202E}, {0x2060, 0x2069}, {0xFEFF, 0xFEFF}, {0xE0000, 0xE007F},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (character >= ranges[i][0] && character <= ranges[i][1]) {
            return true;
        }
    }
    return false;
}
