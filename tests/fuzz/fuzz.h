/*
 * fuzz.h - what the fuzzers share.
 *
 * Each fuzz_NAME.c has one LLVMFuzzerTestOneInput. libFuzzer calls it (./dev fuzz), and so does
 * replay.c, in every build, for what is kept in corpus/NAME. It asserts what its head promises.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/buf.h"

#include <assert.h>
#include <stdlib.h>

/* Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline struct slice fuzz_slice(const uint8_t *data, size_t size) {
    return (struct slice){(const char *)data, size};
}

/* Cuts the bytes before the first `end` off `rest`, and that; all of it if there is none. */
static inline struct slice fuzz_cut(struct slice *rest, char end) {
    const char *at = rest->len == 0 ? NULL : memchr(rest->data, end, rest->len);
    struct slice cut = {rest->data, at == NULL ? rest->len : (size_t)(at - rest->data)};
    size_t taken = at == NULL ? cut.len : cut.len + 1;
    rest->data += rest->len == 0 ? 0 : taken;
    rest->len -= taken;
    return cut;
}

/* The first line of `rest`, cut off; a NUL ends the text early. The caller frees it. */
static inline char *fuzz_line(struct slice *rest) {
    char *line = slice_dup(fuzz_cut(rest, '\n'));
    assert(line != NULL);
    return line;
}

/* The first byte of `rest`, cut off; 0 if there is none. */
static inline uint8_t fuzz_byte(struct slice *rest) {
    if (rest->len == 0) {
        return 0;
    }
    rest->len--;
    return (uint8_t)*rest->data++;
}

#endif
