/*
 * forwards_packet.c - messages and receipts between hosts, as bytes.
 *
 *   message  "ZQF1" | u16 count | u16 to | u16 from | source128 | u64 token | entries, each
 *            u8 partition | u64 seq | u64 previous | u32 len, record
 *   receipt  "ZQR1" | the same head, as the message had it | u8 partition | u64 seq, ...
 */
#include "engine/forwards.h"

#include "base/limits.h"
#include "journal/forward.h"

#include <string.h>

static const char MESSAGE_MARK[] = "ZQF1";
static const char RECEIPT_MARK[] = "ZQR1";

enum { MARK_BYTES = 4 };

static void begin(struct buf *out, const char *mark, const struct forward_sender *sender) {
    buf_add(out, mark, MARK_BYTES);
    buf_add_u16(out, sender->count);
    buf_add_u16(out, sender->to);
    buf_add_u16(out, sender->from);
    buf_add(out, sender->source.bytes, UUID_BYTES);
    buf_add_u64(out, sender->token);
}

static int read_head(struct slice bytes, const char *mark, struct forward_sender *sender,
                     size_t *at) {
    struct reader r = reader_of(bytes.data, bytes.len);
    struct slice found = read_bytes(&r, MARK_BYTES);
    sender->count = read_u16(&r);
    sender->to = read_u16(&r);
    sender->from = read_u16(&r);
    struct slice source = read_bytes(&r, UUID_BYTES);
    sender->token = read_u64(&r);
    bool numbers = sender->count <= PARTITIONS && sender->to > 0 && sender->to <= sender->count &&
                   sender->from > 0 && sender->from <= sender->count;
    if (r.failed || memcmp(found.data, mark, MARK_BYTES) != 0 || !numbers) {
        return ERR_CORRUPT;
    }
    memcpy(sender->source.bytes, source.data, UUID_BYTES);
    *at = FORWARD_HEAD_BYTES;
    return 0;
}

void forward_message_begin(struct buf *out, const struct forward_sender *sender) {
    begin(out, MESSAGE_MARK, sender);
}

void forward_message_add(struct buf *out, const struct forward_entry *entry) {
    buf_add_u8(out, entry->partition);
    buf_add_u64(out, entry->seq);
    buf_add_u64(out, entry->previous);
    buf_add_lv(out, entry->record);
}

int forward_message_read(struct slice message, struct forward_sender *sender, size_t *at) {
    return read_head(message, MESSAGE_MARK, sender, at);
}

int forward_message_next(struct slice message, size_t *at, struct forward_entry *entry,
                         struct forward *forward) {
    struct reader r = reader_of(message.data + *at, message.len - *at);
    if (*at == message.len) {
        return ERR_NOTFOUND;
    }
    entry->partition = read_u8(&r);
    entry->seq = read_u64(&r);
    entry->previous = read_u64(&r);
    entry->record = read_lv(&r);
    if (r.failed || entry->partition >= PARTITIONS || entry->seq == 0 ||
        entry->previous >= entry->seq) {
        return ERR_CORRUPT;
    }
    *at += FORWARD_ENTRY_BYTES + entry->record.len;
    return forward_decode(entry->record, forward);
}

void forward_receipt_begin(struct buf *out, const struct forward_sender *sender) {
    begin(out, RECEIPT_MARK, sender);
}

void forward_receipt_add(struct buf *out, uint8_t partition, uint64_t seq) {
    buf_add_u8(out, partition);
    buf_add_u64(out, seq);
}

int forward_receipt_read(struct slice receipt, struct forward_sender *sender, size_t *at) {
    return read_head(receipt, RECEIPT_MARK, sender, at);
}

int forward_receipt_next(struct slice receipt, size_t *at, uint8_t *partition, uint64_t *seq) {
    struct reader r = reader_of(receipt.data + *at, receipt.len - *at);
    if (*at == receipt.len) {
        return ERR_NOTFOUND;
    }
    *partition = read_u8(&r);
    *seq = read_u64(&r);
    *at += 1 + sizeof *seq;
    return r.failed || *partition >= PARTITIONS ? ERR_CORRUPT : 0;
}
