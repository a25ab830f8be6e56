/* test_look_events.c - events from the newest to the oldest, and a search that goes on elsewhere. */
#include "journal_fixture.h"
#include "test.h"
#include "query/events.h"
#include "journal/event.h"

#include <stdio.h>
#include <string.h>

enum { BUSY, QUIET, EVENTS = 250 };

/* `n`th of 2^16, in the order of time. */
static struct uuid id_of(unsigned n) {
    struct uuid id = journal_id(0);
    id.bytes[4] = (uint8_t)(n >> 8);
    id.bytes[5] = (uint8_t)n;
    return id;
}

static void put(struct journal_fixture *f, unsigned n, uint16_t service) {
    char key[16];
    (void)snprintf(key, sizeof key, "k%u", n + 1000u * service);
    struct event_bytes bytes = {.topic = slice_of("t"), .key = slice_of(key)};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    event->service = service;
    event->state = EVENT_DONE;
    event->id = id_of(n);
    event->seq = n + 1;
    event->lane = journal_lane(slice_of("s"), event->key);
    event->partition = journal_partition(event->lane);
    assert_int_equal(journal_event_put(f->journal, event), 0);
    event_free(event);
}

static int number_of(const struct event *event) {
    return event->id.bytes[4] << 8 | event->id.bytes[5];
}

/* The next event's number in the order of time; -1 after the last. */
static int next(struct journal_fixture *f, struct look_walk *walk) {
    struct event *event = NULL;
    int code = 0;
    while (event == NULL && (code = look_walk_next(f->journal, walk, &event)) == 0) {
    }
    int n = event == NULL ? -1 : number_of(event);
    assert_int_equal(code, event == NULL ? ERR_NOTFOUND : 0);
    event_free(event);
    return n;
}

static void the_newest_come_first_in_all_partitions(void **state) {
    struct journal_fixture *f = *state;
    struct look_walk walk;
    for (unsigned n = 0; n < EVENTS; n++) {
        put(f, n, BUSY);
    }
    look_walk_init(&walk, f->journal, &(struct look_filter){.by_service = false});
    for (int n = EVENTS - 1; n >= -1; n--) {
        assert_int_equal(next(f, &walk), n);
    }
    look_walk_clear(&walk);
}

static void events_of_one_service_are_found_among_many_others(void **state) {
    struct journal_fixture *f = *state;
    struct look_walk walk;
    put(f, 0, QUIET);
    put(f, 1, QUIET);
    for (unsigned n = 2; n < 20u * EVENTS; n++) {
        put(f, n, n == 4000 ? QUIET : BUSY);
    }
    look_walk_init(&walk, f->journal, &(struct look_filter){.by_service = true, .service = QUIET});
    assert_int_equal(next(f, &walk), 4000);
    /* Much older ones were not looked at for it. */
    assert_in_range(walk.passed, 1, 20 * EVENTS - 4000 + EVENT_GROUPS * EVENT_ROWS_PASSED);
    assert_int_equal(next(f, &walk), 1);
    assert_int_equal(next(f, &walk), 0);
    assert_int_equal(next(f, &walk), -1);
    assert_int_equal(walk.passed, 20 * EVENTS - 3); /* all that are BUSY */
    look_walk_clear(&walk);
}

static void a_key_and_a_topic_are_looked_for_too(void **state) {
    struct journal_fixture *f = *state;
    struct look_walk walk;
    for (unsigned n = 0; n < EVENTS; n++) {
        put(f, n, BUSY);
    }
    look_walk_init(&walk, f->journal, &(struct look_filter){.by_key = true, .key = slice_of("k7")});
    assert_int_equal(next(f, &walk), 7);
    assert_int_equal(next(f, &walk), -1);
    assert_int_equal(walk.passed, EVENTS - 1);
    look_walk_init(&walk, f->journal, &(struct look_filter){.topic = "other/#"});
    assert_int_equal(next(f, &walk), -1);
}

static void a_search_that_ends_anywhere_goes_on_there(void **state) {
    struct journal_fixture *f = *state;
    const struct look_filter filter = {.by_service = true, .service = QUIET};
    for (unsigned n = 0; n < 4u * EVENTS; n++) {
        put(f, n, n % 100 == 0 ? QUIET : BUSY);
    }
    for (unsigned steps = 1; steps < 40; steps++) {
        struct event_place place;
        int expected = 9;
        memset(&place, 0xFF, sizeof place);
        for (int code = 0; code == 0;) { /* again and again so many steps */
            struct look_walk walk;
            struct event *event = NULL;
            look_walk_init(&walk, f->journal, &filter);
            look_walk_after(&walk, &place);
            for (unsigned i = 0; i < steps + EVENT_GROUPS && code == 0; i++) {
                code = look_walk_next(f->journal, &walk, &event);
                if (event != NULL) {
                    assert_int_equal(number_of(event), 100 * expected--);
                }
                event_free(event);
            }
            place = look_walk_place(&walk);
            look_walk_clear(&walk);
            assert_true(code == 0 || code == ERR_NOTFOUND);
        }
        assert_int_equal(expected, -1);
    }
}

static void a_message_of_several_services_is_listed_once_for_each(void **state) {
    struct journal_fixture *f = *state;
    enum { SERVICES = 5, MESSAGES = 20 };
    struct event_place place;
    for (unsigned n = 0; n < SERVICES * MESSAGES; n++) {
        put(f, n / SERVICES, (uint16_t)(n % SERVICES));
    }
    memset(&place, 0xFF, sizeof place);
    for (int n = SERVICES * MESSAGES - 1; n >= 0; n--) { /* each on a page of its own */
        struct look_walk walk;
        look_walk_init(&walk, f->journal, &(struct look_filter){.by_service = false});
        look_walk_after(&walk, &place);
        assert_int_equal(next(f, &walk), n / SERVICES);
        place = look_walk_place(&walk);
        look_walk_clear(&walk);
    }
}

static void a_place_is_passed_on_as_text(void **state) {
    (void)state;
    struct event_place place = {.service = 77, .id = id_of(3)};
    struct event_place read;
    char text[LOOK_PLACE_BYTES];
    look_place_text(&place, text);
    assert_true(look_place_parse(text, &read));
    assert_true(uuid_equal(&read.id, &place.id));
    assert_int_equal(read.service, 77);
    text[UUID_TEXT_BYTES] = '\0'; /* an event's id alone */
    assert_true(look_place_parse(text, &read));
    assert_int_equal(read.service, 0);
    static const char *const wrong[] = {"", ".", "x", ".7"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(look_place_parse(wrong[i], &read));
    }
    (void)snprintf(text + UUID_TEXT_BYTES, sizeof text - UUID_TEXT_BYTES, ".65536");
    assert_false(look_place_parse(text, &read));
    text[UUID_TEXT_BYTES + 1] = '\0';
    assert_false(look_place_parse(text, &read));
    (void)snprintf(text + UUID_TEXT_BYTES, sizeof text - UUID_TEXT_BYTES, ".7x");
    assert_false(look_place_parse(text, &read));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(the_newest_come_first_in_all_partitions),
        JOURNAL_TEST(events_of_one_service_are_found_among_many_others),
        JOURNAL_TEST(a_key_and_a_topic_are_looked_for_too),
        JOURNAL_TEST(a_search_that_ends_anywhere_goes_on_there),
        JOURNAL_TEST(a_message_of_several_services_is_listed_once_for_each),
        cmocka_unit_test(a_place_is_passed_on_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
