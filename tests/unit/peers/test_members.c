/* test_members.c - hosts know each other: who is there, who conflicts, who yields. */
#include "peers/members.h"

#include "test.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOW = 1000, SINCE = 500 };

/* Our side: "seats" has a key, "mails" has none, "stock" is independent. */
static struct service_conf services[] = {
    {.name = "seats", .key = {RULE_JSON, "/event_id", 0}, .ordered = true, .share = true},
    {.name = "mails", .share = true},
    {.name = "stock",
     .key = {RULE_TOPIC, NULL, 2},
     .ordered = true,
     .share = true,
     .independent = true},
    {.name = "views", .key = {RULE_TOPIC, NULL, 2}, .ordered = true, .share = false},
};

static struct members *members_of(uint16_t place, uint16_t count) {
    static const bool runs[] = {true, true, true, true};
    static const uint16_t numbers[] = {0, 1, 2, 3};
    const struct presence_facts facts = {.host = "me",
                                         .id = "id-me",
                                         .client_id = "client-me",
                                         .mark = "ours",
                                         .runs = runs,
                                         .numbers = numbers,
                                         .since_ms = SINCE};
    struct conf conf = {.services = services, .service_count = 4};
    conf.hosts.group = "default";
    conf.hosts.share = (struct division){.count = count, .place = place};
    struct presence *self = NULL;
    struct members *m = NULL;
    assert_int_equal(presence_own(&self, &conf, &facts), 0);
    assert_int_equal(members_new(&m, self), 0);
    members_say(m, PRESENCE_JOINING, true);
    return m;
}

/* What another host says. */
struct other {
    const char *host, *group, *state, *services, *mark;
    unsigned count, place;
    long long since;
    bool kept, hello, alone;
};

static const char seats[] = "\"seats\":{\"key\":\"json:/event_id\",\"order\":\"key\"}";

static unsigned take_text(struct members *m, const char *topic, const char *text, bool kept,
                          int64_t now_ms) {
    struct report r = {""};
    return members_take(m, slice_of(topic), slice_of(text), kept, now_ms, &r);
}

static unsigned take(struct members *m, struct other o, int64_t now_ms) {
    char topic[400];
    char text[2000];
    const char *group = o.group == NULL ? "default" : o.group;
    const char *host = o.host == NULL ? "other" : o.host;
    (void)snprintf(topic, sizeof topic, "zingq/hosts/%s/%s", group, host);
    (void)snprintf(text, sizeof text,
                   "{\"host\":\"%s\",\"id\":\"id-%s\",\"group\":\"%s\",\"count\":%u,\"this\":%u,"
                   "\"state\":\"%s\",\"hello\":%s,\"alone\":%s,\"since\":%lld,\"mark\":\"%s\","
                   "\"services\":{%s}}",
                   host, host, group, o.count == 0 ? 1 : o.count, o.place == 0 ? 1 : o.place,
                   o.state == NULL ? "up" : o.state, o.hello ? "true" : "false",
                   o.alone ? "true" : "false", o.since, o.mark == NULL ? "ours" : o.mark,
                   o.services == NULL ? seats : o.services);
    return take_text(m, topic, text, o.kept, now_ms);
}

static enum members_verdict verdict(const struct members *m, int64_t now_ms) {
    struct report r;
    return members_may_join(m, now_ms, &r);
}

/* --- who conflicts --- */

static void alone_nobody_conflicts(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    assert_int_equal(verdict(m, NOW), MEMBERS_CLEAR);
    members_free(m);
}

static void a_second_host_of_a_keyed_service_yields_and_names_the_first(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    struct report r = {""};
    assert_int_equal(take(m, (struct other){.since = 900}, NOW), MEMBERS_CHANGED);
    assert_int_equal(members_may_join(m, NOW, &r), MEMBERS_YIELD);
    assert_non_null(strstr(r.text, "other"));
    assert_non_null(strstr(r.text, "\"seats\""));
    assert_non_null(strstr(r.text, "several_hosts = independent"));
    members_free(m);
}

static void what_needs_no_division_is_shared_freely(void **state) {
    (void)state;
    static const char free_ones[] =
        "\"mails\":{},\"views\":{\"key\":\"topic:2\",\"order\":\"key\"},"
        "\"stock\":{\"key\":\"topic:2\",\"order\":\"key\",\"several_hosts\":\"independent\"}";
    struct members *m = members_of(1, 1);
    (void)take(m, (struct other){.services = free_ones}, NOW);
    assert_int_equal(members_count(m), 1);
    assert_int_equal(verdict(m, NOW), MEMBERS_CLEAR);
    members_free(m);
}

static void places_of_one_division_run_side_by_side(void **state) {
    (void)state;
    struct members *m = members_of(1, 2);
    (void)take(m, (struct other){.count = 2, .place = 2}, NOW);
    assert_int_equal(verdict(m, NOW), MEMBERS_CLEAR);
    members_free(m);
}

static void anything_else_than_one_division_conflicts(void **state) {
    (void)state;
    static const struct {
        struct other other;
        const char *reason;
    } rows[] = {
        {{.count = 2, .place = 1}, "both are host 1 of 2"},
        {{.count = 3, .place = 2}, "hosts.count is 2 here and 3 there"},
        {{.count = 2, .place = 2, .group = "b"}, "group"},
        {{.count = 2, .place = 2, .alone = true}, "broker.alone is no here and yes there"},
        {{.count = 2, .place = 2, .services = "\"seats\":{\"key\":\"json:/id\",\"order\":\"key\"}"},
         "key = json:/event_id here and json:/id there"},
        {{.count = 2, .place = 2, .services = "\"seats\":{\"key\":\"json:/event_id\"}"}, "order"},
        {{.count = 2,
          .place = 2,
          .services = "\"seats\":{\"key\":\"json:/event_id\",\"order\":\"key\","
                      "\"idempotency\":\"json:/id\"}"},
         "idempotency"},
        {{.count = 2, .place = 2, .services = "\"stock\":{\"key\":\"topic:2\",\"order\":\"key\"}"},
         "several_hosts = independent here and divided there"},
        {{.count = 2, .place = 2, .services = "\"mails\":{\"key\":\"topic:1\"}"}, "key = none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct members *m = members_of(1, 2);
        struct report r = {""};
        (void)take(m, rows[i].other, NOW);
        assert_int_equal(members_may_join(m, NOW, &r), MEMBERS_YIELD);
        assert_non_null(strstr(r.text, rows[i].reason));
        members_free(m);
    }
}

/* --- who yields --- */

static void of_two_that_join_the_one_that_started_first_goes_on(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    (void)take(m, (struct other){.state = "joining", .since = SINCE - 1}, NOW);
    assert_int_equal(verdict(m, NOW), MEMBERS_YIELD);
    (void)take(m, (struct other){.state = "joining", .since = SINCE + 1}, NOW);
    assert_int_equal(verdict(m, NOW), MEMBERS_WAIT); /* until it has yielded */
    (void)take(m, (struct other){.state = "gone", .since = SINCE + 1}, NOW);
    assert_int_equal(verdict(m, NOW), MEMBERS_CLEAR);
    members_free(m);
}

static void of_two_started_in_one_millisecond_the_smaller_name_goes_on(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    (void)take(m, (struct other){.host = "a", .state = "joining", .since = SINCE}, NOW);
    assert_int_equal(verdict(m, NOW), MEMBERS_YIELD);
    members_free(m);
}

static void who_is_up_yields_to_who_was_there_before_and_goes_on_when_it_goes(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    struct report r = {""};
    members_say(m, PRESENCE_UP, false);
    (void)take(m, (struct other){.since = SINCE + 1}, NOW);
    (void)take(m, (struct other){.host = "new", .state = "joining", .since = 1}, NOW);
    assert_false(members_must_hold(m, 0, NOW, &r));
    (void)take(m, (struct other){.since = SINCE - 1}, NOW);
    assert_true(members_must_hold(m, 0, NOW, &r));
    assert_non_null(strstr(r.text, "other"));
    assert_false(members_must_hold(m, 1, NOW, &r));
    (void)take(m, (struct other){.state = "gone", .since = SINCE - 1}, NOW);
    assert_false(members_must_hold(m, 0, NOW, &r));
    members_free(m);
}

/* --- who is alive --- */

static void a_kept_presence_is_asked_and_silent_without_an_answer(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    (void)take(m, (struct other){.kept = true}, NOW);
    members_asked(m, NOW);
    assert_int_equal(members_view(m, 0, NOW), MEMBER_ASKED);
    assert_int_equal(verdict(m, NOW), MEMBERS_WAIT);
    assert_int_equal(members_next_ms(m, NOW), NOW + MEMBER_ANSWER_MS);
    assert_int_equal(members_view(m, 0, NOW + MEMBER_ANSWER_MS), MEMBER_SILENT);
    assert_int_equal(verdict(m, NOW + MEMBER_ANSWER_MS), MEMBERS_CLEAR);
    assert_int_equal(members_next_ms(m, NOW + MEMBER_ANSWER_MS), INT64_MAX);
    members_free(m);
}

static void an_answer_ends_the_wait(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    (void)take(m, (struct other){.kept = true, .since = 1}, NOW);
    members_asked(m, NOW);
    (void)take(m, (struct other){.since = 1}, NOW + 5);
    assert_int_equal(members_view(m, 0, NOW + 5), MEMBER_UP);
    assert_int_equal(members_view(m, 0, NOW + MEMBER_ANSWER_MS), MEMBER_UP);
    assert_int_equal(members_next_ms(m, NOW + 5), INT64_MAX);
    assert_int_equal(verdict(m, NOW + 5), MEMBERS_YIELD);
    members_free(m);
}

static void who_was_heard_is_up_until_it_does_not_answer_the_next_hello(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    (void)take(m, (struct other){.since = 1}, NOW);
    members_asked(m, NOW + 100);
    (void)take(m, (struct other){.since = 1, .kept = true}, NOW + 101);
    assert_int_equal(members_view(m, 0, NOW + 102), MEMBER_UP);
    assert_int_equal(members_view(m, 0, NOW + 100 + MEMBER_ANSWER_MS), MEMBER_SILENT);
    members_free(m);
}

static void a_kept_presence_of_a_later_process_has_not_spoken(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    (void)take(m, (struct other){.since = 1}, NOW);
    (void)take(m, (struct other){.since = 2, .kept = true}, NOW);
    assert_int_equal(members_view(m, 0, NOW), MEMBER_ASKED);
    members_free(m);
}

static void the_place_of_another_is_up_when_it_has_spoken(void **state) {
    (void)state;
    struct members *m = members_of(1, 2);
    (void)take(m, (struct other){.count = 2, .place = 2, .kept = true}, NOW);
    assert_false(members_place_is_up(m, 2, NOW));
    (void)take(m, (struct other){.count = 2, .place = 2}, NOW);
    assert_true(members_place_is_up(m, 2, NOW));
    assert_false(members_place_is_up(m, 1, NOW));
    (void)take(m, (struct other){.count = 2, .place = 2, .state = "gone"}, NOW);
    assert_false(members_place_is_up(m, 2, NOW));
    members_free(m);
}

/* --- messages --- */

static void our_own_presence_comes_back(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    struct report r;
    struct buf out;
    buf_init(&out, PRESENCE_BYTES_MAX);
    assert_int_equal(presence_write(members_self(m), &out), 0);
    struct slice topic = slice_of("zingq/hosts/default/me");
    assert_int_equal(members_take(m, topic, buf_slice(&out), false, NOW, &r), MEMBERS_ECHO);
    assert_int_equal(members_take(m, topic, buf_slice(&out), true, NOW, &r), 0);
    members_say(m, PRESENCE_UP, false); /* the echo of "joining" is late */
    assert_int_equal(members_take(m, topic, buf_slice(&out), false, NOW, &r), 0);
    assert_int_equal(members_count(m), 0);
    buf_clear(&out);
    members_free(m);
}

static void what_others_put_under_our_name_is_noticed(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    members_say(m, PRESENCE_UP, false);
    assert_int_equal(take_text(m, "zingq/hosts/default/me", "", false, NOW), MEMBERS_OVERWRITTEN);
    assert_int_equal(take_text(m, "zingq/hosts/default/me",
                               "{\"host\":\"me\",\"id\":\"id-me\",\"group\":\"default\",\"count\":"
                               "1,\"this\":1,\"state\":\"gone\",\"since\":500}",
                               false, NOW),
                     MEMBERS_OVERWRITTEN);
    assert_int_equal(take_text(m, "zingq/hosts/default/me",
                               "{\"host\":\"me\",\"id\":\"twin\",\"group\":\"default\",\"count\":1,"
                               "\"this\":1,\"state\":\"up\",\"since\":3,\"services\":{\"seats\":"
                               "{\"key\":\"json:/event_id\",\"order\":\"key\"}}}",
                               false, NOW),
                     MEMBERS_OVERWRITTEN | MEMBERS_CHANGED);
    struct report r;
    assert_true(members_must_hold(m, 0, NOW, &r)); /* a twin under our name conflicts, too */
    members_free(m);
}

static void
an_earlier_folder_under_our_name_that_is_gone_is_forgotten_when_we_are_kept(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    struct report r;
    struct buf out;
    buf_init(&out, PRESENCE_BYTES_MAX);
    assert_int_equal(take_text(m, "zingq/hosts/default/me",
                               "{\"host\":\"me\",\"id\":\"old\",\"group\":\"default\",\"count\":1,"
                               "\"this\":1,\"state\":\"gone\",\"since\":3}",
                               true, NOW),
                     MEMBERS_CHANGED);
    assert_int_equal(presence_write(members_self(m), &out), 0);
    assert_int_equal(
        members_take(m, slice_of("zingq/hosts/default/me"), buf_slice(&out), false, NOW, &r),
        MEMBERS_ECHO | MEMBERS_CHANGED);
    assert_int_equal(members_count(m), 0);
    buf_clear(&out);
    members_free(m);
}

static void a_hello_is_to_be_answered_unless_the_broker_kept_it(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    assert_int_equal(take(m, (struct other){.hello = true}, NOW), MEMBERS_CHANGED | MEMBERS_ASKED);
    assert_int_equal(take(m, (struct other){.hello = true, .kept = true}, NOW), MEMBERS_CHANGED);
    members_free(m);
}

static void who_leaves_for_good_is_forgotten(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    (void)take(m, (struct other){.since = 1}, NOW);
    assert_int_equal(take_text(m, "zingq/hosts/default/other", "", false, NOW), MEMBERS_CHANGED);
    assert_int_equal(members_count(m), 0);
    members_free(m);
}

static void who_is_not_there_on_the_next_connection_is_forgotten(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    (void)take(m, (struct other){.host = "a"}, NOW);
    (void)take(m, (struct other){.host = "b"}, NOW);
    members_begin(m);
    assert_int_equal(members_count(m), 2);
    (void)take(m, (struct other){.host = "b", .kept = true}, NOW);
    members_settle(m);
    assert_int_equal(members_count(m), 1);
    assert_string_equal(members_at(m, 0)->host, "b");
    assert_int_equal(members_view(m, 0, NOW), MEMBER_UP);
    members_free(m);
}

static void garbage_is_ignored(void **state) {
    (void)state;
    static const struct {
        const char *topic, *text;
    } rows[] = {
        {"zingq/hosts/default/x", "no JSON"},
        {"zingq/hosts/default/x", "[]"},
        {"zingq/hosts/default/x", "{}"},
        {"zingq/hosts/default/x/y", ""},
        {"zingq/hosts/default", ""},
        {"zingq/hosts//x", ""},
        {"zingq/hosts/default/x y", ""},
        {"zingq/hosts/default/x",
         "{\"host\":\"y\",\"id\":\"i\",\"group\":\"default\",\"count\":1,\"this\":1,\"state\":"
         "\"up\",\"since\":1}"},
        {"zingq/hosts/default/x",
         "{\"host\":\"x\",\"id\":\"i\",\"group\":\"default\",\"count\":1,\"this\":2,\"state\":"
         "\"up\",\"since\":1}"},
        {"zingq/hosts/default/x",
         "{\"host\":\"x\",\"id\":\"i\",\"group\":\"default\",\"count\":65,\"this\":2,\"state\":"
         "\"up\",\"since\":1}"},
        {"zingq/hosts/default/x",
         "{\"host\":\"x\",\"id\":\"i\",\"group\":\"default\",\"count\":1,\"this\":1,\"state\":"
         "\"so so\",\"since\":1}"},
        {"zingq/hosts/default/x",
         "{\"host\":\"x\",\"id\":\"i\\u0000j\",\"group\":\"default\",\"count\":1,\"this\":1,"
         "\"state\":\"up\",\"since\":1}"},
        {"zingq/hosts/default/x",
         "{\"host\":\"x\",\"id\":\"i\",\"group\":\"default\",\"count\":1,\"this\":1,\"state\":"
         "\"up\",\"since\":1,\"services\":{\"a b\":{}}}"},
        {"zingq/hosts/default/x",
         "{\"host\":\"x\",\"id\":\"i\",\"group\":\"default\",\"count\":1,\"this\":1,\"state\":"
         "\"up\",\"since\":1,\"services\":{\"a\":{\"key\":1}}}"},
    };
    struct members *m = members_of(1, 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(take_text(m, rows[i].topic, rows[i].text, false, NOW), MEMBERS_UNREADABLE);
    }
    assert_int_equal(members_count(m), 0);
    members_free(m);
}

static void a_presence_past_its_limit_is_ignored(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    char *text = malloc(PRESENCE_BYTES_MAX + 2);
    assert_non_null(text);
    memset(text, ' ', PRESENCE_BYTES_MAX + 1);
    text[PRESENCE_BYTES_MAX + 1] = '\0';
    assert_int_equal(take_text(m, "zingq/hosts/default/x", text, false, NOW), MEMBERS_UNREADABLE);
    free(text);
    members_free(m);
}

static void past_the_limit_who_is_gone_makes_room_and_else_nobody_enters(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    char name[16];
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        (void)snprintf(name, sizeof name, "h%03u", i);
        struct other one = {.host = name, .services = "", .state = i == 7 ? "gone" : "up"};
        assert_int_equal(take(m, one, NOW), MEMBERS_CHANGED);
    }
    assert_int_equal(take(m, (struct other){.host = "one", .services = ""}, NOW), MEMBERS_CHANGED);
    assert_int_equal(members_count(m), MEMBERS_MAX);
    assert_int_equal(take(m, (struct other){.host = "two", .services = ""}, NOW), MEMBERS_OVERFLOW);
    assert_int_equal(take(m, (struct other){.host = "h001", .services = ""}, NOW), MEMBERS_CHANGED);
    members_free(m);
}

/* --- marks --- */

static bool marks_agree(const struct members *m) {
    struct report r = {""};
    return members_marks_agree(m, &r);
}

static void marks_agree_unless_a_host_of_our_services_has_another_secret(void **state) {
    (void)state;
    static const char strangers[] = "\"other\":{\"key\":\"none\"}";
    struct members *m = members_of(1, 1);
    assert_true(marks_agree(m));
    (void)take(m, (struct other){.host = "a"}, NOW);
    (void)take(m, (struct other){.host = "b", .mark = "theirs", .services = strangers}, NOW);
    assert_true(marks_agree(m));
    (void)take(m, (struct other){.host = "c", .mark = "theirs"}, NOW);
    assert_false(marks_agree(m));
    (void)take(m, (struct other){.host = "c"}, NOW);
    assert_true(marks_agree(m));
    members_free(m);
}

static void a_host_that_is_gone_may_have_handed_over_any_service_of_its_group(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    (void)take(m, (struct other){.group = "far", .state = "gone", .mark = "theirs", .services = ""},
               NOW);
    assert_true(marks_agree(m));
    (void)take(m, (struct other){.state = "gone", .mark = "theirs", .services = ""}, NOW);
    assert_false(marks_agree(m));
    members_free(m);
}

static void a_host_that_names_no_mark_is_of_an_earlier_version(void **state) {
    (void)state;
    struct members *m = members_of(1, 1);
    (void)take_text(m, "zingq/hosts/default/old",
                    "{\"host\":\"old\",\"id\":\"id\",\"group\":\"default\",\"count\":1,\"this\":1,"
                    "\"state\":\"up\",\"since\":1,\"services\":{\"mails\":{\"key\":\"none\"}}}",
                    false, NOW);
    assert_false(marks_agree(m));
    members_free(m);
}

static void a_presence_without_a_mark_is_written_as_one_that_can_be_read(void **state) {
    (void)state;
    const struct slice topic = slice_of("zingq/hosts/default/old");
    const struct slice text = slice_of("{\"host\":\"old\",\"id\":\"id\",\"group\":\"default\","
                                       "\"count\":1,\"this\":1,\"state\":\"up\",\"since\":1}");
    struct presence *once = NULL;
    struct presence *again = NULL;
    struct report r = {""};
    struct buf out;
    buf_init(&out, PRESENCE_BYTES_MAX);
    assert_int_equal(presence_read(&once, topic, text, &r), 0);
    assert_int_equal(presence_write(once, &out), 0);
    int code = presence_read(&again, topic, buf_slice(&out), &r);
    assert_string_equal(r.text, "");
    assert_int_equal(code, 0);
    assert_string_equal(again->mark, "");
    presence_free(again);
    presence_free(once);
    buf_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_nobody_conflicts),
        cmocka_unit_test(a_second_host_of_a_keyed_service_yields_and_names_the_first),
        cmocka_unit_test(what_needs_no_division_is_shared_freely),
        cmocka_unit_test(places_of_one_division_run_side_by_side),
        cmocka_unit_test(anything_else_than_one_division_conflicts),
        cmocka_unit_test(of_two_that_join_the_one_that_started_first_goes_on),
        cmocka_unit_test(of_two_started_in_one_millisecond_the_smaller_name_goes_on),
        cmocka_unit_test(who_is_up_yields_to_who_was_there_before_and_goes_on_when_it_goes),
        cmocka_unit_test(a_kept_presence_is_asked_and_silent_without_an_answer),
        cmocka_unit_test(an_answer_ends_the_wait),
        cmocka_unit_test(who_was_heard_is_up_until_it_does_not_answer_the_next_hello),
        cmocka_unit_test(a_kept_presence_of_a_later_process_has_not_spoken),
        cmocka_unit_test(the_place_of_another_is_up_when_it_has_spoken),
        cmocka_unit_test(our_own_presence_comes_back),
        cmocka_unit_test(marks_agree_unless_a_host_of_our_services_has_another_secret),
        cmocka_unit_test(a_host_that_is_gone_may_have_handed_over_any_service_of_its_group),
        cmocka_unit_test(a_host_that_names_no_mark_is_of_an_earlier_version),
        cmocka_unit_test(a_presence_without_a_mark_is_written_as_one_that_can_be_read),
        cmocka_unit_test(what_others_put_under_our_name_is_noticed),
        cmocka_unit_test(
            an_earlier_folder_under_our_name_that_is_gone_is_forgotten_when_we_are_kept),
        cmocka_unit_test(a_hello_is_to_be_answered_unless_the_broker_kept_it),
        cmocka_unit_test(who_leaves_for_good_is_forgotten),
        cmocka_unit_test(who_is_not_there_on_the_next_connection_is_forgotten),
        cmocka_unit_test(garbage_is_ignored),
        cmocka_unit_test(a_presence_past_its_limit_is_ignored),
        cmocka_unit_test(past_the_limit_who_is_gone_makes_room_and_else_nobody_enters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
