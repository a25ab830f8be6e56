/*
 * fuzz_span.c - any bytes as a traceparent, a tracestate, and the words of a span.
 *
 * Input: two lines and a rest: traceparent, tracestate, words. Promises: a context that is read is
 * written as one that reads the same; what goes on with an event has one traceparent; a span is JSON.
 */
#include "fuzz.h"

#include "base/json.h"
#include "event/span.h"

enum { ROOM = 1 << 16 };

static void read_again(struct slice text, struct span_context *at) {
    char words[TRACEPARENT_BYTES + 1];
    struct span_context again;
    *at = (struct span_context){.trace = {1}, .span = {{1}}};
    if (span_context_parse(text, at)) {
        assert(span_context_parse(slice_of(span_context_text(at, words)), &again));
        assert(memcmp(at, &again, sizeof again) == 0);
    }
}

static void carry(const struct span_context *at, struct slice tracestate) {
    struct buf properties;
    struct slice name;
    struct slice value;
    size_t place = 0;
    size_t count = 0;
    buf_init(&properties, ROOM);
    span_carry(at, tracestate, &properties);
    while (property_next(buf_slice(&properties), &place, &name, &value)) {
        assert(property_check(name, "name", NULL) == 0 &&
               property_check(value, "value", NULL) == 0);
        count++;
    }
    assert(place == properties.len && count >= 1 && count <= 2);
    assert(property_find(buf_slice(&properties), "traceparent", &value));
    buf_clear(&properties);
}

static void write_span(const struct span_context *at, struct slice words, int64_t number) {
    struct buf attributes;
    struct buf out;
    buf_init(&attributes, ROOM);
    buf_init(&out, ROOM);
    span_add_text(&attributes, "messaging.destination.name", words);
    span_add_number(&attributes, "zingq.attempt", number);
    struct span span = {.at = *at,
                        .parent = span_id_of(words),
                        .kind = SPAN_CONSUMER,
                        .name = words,
                        .start_us = 1764500000000000,
                        .end_us = 1764500000000001,
                        .failed = true,
                        .error = words,
                        .attributes = &attributes};
    buf_add_str(&out, "[{}");
    bool written = span_write(&out, &span);
    buf_add_str(&out, "]");
    assert(written && json_check(buf_slice(&out), "span", NULL) == 0);
    buf_clear(&out);
    buf_clear(&attributes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = fuzz_slice(data, size < 4096 ? size : 4096);
    struct slice traceparent = fuzz_cut(&rest, '\n');
    struct slice tracestate = fuzz_cut(&rest, '\n');
    struct span_context at;
    read_again(traceparent, &at);
    carry(&at, tracestate);
    write_span(&at, rest, (int64_t)size);
    assert(!span_is_sampled(&at, 0) && span_is_sampled(&at, 1));
    return 0;
}
