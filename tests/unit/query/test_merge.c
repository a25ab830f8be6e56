/* test_merge.c - what several hosts list, as one list: its order, its end, and where it goes on. */
#include "test.h"
#include "query/merge.h"

#include <stdio.h>
#include <string.h>

enum { HOSTS = 3 };

struct hosts {
    json_t *rows[HOSTS];
    struct merge_part parts[HOSTS];
};

static struct hosts hosts_with(const char *const lists[HOSTS]) {
    struct hosts hosts;
    for (size_t i = 0; i < HOSTS; i++) {
        hosts.rows[i] = json_read(slice_of(lists[i]), "a list", NULL);
        assert_non_null(hosts.rows[i]);
        hosts.parts[i] = (struct merge_part){.host = (uint16_t)(i + 1), .rows = hosts.rows[i]};
    }
    return hosts;
}

static void hosts_clear(struct hosts *hosts) {
    for (size_t i = 0; i < HOSTS; i++) {
        json_decref(hosts->rows[i]);
    }
}

/* The rows as "host:text host:text", each text that of the field. */
static void assert_merged(struct hosts *hosts, const struct merge_order *order, uint64_t limit,
                          const char *field, const char *expected) {
    struct buf text;
    size_t i;
    const json_t *row;
    json_t *list = merge_parts(hosts->parts, HOSTS, order, limit);
    assert_non_null(list);
    buf_init(&text, 4096);
    json_array_foreach(list, i, row) {
        buf_printf(&text, "%s%lld:%s", i == 0 ? "" : " ",
                   json_integer_value(json_object_get(row, "host")),
                   json_string_value(json_object_get(row, field)));
    }
    assert_string_equal(buf_str(&text), expected);
    buf_clear(&text);
    json_decref(list);
}

static const char *const events[HOSTS] = {
    "[{\"id\": \"9\"}, {\"id\": \"4\"}]",
    "[{\"id\": \"8\"}, {\"id\": \"7\"}, {\"id\": \"2\"}]",
    "[]",
};

static void the_newest_of_all_hosts_come_first(void **state) {
    (void)state;
    struct hosts hosts = hosts_with(events);
    assert_merged(&hosts, &merge_events, 10, "id", "1:9 2:8 2:7 1:4 2:2");
    hosts_clear(&hosts);
}

static void a_limit_leaves_the_rest_to_the_next_page(void **state) {
    (void)state;
    struct hosts hosts = hosts_with(events);
    assert_merged(&hosts, &merge_events, 3, "id", "1:9 2:8 2:7");
    assert_int_equal(hosts.parts[0].taken, 1);
    assert_int_equal(hosts.parts[1].taken, 2);
    hosts_clear(&hosts);
}

static void nothing_is_listed_before_what_a_host_may_still_have(void **state) {
    (void)state;
    struct hosts hosts = hosts_with(events);
    hosts.parts[0].more = true; /* behind its 4 there may be a 3 */
    assert_merged(&hosts, &merge_events, 10, "id", "1:9 2:8 2:7 1:4");
    hosts_clear(&hosts);
}

static void a_host_that_found_nothing_yet_holds_up_the_others(void **state) {
    (void)state;
    struct hosts hosts = hosts_with(events);
    hosts.parts[2].more = true;
    assert_merged(&hosts, &merge_events, 10, "id", "");
    hosts_clear(&hosts);
}

static void a_host_is_asked_on_where_its_answer_ends(void **state) {
    (void)state;
    struct hosts hosts = hosts_with(events);
    json_t *more = json_read(slice_of("[{\"id\": \"3\"}]"), "a list", NULL);
    hosts.parts[0].more = true;
    assert_merged(&hosts, &merge_events, 10, "id", "1:9 2:8 2:7 1:4");
    hosts.parts[0] = (struct merge_part){.host = 1, .rows = more};
    assert_merged(&hosts, &merge_events, 10, "id", "1:3 2:2");
    json_decref(more);
    hosts_clear(&hosts);
}

static void figures_add_up_to_the_greatest_at_most(void **state) {
    (void)state;
    assert_true(merge_add(2, 3) == 5);
    assert_true(merge_add(-7, 3) == 3);
    assert_true(merge_add(INT64_MAX, INT64_MAX) == INT64_MAX);
    assert_true(merge_add(INT64_MIN, INT64_MIN) == 0);
}

static void only_rows_with_a_place_are_what_a_host_lists(void **state) {
    (void)state;
    static const struct {
        const char *answer;
        bool paged, listed;
    } cases[] = {
        {"[{\"at\": \"1.a-b\", \"row\": {}}]", true, true},
        {"[]", true, true},
        {"[{\"id\": \"9\"}]", false, true},
        {"[{\"id\": \"9\"}]", true, false},
        {"[7]", false, false},
        {"{}", false, false},
        {"[{\"at\": \"1\", \"row\": 7}]", true, false},
        {"[{\"at\": \"1~2\", \"row\": {}}]", true, false},
        {"[{\"at\": \"-\", \"row\": {}}]", true, false},
        {"[{\"at\": \"\", \"row\": {}}]", true, false},
        {"[{\"at\": \"1\\r\\nSet-Cookie: x\", \"row\": {}}]", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *answer = json_read(slice_of(cases[i].answer), "an answer", NULL);
        assert_non_null(answer);
        assert_int_equal(merge_is_listed(answer, cases[i].paged), cases[i].listed);
        json_decref(answer);
    }
}

static void lists_without_a_common_order_follow_each_other(void **state) {
    (void)state;
    const char *const keys[HOSTS] = {"[{\"key\": \"z\"}, {\"key\": \"a\"}]", "[{\"key\": \"b\"}]",
                                     "[{\"key\": \"y\"}]"};
    struct hosts hosts = hosts_with(keys);
    hosts.parts[1].more = true;
    assert_merged(&hosts, &merge_by_host, 10, "key", "1:z 1:a 2:b");
    hosts_clear(&hosts);
}

static void a_group_of_several_hosts_is_one_with_its_newest_letter(void **state) {
    (void)state;
    const char *const groups[HOSTS] = {
        "[{\"service\": \"s\", \"group\": \"aa\", \"count\": 2, \"newest_at\": \"1\", \"example\": "
        "\"old\"},"
        " {\"service\": \"s\", \"group\": \"bb\", \"count\": 4, \"newest_at\": \"5\", \"example\": "
        "\"b\"}]",
        "[]",
        "[{\"service\": \"s\", \"group\": \"aa\", \"count\": 3, \"newest_at\": \"2\", \"example\": "
        "\"new\"}]",
    };
    struct hosts hosts = hosts_with(groups);
    json_t *list = merge_parts(hosts.parts, HOSTS, &merge_groups, 10);
    json_t *expected = json_read(
        slice_of("[{\"service\": \"s\", \"group\": \"aa\", \"count\": 5, \"newest_at\": \"2\","
                 "  \"example\": \"new\", \"hosts\": [1, 3]},"
                 " {\"service\": \"s\", \"group\": \"bb\", \"count\": 4, \"newest_at\": \"5\","
                 "  \"example\": \"b\", \"hosts\": [1]}]"),
        "groups", NULL);
    assert_true(json_equal(list, expected));
    json_decref(expected);
    json_decref(list);
    hosts_clear(&hosts);
}

static void places_clear(struct merge_place places[HOSTS]) {
    for (size_t i = 0; i < HOSTS; i++) {
        json_decref(places[i].at);
        places[i] = (struct merge_place){.ended = false};
    }
}

static void the_places_of_all_hosts_survive_as_one_text(void **state) {
    (void)state;
    struct merge_place places[HOSTS] = {{.at = json_string("01a2-b.7")}, {.ended = true}};
    struct buf text;
    buf_init(&text, 256);
    merge_write_places(places, HOSTS, &text);
    assert_string_equal(buf_str(&text), "01a2-b.7~-~");
    places_clear(places);
    assert_true(merge_read_places(buf_str(&text), places, HOSTS));
    assert_string_equal(json_string_value(places[0].at), "01a2-b.7");
    assert_true(places[1].ended && !places[0].ended && !places[2].ended);
    assert_null(places[2].at);
    assert_false(merge_all_ended(places, HOSTS));
    places_clear(places);
    buf_clear(&text);
}

static void a_place_of_ones_own_is_that_of_every_host(void **state) {
    (void)state;
    struct merge_place places[HOSTS] = {{.ended = false}};
    assert_true(merge_read_places("01a2", places, HOSTS));
    for (size_t i = 0; i < HOSTS; i++) {
        assert_string_equal(json_string_value(places[i].at), "01a2");
    }
    places_clear(places);
}

static void places_of_another_number_of_hosts_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {"1~2", "1~2~3~4", "~", "~~~"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct merge_place places[HOSTS] = {{.ended = false}};
        assert_false(merge_read_places(wrong[i], places, HOSTS));
        places_clear(places);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_of_all_hosts_come_first),
        cmocka_unit_test(a_limit_leaves_the_rest_to_the_next_page),
        cmocka_unit_test(nothing_is_listed_before_what_a_host_may_still_have),
        cmocka_unit_test(a_host_that_found_nothing_yet_holds_up_the_others),
        cmocka_unit_test(a_host_is_asked_on_where_its_answer_ends),
        cmocka_unit_test(figures_add_up_to_the_greatest_at_most),
        cmocka_unit_test(only_rows_with_a_place_are_what_a_host_lists),
        cmocka_unit_test(lists_without_a_common_order_follow_each_other),
        cmocka_unit_test(a_group_of_several_hosts_is_one_with_its_newest_letter),
        cmocka_unit_test(the_places_of_all_hosts_survive_as_one_text),
        cmocka_unit_test(a_place_of_ones_own_is_that_of_every_host),
        cmocka_unit_test(places_of_another_number_of_hosts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
