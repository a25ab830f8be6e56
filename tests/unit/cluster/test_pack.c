/* test_pack.c - a turn comes out of its bytes as it went in; bytes that are no turn never pass for one. */
#include "cluster/impl.h"

#include "chance.h"
#include "test.h"

#include <stdlib.h>
#include <zstd.h>

enum { ROUNDS = 200, BODY_MOST = 4000, LARGE = 3 << 20 };

struct world {
    struct pack pack;
    struct buf bodies, plain;
    struct chance chance;
};

static int set_up(void **state) {
    static struct world w;
    w = (struct world){.chance = chance_of_run()};
    assert_int_equal(pack_init(&w.pack), 0);
    buf_init(&w.bodies, TURN_BYTES);
    buf_init(&w.plain, TURN_BYTES);
    *state = &w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    pack_clear(&w->pack);
    buf_clear(&w->bodies);
    buf_clear(&w->plain);
    return 0;
}

/* Some homes, in their order, with bodies that repeat themselves more or less. */
static void make_turn(struct world *w, struct log_turn *turn) {
    buf_reset(&w->bodies);
    *turn = (struct log_turn){.count = 0};
    for (unsigned home = 0; home < HOMES; home++) {
        size_t len = 1 + (size_t)chance_next(&w->chance, BODY_MOST);
        uint64_t bytes = 1 + chance_next(&w->chance, 256);
        if (chance_next(&w->chance, 8) != 0) {
            continue;
        }
        for (size_t i = 0; i < len; i++) {
            buf_add_u8(&w->bodies, (uint8_t)chance_next(&w->chance, bytes));
        }
        turn->parts[turn->count++] = (struct log_part){.home = (uint8_t)home, .body = {NULL, len}};
    }
    const char *at = w->bodies.data;
    for (size_t i = 0; i < turn->count; i++) {
        turn->parts[i].body.data = at;
        at += turn->parts[i].body.len;
    }
}

static void assert_same(const struct log_turn *a, const struct log_turn *b) {
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->parts[i].home, b->parts[i].home);
        assert_true(slice_equal(a->parts[i].body, b->parts[i].body));
    }
}

static void a_turn_comes_out_as_it_went_in(void **state) {
    struct world *w = *state;
    static struct log_turn turn;
    static struct log_turn out;
    struct packed packed;
    for (int round = 0; round < ROUNDS; round++) {
        make_turn(w, &turn);
        assert_int_equal(pack_turn(&w->pack, &turn, &packed), 0);
        assert_int_equal(packed.bytes, w->bodies.len);
        if (turn.count > 0) {
            assert_int_equal(unpack_turn(packed.body, &w->plain, &out), 0);
            assert_same(&out, &turn);
        }
        pack_trim(&w->pack);
    }
}

static void what_repeats_itself_takes_little(void **state) {
    struct world *w = *state;
    static struct log_turn out;
    char *large = calloc(1, LARGE);
    assert_non_null(large);
    struct log_turn turn = {.count = 1, .parts = {{.home = HOME_HOST, .body = {large, LARGE}}}};
    struct packed packed;
    assert_int_equal(pack_turn(&w->pack, &turn, &packed), 0);
    assert_int_equal(packed.bytes, LARGE);
    assert_in_range(packed.body.len, 1, LARGE / 100);
    assert_int_equal(unpack_turn(packed.body, &w->plain, &out), 0);
    assert_same(&out, &turn);
    free(large);
}

static void damaged_bytes_are_told(void **state) {
    struct world *w = *state;
    static struct log_turn turn;
    static struct log_turn out;
    struct packed packed;
    do {
        make_turn(w, &turn);
    } while (turn.count == 0);
    assert_int_equal(pack_turn(&w->pack, &turn, &packed), 0);
    char *copy = slice_dup(packed.body);
    assert_non_null(copy);
    for (int round = 0; round < ROUNDS; round++) {
        size_t at = (size_t)chance_next(&w->chance, packed.body.len);
        char was = copy[at];
        copy[at] = (char)(was ^ (1 << chance_next(&w->chance, 8)));
        int code = unpack_turn((struct slice){copy, packed.body.len}, &w->plain, &out);
        if (code == 0) { /* a bit of the frame's head that says nothing */
            assert_same(&out, &turn);
        } else {
            assert_int_equal(code, ERR_CORRUPT);
        }
        copy[at] = was;
        assert_int_equal(unpack_turn((struct slice){copy, at}, &w->plain, &out), ERR_CORRUPT);
    }
    free(copy);
}

/* A whole frame whose content is that. */
static int unpack_content(struct world *w, const void *content, size_t len) {
    static struct log_turn out;
    char frame[256];
    size_t size = ZSTD_compress(frame, sizeof frame, content, len, 1);
    assert_false(ZSTD_isError(size));
    return unpack_turn((struct slice){frame, size}, &w->plain, &out);
}

static void a_frame_of_something_else_is_told(void **state) {
    struct world *w = *state;
    static const uint8_t good[] = {3, 1, 0, 0, 0, 'x'};
    static const uint8_t foreign_home[] = {HOMES, 1, 0, 0, 0, 'x'};
    static const uint8_t cut[] = {3, 2, 0, 0, 0, 'x'};
    uint8_t many[6 * (HOMES + 1)];
    for (size_t i = 0; i <= HOMES; i++) {
        memcpy(many + 6 * i, good, sizeof good);
    }
    assert_int_equal(unpack_content(w, good, sizeof good), 0);
    assert_int_equal(unpack_content(w, "", 0), ERR_CORRUPT);
    assert_int_equal(unpack_content(w, foreign_home, sizeof foreign_home), ERR_CORRUPT);
    assert_int_equal(unpack_content(w, cut, sizeof cut), ERR_CORRUPT);
    assert_int_equal(unpack_content(w, many, sizeof many), ERR_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_comes_out_as_it_went_in),
        cmocka_unit_test(what_repeats_itself_takes_little),
        cmocka_unit_test(damaged_bytes_are_told),
        cmocka_unit_test(a_frame_of_something_else_is_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
