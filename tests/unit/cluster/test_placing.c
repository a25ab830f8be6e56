/*
 * test_placing.c - who is to have each shard, and who is dead: decisions from what a host has seen, without
 * a database.
 */
#include "test.h"
#include "cluster/cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LEASE = 10000 };

static struct cluster_view view_of(unsigned shards, size_t hosts) {
    struct cluster_view view = {.shards = shards, .member_count = hosts};
    for (size_t i = 0; i < hosts; i++) {
        (void)snprintf(view.members[i].name, sizeof view.members[i].name, "web%zu", i + 1);
        view.members[i].lease_ms = LEASE;
    }
    return view;
}

static void pin(struct cluster_view *view, unsigned shard, const char *host) {
    (void)snprintf(view->leases[shard].pin, sizeof view->leases[shard].pin, "%s", host);
}

static void own(struct cluster_view *view, unsigned shard, const char *host) {
    (void)snprintf(view->leases[shard].owner, sizeof view->leases[shard].owner, "%s", host);
}

static void fail_on(struct cluster_view *view, unsigned shard, const char *host) {
    (void)snprintf(view->leases[shard].failed, sizeof view->leases[shard].failed, "%s", host);
}

static unsigned count(const struct cluster_view *view, const int *placed, int host) {
    unsigned n = 0;
    for (unsigned i = 0; i < view->shards; i++) {
        n += placed[i] == host;
    }
    return n;
}

/* Each of the hosts from that one on has its part, rounded down or up. */
static void assert_even(const struct cluster_view *view, const int *placed, int from) {
    unsigned hosts = (unsigned)view->member_count - (unsigned)from;
    for (int host = from; host < (int)view->member_count; host++) {
        assert_in_range(count(view, placed, host), view->shards / hosts,
                        (view->shards + hosts - 1) / hosts);
    }
}

static unsigned moves(const struct cluster_view *view, const int *a, const int *b) {
    unsigned n = 0;
    for (unsigned i = 0; i < view->shards; i++) {
        n += a[i] != b[i];
    }
    return n;
}

static void every_host_has_its_part(void **state) {
    (void)state;
    for (unsigned shards = 2; shards <= PARTITIONS; shards++) {
        for (size_t hosts = 1; hosts <= shards && hosts <= 9; hosts++) {
            struct cluster_view view = view_of(shards, hosts);
            int placed[PARTITIONS];
            placing_decide(&view, placed);
            assert_even(&view, placed, 0);
        }
    }
}

static void more_hosts_than_shards_have_one_each_or_none(void **state) {
    struct cluster_view view = view_of(2, CLUSTER_HOSTS_MAX);
    int placed[PARTITIONS];
    (void)state;
    placing_decide(&view, placed);
    assert_in_range(placed[0], 0, CLUSTER_HOSTS_MAX - 1);
    assert_in_range(placed[1], 0, CLUSTER_HOSTS_MAX - 1);
    assert_int_not_equal(placed[0], placed[1]);
}

static void who_has_a_shard_now_does_not_matter(void **state) {
    struct cluster_view view = view_of(16, 3);
    int before[PARTITIONS];
    int after[PARTITIONS];
    (void)state;
    placing_decide(&view, before);
    for (unsigned i = 0; i < view.shards; i++) {
        own(&view, i, "web2");
    }
    placing_decide(&view, after);
    assert_memory_equal(before, after, view.shards * sizeof *before);
}

static void few_shards_move_when_a_host_joins(void **state) {
    (void)state;
    for (size_t hosts = 2; hosts <= 6; hosts++) {
        struct cluster_view less = view_of(PARTITIONS, hosts);
        struct cluster_view more = view_of(PARTITIONS, hosts + 1);
        int before[PARTITIONS];
        int after[PARTITIONS];
        placing_decide(&less, before);
        placing_decide(&more, after);
        assert_in_range(moves(&less, before, after), 1, 2 * PARTITIONS / (hosts + 1));
    }
}

static void a_host_that_comes_back_gets_its_shards_back(void **state) {
    struct cluster_view view = view_of(8, 3);
    int before[PARTITIONS];
    int meanwhile[PARTITIONS];
    int after[PARTITIONS];
    (void)state;
    placing_decide(&view, before);
    view.members[0].state = MEMBER_DEAD;
    placing_decide(&view, meanwhile);
    assert_int_equal(count(&view, meanwhile, 0), 0);
    assert_even(&view, meanwhile, 1);
    view.members[0].state = MEMBER_LIVE;
    placing_decide(&view, after);
    assert_memory_equal(before, after, view.shards * sizeof *before);
}

static void a_host_that_drains_or_has_left_gets_none(void **state) {
    struct cluster_view view = view_of(8, 4);
    int placed[PARTITIONS];
    (void)state;
    view.members[0].draining = true;
    view.members[1].state = MEMBER_GONE;
    placing_decide(&view, placed);
    assert_int_equal(count(&view, placed, 0) + count(&view, placed, 1), 0);
    assert_even(&view, placed, 2);
}

static void if_all_drain_shards_stay_and_no_shard_is_left_alone(void **state) {
    struct cluster_view view = view_of(8, 2);
    int placed[PARTITIONS];
    (void)state;
    view.members[0].draining = view.members[1].draining = true;
    for (unsigned i = 0; i < 6; i++) {
        own(&view, i, "web2");
    }
    placing_decide(&view, placed);
    assert_int_equal(count(&view, placed, 1), 6);
    assert_int_equal(count(&view, placed, 0), 2);
}

static void a_host_that_stops_gets_none_though_others_drain(void **state) {
    struct cluster_view view = view_of(8, 3);
    int placed[PARTITIONS];
    (void)state;
    view.members[0].stopping = true;
    placing_decide(&view, placed);
    assert_even(&view, placed, 1);
    view.members[1].draining = view.members[2].draining = true;
    own(&view, 0, "web1");
    placing_decide(&view, placed);
    assert_int_equal(count(&view, placed, 0), 0);
    view.member_count = 1;
    placing_decide(&view, placed);
    assert_int_equal(count(&view, placed, -1), 8);
}

static void nobody_alive_gets_nothing(void **state) {
    struct cluster_view view = view_of(8, 1);
    int placed[PARTITIONS];
    (void)state;
    view.members[0].state = MEMBER_DEAD;
    pin(&view, 3, "web1");
    placing_decide(&view, placed);
    assert_int_equal(count(&view, placed, -1), 8);
}

static void a_pin_wins_and_the_others_even_it_out(void **state) {
    struct cluster_view view = view_of(12, 3);
    int placed[PARTITIONS];
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        pin(&view, i, "web1");
    }
    placing_decide(&view, placed);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(placed[i], 0);
    }
    assert_int_equal(count(&view, placed, 1), 3);
    assert_int_equal(count(&view, placed, 2), 3);
}

static void a_pin_to_a_host_that_cannot_have_it_is_none(void **state) {
    struct cluster_view view = view_of(8, 4);
    int placed[PARTITIONS];
    (void)state;
    view.members[0].draining = true;
    view.members[1].state = MEMBER_DEAD;
    pin(&view, 0, "web1");
    pin(&view, 1, "web2");
    pin(&view, 2, "nobody");
    placing_decide(&view, placed);
    assert_even(&view, placed, 2);
}

static void a_host_that_could_not_run_a_shard_gets_it_only_if_no_other_can(void **state) {
    struct cluster_view view = view_of(8, 2);
    int placed[PARTITIONS];
    (void)state;
    for (unsigned i = 0; i < view.shards; i++) {
        fail_on(&view, i, "web1");
    }
    placing_decide(&view, placed);
    assert_int_equal(count(&view, placed, 1), 8);
    view.members[1].draining = true;
    placing_decide(&view, placed);
    assert_int_equal(count(&view, placed, 0), 8);
}

static void
a_pin_to_a_host_that_could_not_run_the_shard_waits_until_it_may_try_again(void **state) {
    struct cluster_view view = view_of(2, 2);
    int placed[PARTITIONS];
    (void)state;
    pin(&view, 0, "web1");
    fail_on(&view, 0, "web1");
    placing_decide(&view, placed);
    assert_int_equal(placed[0], 1);
    fail_on(&view, 0, "web2");
    placing_decide(&view, placed);
    assert_int_equal(placed[0], 0);
    view.members[1].state = MEMBER_DEAD;
    fail_on(&view, 0, "web1");
    placing_decide(&view, placed);
    assert_int_equal(placed[0], 0);
}

/* --- who is dead --- */

static bool is_dead(const struct watch *w, const struct cluster_view *view, int64_t now_ms) {
    return watch_is_dead(w, &view->members[0], now_ms);
}

static void a_host_is_dead_when_its_count_has_stood_still_for_its_lease(void **state) {
    struct cluster_view view = view_of(8, 1);
    struct watch w = {.count = 0};
    int64_t now = 1000000;
    (void)state;
    for (int64_t end = now + LEASE; now < end; now += LEASE / 4) {
        watch_look(&w, &view, now, LEASE);
        assert_false(is_dead(&w, &view, now));
    }
    watch_look(&w, &view, now, LEASE);
    assert_true(is_dead(&w, &view, now));
    view.members[0].beats++;
    watch_look(&w, &view, now + 1, LEASE);
    assert_false(is_dead(&w, &view, now + 1));
}

static void its_own_lease_counts_not_the_watchers(void **state) {
    struct cluster_view view = view_of(8, 1);
    struct watch w = {.count = 0};
    (void)state;
    view.members[0].lease_ms = LEASE / 5;
    watch_look(&w, &view, 1000000, LEASE);
    watch_look(&w, &view, 1000000 + LEASE / 4, LEASE);
    assert_true(is_dead(&w, &view, 1000000 + LEASE / 4));
}

static void after_a_gap_nothing_is_known(void **state) {
    struct cluster_view view = view_of(8, 1);
    struct watch w = {.count = 0};
    int64_t now = 1000000;
    (void)state;
    watch_look(&w, &view, now, LEASE);
    now += 100 * LEASE; /* this host was stopped, or the database was away */
    watch_look(&w, &view, now, LEASE);
    assert_false(is_dead(&w, &view, now));
    watch_look(&w, &view, now += LEASE / 2, LEASE);
    assert_false(is_dead(&w, &view, now));
    watch_look(&w, &view, now += LEASE / 2, LEASE);
    assert_true(is_dead(&w, &view, now));
}

static void who_has_left_or_just_come_is_not_dead(void **state) {
    struct cluster_view view = view_of(8, 1);
    struct watch w = {.count = 0};
    (void)state;
    assert_false(is_dead(&w, &view, 1000000));
    watch_look(&w, &view, 1000000, LEASE);
    watch_look(&w, &view, 1000000 + LEASE / 2, LEASE);
    watch_look(&w, &view, 1000000 + LEASE, LEASE);
    view.members[0].state = MEMBER_GONE;
    assert_false(is_dead(&w, &view, 1000000 + LEASE));
}

static void looks_in_a_row_that_come_too_late_are_counted(void **state) {
    struct cluster_view view = view_of(8, 1);
    struct watch w = {.count = 0};
    int64_t now = 1000000;
    (void)state;
    watch_look(&w, &view, now, LEASE);
    assert_int_equal(w.blind, 0);
    watch_look(&w, &view, now += LEASE, LEASE);
    watch_look(&w, &view, now += LEASE, LEASE);
    assert_int_equal(w.blind, 2);
    watch_look(&w, &view, now += LEASE / 4, LEASE);
    assert_int_equal(w.blind, 0);
}

static void shards_are_left_to_who_has_been_live_for_two_leases(void **state) {
    struct cluster_view view = view_of(8, 1);
    struct watch w = {.count = 0};
    int64_t now = 1000000;
    (void)state;
    view.members[0].state = MEMBER_GONE;
    watch_look(&w, &view, now, LEASE);
    view.members[0].state = MEMBER_LIVE;
    watch_look(&w, &view, now += LEASE / 4, LEASE);
    assert_false(watch_is_steady(&w, &view.members[0], now + 2 * LEASE - 1));
    assert_true(watch_is_steady(&w, &view.members[0], now + 2 * LEASE));
    view.members[0].state = MEMBER_DEAD;
    watch_look(&w, &view, now + 2 * LEASE, LEASE);
    assert_false(watch_is_steady(&w, &view.members[0], now + 4 * LEASE));
}

/* --- who follows --- */

static void find_followers(const struct cluster_view *view, int followers[PARTITIONS]) {
    int placed[PARTITIONS];
    placing_decide(view, placed);
    placing_followers(view, placed, followers);
}

/* Each shard is where it is placed. */
static void own_all(struct cluster_view *view) {
    int placed[PARTITIONS];
    placing_decide(view, placed);
    for (unsigned i = 0; i < view->shards; i++) {
        own(view, i, view->members[placed[i]].name);
    }
}

static void who_would_get_a_shard_next_follows_it(void **state) {
    (void)state;
    for (size_t hosts = 2; hosts <= 5; hosts++) {
        struct cluster_view view = view_of(12, hosts);
        int followers[PARTITIONS];
        int next[PARTITIONS];
        own_all(&view);
        find_followers(&view, followers);
        for (size_t dead = 0; dead < hosts; dead++) {
            struct cluster_view later = view;
            later.members[dead].state = MEMBER_DEAD;
            placing_decide(&later, next);
            for (unsigned i = 0; i < view.shards; i++) {
                if (strcmp(view.leases[i].owner, view.members[dead].name) == 0) {
                    assert_int_equal(followers[i], next[i]);
                }
            }
        }
    }
}

static void a_host_that_is_to_have_a_shard_that_another_one_has_follows_it(void **state) {
    struct cluster_view view = view_of(8, 1);
    int placed[PARTITIONS];
    int followers[PARTITIONS];
    (void)state;
    own_all(&view);
    struct cluster_view more = view_of(8, 2);
    memcpy(more.leases, view.leases, sizeof more.leases);
    placing_decide(&more, placed);
    find_followers(&more, followers);
    for (unsigned i = 0; i < more.shards; i++) {
        assert_int_equal(followers[i],
                         1); /* the first one has all, and the other one's part is to move */
    }
    pin(&more, 3, "web2");
    find_followers(&more, followers);
    assert_int_equal(followers[3], 1);
}

static void a_shard_that_nobody_has_or_nobody_else_could_have_is_not_followed(void **state) {
    struct cluster_view view = view_of(8, 2);
    int followers[PARTITIONS];
    (void)state;
    own_all(&view);
    own(&view, 0, "");
    view.members[1].draining = true;
    for (unsigned i = 1; i < view.shards; i++) {
        own(&view, i, "web1");
    }
    view.members[1].state = MEMBER_DEAD;
    find_followers(&view, followers);
    for (unsigned i = 0; i < view.shards; i++) {
        assert_int_equal(followers[i], -1);
    }
}

static void a_host_that_could_not_run_a_shard_does_not_follow_it_if_another_can(void **state) {
    struct cluster_view view = view_of(8, 3);
    int followers[PARTITIONS];
    (void)state;
    own_all(&view);
    find_followers(&view, followers);
    fail_on(&view, 2, view.members[followers[2]].name);
    int before = followers[2];
    find_followers(&view, followers);
    assert_int_not_equal(followers[2], before);
    assert_string_not_equal(view.members[followers[2]].name, view.leases[2].owner);
}

/* --- moves --- */

static void a_shard_waits_for_its_copy(void **state) {
    (void)state;
    struct member to = {.lease_ms = LEASE, .follows = true, .copies = 1 << 2, .loads = 1 << 3};
    assert_int_equal(placing_patience_ms(&to, 2), 0);
    assert_int_equal(placing_patience_ms(&to, 3), 600000);
}

static void who_has_not_begun_to_follow_it_has_a_lease_to_do_so(void **state) {
    (void)state;
    struct member to = {.lease_ms = LEASE, .follows = true};
    assert_int_equal(placing_patience_ms(&to, PARTITIONS - 1), LEASE);
}

static void nobody_waits_for_who_follows_none(void **state) {
    (void)state;
    struct member to = {.lease_ms = LEASE, .follows = false};
    assert_int_equal(placing_patience_ms(&to, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_host_has_its_part),
        cmocka_unit_test(more_hosts_than_shards_have_one_each_or_none),
        cmocka_unit_test(who_has_a_shard_now_does_not_matter),
        cmocka_unit_test(few_shards_move_when_a_host_joins),
        cmocka_unit_test(a_host_that_comes_back_gets_its_shards_back),
        cmocka_unit_test(a_host_that_drains_or_has_left_gets_none),
        cmocka_unit_test(if_all_drain_shards_stay_and_no_shard_is_left_alone),
        cmocka_unit_test(a_host_that_stops_gets_none_though_others_drain),
        cmocka_unit_test(nobody_alive_gets_nothing),
        cmocka_unit_test(a_pin_wins_and_the_others_even_it_out),
        cmocka_unit_test(a_pin_to_a_host_that_cannot_have_it_is_none),
        cmocka_unit_test(a_host_that_could_not_run_a_shard_gets_it_only_if_no_other_can),
        cmocka_unit_test(a_pin_to_a_host_that_could_not_run_the_shard_waits_until_it_may_try_again),
        cmocka_unit_test(a_host_is_dead_when_its_count_has_stood_still_for_its_lease),
        cmocka_unit_test(its_own_lease_counts_not_the_watchers),
        cmocka_unit_test(after_a_gap_nothing_is_known),
        cmocka_unit_test(who_has_left_or_just_come_is_not_dead),
        cmocka_unit_test(looks_in_a_row_that_come_too_late_are_counted),
        cmocka_unit_test(shards_are_left_to_who_has_been_live_for_two_leases),
        cmocka_unit_test(who_would_get_a_shard_next_follows_it),
        cmocka_unit_test(a_host_that_is_to_have_a_shard_that_another_one_has_follows_it),
        cmocka_unit_test(a_shard_that_nobody_has_or_nobody_else_could_have_is_not_followed),
        cmocka_unit_test(a_host_that_could_not_run_a_shard_does_not_follow_it_if_another_can),
        cmocka_unit_test(a_shard_waits_for_its_copy),
        cmocka_unit_test(who_has_not_begun_to_follow_it_has_a_lease_to_do_so),
        cmocka_unit_test(nobody_waits_for_who_follows_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
