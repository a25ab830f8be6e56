/*
 * utf8.h - UTF-8 (RFC 3629), a character at a time: no surrogates, no overlong forms.
 */
#ifndef ZINGQ_BASE_UTF8_H
#define ZINGQ_BASE_UTF8_H

#include "base/buf.h"

/* The length in bytes of the character at `at`, and the character; 0 if it is not valid UTF-8. at <
 * s.len. */
size_t utf8_read(struct slice s, size_t at, uint32_t *character);
/* Whether it is UTF-8 from its first byte to its last. */
bool utf8_is_valid(struct slice s);
/* Replaces each byte that is part of no character by '?'. */
void utf8_mend(char *text);
/* Whether a character moves the cursor, colours the screen, turns the direction of writing or is
 * not seen at all: nothing to show as it is. */
bool utf8_is_harmful(uint32_t character);

#endif
