/*
 * fuzz_frame.c - any bytes as a broker's stream, cut anywhere. Promises: however it is cut, the
 * same comes out; what comes out is whole packets that go in again and come out unchanged (but for
 * PINGRESPs, which depend on the cut); memory is bounded by the largest packet.
 *
 * The first bytes of the input choose the largest packet and the cuts.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "io/mqtt/frame.h"

static const char mark[] = "0123456789abcdef0123456789abcdef";
static const uint8_t connack[] = {0x20, 3, 0, 0, 0};

static size_t feed(struct mqtt_frame *f, const uint8_t *bytes, size_t len) {
    size_t room = 0;
    uint8_t *space = mqtt_frame_space(f, &room);
    assert(space != NULL && room > 0);
    assert(f->cap <= 2 * (f->bytes_max + MQTT_FRAME_HEAD_BYTES + MQTT_FRAME_READ_BYTES));
    size_t n = len < room ? len : room;
    memcpy(space, bytes, n);
    mqtt_frame_add(f, n);
    return n;
}

/* Everything that comes out, without PINGRESPs; each take has `take` bytes at most. */
static bool pass(const uint8_t *bytes, size_t len, size_t cut, size_t take, uint64_t bytes_max,
                 struct buf *out) {
    struct mqtt_frame f;
    uint8_t piece[4096];
    size_t at = 0;
    mqtt_frame_init(&f, bytes_max, mark);
    for (;;) {
        size_t begun = out->len;
        while (mqtt_frame_pending(&f) && !f.failed) {
            do {
                size_t n = mqtt_frame_take(&f, piece, take);
                assert(n > 0 && n <= take);
                buf_add(out, piece, n);
            } while (f.out_left > 0);
            if (out->len - begun == 2 && memcmp(out->data + begun, "\xd0", 2) == 0) {
                out->len = begun;
            }
            begun = out->len;
        }
        if (f.failed || at == len) {
            break;
        }
        at += feed(&f, bytes + at, len - at < cut ? len - at : cut);
    }
    bool failed = f.failed;
    assert(!failed || f.ended || f.failure.text[0] != '\0'); /* a DISCONNECT has its reason */
    mqtt_frame_clear(&f);
    return failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { OUT_BYTES_MAX = 64 << 20, LARGE = 1 << 22 };
    if (size < 3) {
        return 0;
    }
    uint64_t bytes_max = data[0] == 0 ? LARGE : (uint64_t)data[0] * 16;
    struct buf in;
    struct buf once;
    struct buf cut;
    struct buf again;
    buf_init(&in, OUT_BYTES_MAX);
    buf_init(&once, OUT_BYTES_MAX);
    buf_init(&cut, OUT_BYTES_MAX);
    buf_init(&again, OUT_BYTES_MAX);
    if (data[2] % 4 != 0) {
        buf_add(&in, connack, sizeof connack);
    }
    buf_add(&in, data + 3, size - 3);
    const uint8_t *bytes = (const uint8_t *)in.data;
    bool failed = in.len > 0 && pass(bytes, in.len, SIZE_MAX, 4096, bytes_max, &once);
    assert(in.len == 0 ||
           failed == pass(bytes, in.len, data[1] + 1u, data[2] + 1u, bytes_max, &cut));
    assert(slice_equal(buf_slice(&once), buf_slice(&cut)));
    if (once.len > 0) {
        failed = pass((const uint8_t *)once.data, once.len, SIZE_MAX, 4096, LARGE, &again);
        assert(!failed && slice_equal(buf_slice(&once), buf_slice(&again)));
    }
    buf_clear(&in);
    buf_clear(&once);
    buf_clear(&cut);
    buf_clear(&again);
    return 0;
}
