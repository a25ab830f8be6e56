/*
 * fuzz_ask.c - any bytes as a request of another host, and as an answer. Promise: what is read is
 * written as the same bytes, and can be made a request of.
 */
#include "fuzz.h"

#include "peers/ask_wire.h"

static void on_answer(void *ctx, const struct gateway_reply *reply) {
    (void)ctx;
    (void)reply;
}

static void read_request(struct slice bytes, struct buf *again) {
    struct ask_request request;
    struct gateway_request *guest = NULL;
    if (ask_read_request(&request, bytes) != 0) {
        return;
    }
    ask_write_request(&request.words, again);
    assert(slice_equal(buf_slice(again), bytes));
    assert(gateway_guest_new(&guest, &request.words, NULL, on_answer) == 0);
    assert(gateway_query(guest, "key") == NULL || gateway_path(guest)[0] == '/');
    gateway_guest_free(guest);
    ask_request_clear(&request);
}

static void read_reply(struct slice bytes, struct buf *again) {
    struct ask_reply reply;
    if (ask_read_reply(&reply, bytes) == 0) {
        buf_reset(again);
        ask_write_reply(&reply.reply, again);
        assert(slice_equal(buf_slice(again), bytes));
        ask_reply_clear(&reply);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice bytes = {(const char *)data, size};
    struct buf again;
    buf_init(&again, size + 64);
    read_request(bytes, &again);
    read_reply(bytes, &again);
    buf_clear(&again);
    return 0;
}
