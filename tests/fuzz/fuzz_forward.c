/*
 * fuzz_forward.c - any bytes as a message, and as a receipt, of another host. Promises: what is read
 * of them lies within them; a row that is taken could have been written here.
 */
#include "fuzz.h"

#include "engine/forwards.h"

#include "base/limits.h"

static void read_message(struct slice message) {
    struct forward_sender sender;
    struct forward_entry entry;
    struct forward forward;
    struct buf again;
    size_t at = 0;
    if (forward_message_read(message, &sender, &at) != 0) {
        return;
    }
    buf_init(&again, message.len + FORWARD_HEAD_BYTES);
    while (forward_message_next(message, &at, &entry, &forward) == 0) {
        assert(at <= message.len && entry.partition < PARTITIONS);
        assert(entry.record.data + entry.record.len <= message.data + at);
        buf_reset(&again);
        forward_encode(&forward, &again);
        assert(slice_equal(buf_slice(&again), entry.record) || forward.retained);
    }
    buf_clear(&again);
}

static void read_receipt(struct slice receipt) {
    struct forward_sender sender;
    uint8_t partition;
    uint64_t seq;
    size_t at = 0;
    int code = forward_receipt_read(receipt, &sender, &at);
    while (code == 0 && (code = forward_receipt_next(receipt, &at, &partition, &seq)) == 0) {
        assert(at <= receipt.len && partition < PARTITIONS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct slice bytes = {(const char *)data, size};
    read_message(bytes);
    read_receipt(bytes);
    return 0;
}
