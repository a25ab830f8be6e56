/*
 * fuzz_event.c - any bytes as an event: as its user properties, as an id.
 *
 * Promise: no bytes that arrive from a topic can break the host, and what is read of them lies
 * within them.
 */
#include "fuzz.h"

#include "event/event.h"

#include "base/json.h"

static void read_properties(struct slice bytes) {
    size_t at = 0;
    struct slice name;
    struct slice value;
    while (property_next(bytes, &at, &name, &value)) {
        assert(at <= bytes.len);
        assert(name.data >= bytes.data && name.data + name.len <= bytes.data + at);
        assert(value.data + value.len == bytes.data + at);
    }
    (void)property_find(bytes, "zingq-id", &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice bytes = {(const char *)data, size};
    struct event_bytes fields = {.topic = slice_of("fuzz"), .payload = bytes, .properties = bytes};
    struct event *event = event_new(&fields);
    assert(event != NULL);
    read_properties(event->properties);
    struct uuid id;
    if (uuid_parse(bytes, &id)) {
        assert(size == UUID_TEXT_BYTES);
    }
    event_free(event);
    return 0;
}
