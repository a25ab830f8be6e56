/*
 * fuzz_turn.c - any bytes as a turn of a log, compressed and not. Promises: it is a turn or damage; one
 * that is a turn is packed and comes out the same; what its bodies say is done to the tables of a store,
 * or is damage, and then reaches no assertion.
 */
#include "fuzz.h"

#include "data_folder.h"

#include "cluster/impl.h"
#include "journal/home.h"

#include <zstd.h>

enum { STORE_BYTES = 64 << 20, INPUT_MOST = 1 << 20 };

static struct {
    struct data_folder folder;
    struct store *store;
    struct pack pack;
    struct buf plain, again;
} disk;

static void remove_disk(void) {
    pack_clear(&disk.pack);
    buf_clear(&disk.plain);
    buf_clear(&disk.again);
    store_close(disk.store);
    data_folder_remove(&disk.folder);
}

static void make_disk(void) {
    data_folder_make(&disk.folder);
    disk.store = data_folder_store(&disk.folder, STORE_BYTES);
    assert(pack_init(&disk.pack) == 0);
    buf_init(&disk.plain, TURN_BYTES);
    buf_init(&disk.again, TURN_BYTES);
    assert(atexit(remove_disk) == 0);
}

static void pack_again(const struct log_turn *turn) {
    static struct log_turn out;
    struct packed packed;
    assert(pack_turn(&disk.pack, turn, &packed) == 0);
    assert(unpack_turn(packed.body, &disk.again, &out) == 0 && out.count == turn->count);
    for (size_t i = 0; i < out.count; i++) {
        assert(out.parts[i].home == turn->parts[i].home);
        assert(slice_equal(out.parts[i].body, turn->parts[i].body));
    }
}

static void apply(const struct log_turn *turn) {
    assert(store_begin(disk.store) == 0);
    int code = 0;
    for (size_t i = 0; code == 0 && i < turn->count; i++) {
        code = store_apply(disk.store, &turn->parts[i], journal_home);
    }
    assert(code == 0 || code == ERR_CORRUPT);
    store_abort(disk.store);
}

static void take(struct slice packed) {
    static struct log_turn turn;
    int code = unpack_turn(packed, &disk.plain, &turn);
    assert(code == 0 || code == ERR_CORRUPT || code == ERR_MEMORY);
    if (code == 0) {
        pack_again(&turn);
        apply(&turn);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char frame[ZSTD_COMPRESSBOUND(INPUT_MOST)];
    if (size > INPUT_MOST) {
        return 0;
    }
    if (disk.store == NULL) {
        make_disk();
    }
    take(fuzz_slice(data, size));
    size_t len = ZSTD_compress(frame, sizeof frame, data, size, 1);
    assert(!ZSTD_isError(len));
    take((struct slice){frame, len});
    return 0;
}
