/*
 * pack.c - a turn, or a slice, as the bytes of one field: its parts, compressed.
 *
 * Rows of the same kind follow one another in a turn, and say much of the same: compressed, it is a
 * fifth or less. Which is what the network, the server, its standbys and their disks have to carry.
 *
 *   packed   a zstd frame (RFC 8878) with its content's size and checksum, of parts in their order
 *   part     u8 home | u32 len, bytes: body
 */
#include "cluster/impl.h"

#include <zstd.h>
#include <zstd_errors.h>

enum {
    BYTES_KEPT = 1 << 20, /* of memory, between turns */
    LEVEL = 1             /* the fastest that still finds most of what repeats */
};

int pack_init(struct pack *p) {
    buf_init(&p->plain, TURN_BYTES);
    buf_init(&p->packed, TURN_BYTES);
    p->zstd = ZSTD_createCCtx();
    bool good = p->zstd != NULL &&
                !ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, LEVEL)) &&
                !ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1));
    return good ? 0 : ERR_MEMORY;
}

void pack_clear(struct pack *p) {
    buf_clear(&p->plain);
    buf_clear(&p->packed);
    (void)ZSTD_freeCCtx(p->zstd);
}

void pack_trim(struct pack *p) {
    buf_trim(&p->plain, BYTES_KEPT);
    buf_trim(&p->packed, BYTES_KEPT);
}

int pack_turn(struct pack *p, const struct log_turn *turn, struct packed *out) {
    *out = (struct packed){.bytes = 0};
    buf_reset(&p->plain);
    buf_reset(&p->packed);
    for (size_t i = 0; i < turn->count; i++) {
        buf_add_u8(&p->plain, turn->parts[i].home);
        buf_add_lv(&p->plain, turn->parts[i].body);
        out->bytes += (int64_t)turn->parts[i].body.len;
    }
    size_t most = ZSTD_compressBound(p->plain.len);
    if (p->plain.failed || !buf_reserve(&p->packed, most)) {
        return ERR_MEMORY;
    }
    size_t len = ZSTD_compress2(p->zstd, p->packed.data, most, p->plain.data, p->plain.len);
    if (ZSTD_isError(len)) { /* there is room: it lacks memory of its own */
        return ERR_MEMORY;
    }
    p->packed.len = len;
    out->body = buf_slice(&p->packed);
    return 0;
}

/* What it is when it is not compressed. */
static int expand(struct slice packed, struct buf *plain) {
    unsigned long long size = ZSTD_getFrameContentSize(packed.data, packed.len);
    buf_reset(plain);
    if (size > TURN_BYTES) { /* ZSTD_CONTENTSIZE_UNKNOWN and _ERROR are */
        return ERR_CORRUPT;
    }
    if (!buf_reserve(plain, (size_t)size)) {
        return ERR_MEMORY;
    }
    size_t len = ZSTD_decompress(plain->data, (size_t)size, packed.data, packed.len);
    if (ZSTD_isError(len)) {
        return ZSTD_getErrorCode(len) == ZSTD_error_memory_allocation ? ERR_MEMORY : ERR_CORRUPT;
    }
    plain->len = len;
    return len == size ? 0 : ERR_CORRUPT;
}

int unpack_turn(struct slice packed, struct buf *plain, struct log_turn *out) {
    int code = expand(packed, plain);
    struct reader r = reader_of(plain->data, plain->len);
    out->count = 0;
    while (code == 0 && r.at != r.end) {
        uint8_t home = read_u8(&r);
        struct slice body = read_lv(&r);
        if (r.failed || home >= HOMES || out->count == HOMES) {
            code = ERR_CORRUPT;
        } else {
            out->parts[out->count++] = (struct log_part){.home = home, .body = body};
        }
    }
    return code != 0 ? code : out->count > 0 ? 0 : ERR_CORRUPT;
}
