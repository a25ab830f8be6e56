/*
 * fuzz_value.c - any text as a state value. Promise: what was read from JSON is written as JSON
 * that reads back as the same value.
 */
#include "fuzz.h"

#include "event/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { ROOM = 1 << 20 };
    struct buf value;
    struct buf json;
    struct buf again;
    buf_init(&value, ROOM);
    buf_init(&json, ROOM);
    buf_init(&again, ROOM);
    struct report r = {""};
    if (value_from_json((struct slice){(const char *)data, size}, &value, &r) != 0) {
        assert(r.text[0] != '\0');
    } else {
        assert(value_to_json(buf_slice(&value), &json) == 0);
        assert(value_from_json(buf_slice(&json), &again, &r) == 0);
        assert(slice_equal(buf_slice(&value), buf_slice(&again)));
        (void)value_add(buf_slice(&value), true, INT64_MAX, 0, &again);
    }
    buf_clear(&again);
    buf_clear(&json);
    buf_clear(&value);
    return 0;
}
