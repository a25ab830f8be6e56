/* test_cut.c - what is left of a message that cannot become work. */
#include "engine/cut.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM = 1000 };

/* With a payload and a property of so many bytes, and one that marks an announcement. */
static struct event *make(size_t payload, size_t property) {
    struct buf bytes;
    struct buf properties;
    buf_init(&bytes, 1 << 20);
    buf_init(&properties, 1 << 20);
    for (size_t i = 0; i < payload || i < property; i++) {
        buf_add_u8(&bytes, 'x');
    }
    property_add(&properties, slice_of("big"), (struct slice){bytes.data, property});
    property_add(&properties, slice_of("zingq-reason"), (struct slice){bytes.data, property});
    struct event *event = event_new(&(struct event_bytes){.topic = slice_of("in/a"),
                                                          .key = slice_of("k"),
                                                          .payload = {bytes.data, payload},
                                                          .correlation = slice_of("c"),
                                                          .properties = buf_slice(&properties)});
    assert_non_null(event);
    event->hops = 7;
    buf_clear(&bytes);
    buf_clear(&properties);
    return event;
}

static void what_fits_stays_as_it_is(void **state) {
    struct event *event = make(ROOM, 100);
    struct slice value;
    (void)state;
    assert_ptr_equal(engine_cut(event, ROOM), event);
    assert_false(property_find(event->properties, "zingq-cut", &value));
    event_free(event);
}

static void a_larger_payload_is_cut_and_its_size_noted(void **state) {
    struct event *event = engine_cut(make(5 * ROOM, 100), ROOM);
    struct slice value;
    struct report r;
    (void)state;
    assert_non_null(event);
    assert_int_equal(event->payload.len, ROOM);
    assert_int_equal(event->hops, 7);
    assert_true(slice_is(event->key, "k") && slice_is(event->correlation, "c"));
    assert_true(property_find(event->properties, "zingq-cut", &value));
    assert_true(slice_is(value, "5000"));
    assert_int_equal(engine_check_whole(event, &r), ERR_INVALID);
    event = engine_cut(event, ROOM / 2); /* the first size counts */
    assert_true(property_find(event->properties, "zingq-cut", &value));
    assert_true(slice_is(value, "5000"));
    event_free(event);
}

static void an_announcement_stays_one_however_little_is_kept(void **state) {
    static const size_t rooms[] = {ROOM, 0};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct event *event = engine_cut(make(10, 5 * ROOM), rooms[i]);
        struct slice value;
        assert_non_null(event);
        assert_false(property_find(event->properties, "big", &value));
        assert_true(property_find(event->properties, "zingq-reason", &value));
        assert_true(event->properties.len < ROOM);
        assert_int_equal(event->payload.len, rooms[i] == 0 ? 0 : 10);
        event_free(event);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_stays_as_it_is),
        cmocka_unit_test(a_larger_payload_is_cut_and_its_size_noted),
        cmocka_unit_test(an_announcement_stays_one_however_little_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
