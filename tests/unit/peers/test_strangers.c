/* test_strangers.c - presences that nothing proves count for nothing, and are listed. */
#include "peers/strangers.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

enum { NOW = 1000 };

static struct service_conf services[] = {
    {.name = "seats", .key = {RULE_JSON, "/event_id", 0}, .ordered = true, .share = true},
};

static struct members *members_of_me(void) {
    static const bool runs[] = {true};
    static const uint16_t numbers[] = {0};
    static char *secrets[] = {(char *)"of all the hosts"};
    const struct presence_facts facts = {.host = "me",
                                         .id = "id",
                                         .client_id = "c",
                                         .mark = "ours",
                                         .runs = runs,
                                         .numbers = numbers};
    struct conf conf = {.services = services, .service_count = 1};
    struct presence *self = NULL;
    struct members *m = NULL;
    conf.hosts = (struct hosts_conf){
        .group = (char *)"default", .share = {1, 1}, .secrets = secrets, .secret_count = 1};
    assert_int_equal(presence_own(&self, &conf, &facts), 0);
    assert_int_equal(members_new(&m, self), 0);
    members_say(m, PRESENCE_UP, false);
    return m;
}

static const char *topic_of(const char *group, const char *host, char out[128]) {
    (void)snprintf(out, 128, "zingq/hosts/%s/%s", group, host);
    return out;
}

static const char *text_of(const char *group, const char *host, const char *service,
                           const char *state, char out[512]) {
    (void)snprintf(out, 512,
                   "{\"host\":\"%s\",\"id\":\"id-%s\",\"group\":\"%s\",\"mark\":\"theirs\","
                   "\"count\":1,\"this\":1,\"state\":\"%s\",\"hello\":true,\"since\":1,"
                   "\"services\":{\"%s\":{\"key\":\"json:/event_id\",\"order\":\"key\"}}}",
                   host, host, group, state, service);
    return out;
}

/* News of it, and whether it is listed from now on. */
static unsigned doubt(struct strangers *s, struct members *m, const char *topic, const char *text,
                      bool *is_new) {
    const struct stranger_said said = {slice_of(topic), slice_of(text), false, NOW};
    return strangers_take(s, m, &said, is_new);
}

static void a_strangers_presence_counts_for_nothing_and_is_listed_once(void **state) {
    (void)state;
    struct members *m = members_of_me();
    struct strangers s = {.count = 0};
    struct report r;
    char topic[128];
    char text[512];
    bool is_new = false;
    (void)topic_of("default", "mallory", topic);
    (void)text_of("default", "mallory", "seats", "up", text);
    assert_int_equal(doubt(&s, m, topic, text, &is_new), 0);
    assert_true(is_new);
    assert_int_equal(doubt(&s, m, topic, text, &is_new), 0);
    assert_false(is_new);
    assert_int_equal(s.count, 1);
    assert_string_equal(s.topics[0], topic);
    assert_int_equal(members_count(m), 0);
    assert_false(members_must_hold(m, 0, NOW, &r));
    members_free(m);
}

static void hosts_of_other_groups_and_services_are_not_listed(void **state) {
    (void)state;
    struct members *m = members_of_me();
    struct strangers s = {.count = 0};
    char topic[128];
    char text[512];
    bool is_new = true;
    (void)topic_of("far", "a", topic);
    (void)doubt(&s, m, topic, text_of("far", "a", "stocks", "up", text), &is_new);
    assert_false(is_new);
    (void)doubt(&s, m, topic, text_of("far", "a", "seats", "up", text), &is_new);
    assert_true(is_new);
    members_free(m);
}

static void what_is_believed_or_cleared_is_no_longer_listed(void **state) {
    (void)state;
    struct members *m = members_of_me();
    struct strangers s = {.count = 0};
    char topics[2][128];
    char text[512];
    bool is_new = false;
    (void)doubt(&s, m, topic_of("default", "a", topics[0]),
                text_of("default", "a", "seats", "up", text), &is_new);
    (void)doubt(&s, m, topic_of("default", "b", topics[1]),
                text_of("default", "b", "seats", "up", text), &is_new);
    strangers_forget(&s, slice_of(topics[0]));
    assert_int_equal(s.count, 1);
    assert_string_equal(s.topics[0], topics[1]);
    (void)doubt(&s, m, topics[1], "", &is_new);
    assert_int_equal(s.count, 0);
    members_free(m);
}

static void only_a_host_that_is_gone_is_forgotten_on_a_strangers_word(void **state) {
    (void)state;
    struct members *m = members_of_me();
    struct strangers s = {.count = 0};
    struct report r;
    char topic[128];
    char text[512];
    bool is_new = false;
    (void)topic_of("default", "a", topic);
    (void)members_take(m, slice_of(topic), slice_of(text_of("default", "a", "seats", "up", text)),
                       false, NOW, &r);
    assert_int_equal(doubt(&s, m, topic, "", &is_new), 0);
    assert_int_equal(members_count(m), 1);
    (void)members_take(m, slice_of(topic), slice_of(text_of("default", "a", "seats", "gone", text)),
                       false, NOW, &r);
    assert_int_equal(doubt(&s, m, topic, "", &is_new), MEMBERS_CHANGED);
    assert_int_equal(members_count(m), 0);
    members_free(m);
}

static void who_writes_under_our_name_makes_us_publish_again(void **state) {
    (void)state;
    struct members *m = members_of_me();
    struct strangers s = {.count = 0};
    char topic[128];
    char text[512];
    bool is_new = true;
    (void)topic_of("default", "me", topic);
    assert_int_equal(doubt(&s, m, topic, text_of("default", "me", "seats", "gone", text), &is_new),
                     MEMBERS_OVERWRITTEN);
    assert_int_equal(doubt(&s, m, topic, "", &is_new), MEMBERS_OVERWRITTEN);
    assert_false(is_new);
    members_free(m);
}

static void of_very_many_the_latest_are_listed(void **state) {
    (void)state;
    struct members *m = members_of_me();
    struct strangers s = {.count = 0};
    char topic[128];
    char text[512];
    bool is_new = false;
    for (int i = 0; i < 3 * STRANGERS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "h%d", i);
        (void)doubt(&s, m, topic_of("default", name, topic),
                    text_of("default", name, "seats", "up", text), &is_new);
        assert_true(is_new);
    }
    assert_int_equal(s.count, STRANGERS_MAX);
    assert_string_equal(s.topics[STRANGERS_MAX - 1], topic);
    members_free(m);
}

/* One that cannot prove what it says is not seen by one that wants proof: it must be the one that
 * gives way, whoever came first. */
static void a_host_that_wants_no_proof_yields_to_one_that_does(void **state) {
    (void)state;
    struct members *m = members_of_me();
    struct report r;
    char topic[128];
    char text[512];
    (void)topic_of("default", "open", topic);
    (void)members_take(m, slice_of(topic),
                       slice_of(text_of("default", "open", "seats", "up", text)), false, NOW, &r);
    assert_false(members_must_hold(m, 0, NOW, &r)); /* although it was there before */
    members_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strangers_presence_counts_for_nothing_and_is_listed_once),
        cmocka_unit_test(hosts_of_other_groups_and_services_are_not_listed),
        cmocka_unit_test(what_is_believed_or_cleared_is_no_longer_listed),
        cmocka_unit_test(only_a_host_that_is_gone_is_forgotten_on_a_strangers_word),
        cmocka_unit_test(who_writes_under_our_name_makes_us_publish_again),
        cmocka_unit_test(of_very_many_the_latest_are_listed),
        cmocka_unit_test(a_host_that_wants_no_proof_yields_to_one_that_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
