/*
 * test_cluster.c - the hosts of a cluster and their shards in a real PostgreSQL: each shard has one owner,
 * who lives, or nobody.
 *
 * The server is that of tests/blackbox/cluster_commands.sh, which runs this with its address, as a superuser, in
 * $ZINGQ_TEST_DATABASE. Its tables of clusters are emptied before each test.
 */
#include "test.h"
#include "base/clock.h"
#include "cluster/cluster.h"
#include "io/pg/line.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 20000, SHARDS = 4, LEASE = 10000, ROUNDS = 60, TRIES = 20 };

struct world {
    struct pg_line *admin;
    struct pg_line *blocker;
    struct cluster *command; /* that of a person */
    struct cluster *a, *b;   /* hosts */
    struct cluster_view view;
    struct report r;
};

static const char *database(void) {
    return getenv("ZINGQ_TEST_DATABASE");
}

/* The number in the first field of its first row; 0 if there is none. */
static int64_t ask(struct pg_line *line, const char *text) {
    const struct pg_statement statement = {.text = text};
    struct pg_row row;
    struct buf kept;
    buf_init(&kept, 64);
    int code = pg_line_ask(line, &statement, NULL, &kept, &row);
    if (code != 0 && code != ERR_NOTFOUND) {
        fail_msg("%s: %s", text, pg_line_error(line));
    }
    int64_t found = code == 0 ? strtoll(buf_str(&kept), NULL, 10) : 0; /* it comes as text */
    buf_clear(&kept);
    return found;
}

static struct cluster *cluster_of(const char *host) {
    const struct cluster_options options = {.url = database(),
                                            .cluster = "prod",
                                            .host = host,
                                            .process = "process 7",
                                            .lease_ms = LEASE,
                                            .patience_ms = WAIT_MS};
    struct cluster *c = NULL;
    assert_int_equal(cluster_new(&c, &options, NULL), 0);
    return c;
}

static struct pg_line *connect_line(void) {
    const struct pg_line_options options = {.url = database(), .patience_ms = WAIT_MS};
    struct pg_line *line = NULL;
    assert_int_equal(pg_line_new(&line, &options, NULL), 0);
    assert_int_equal(pg_line_connect(line, WAIT_MS), 0);
    return line;
}

static int connect_all(void **state) {
    static struct world w;
    w = (struct world){.admin = connect_line(), .blocker = connect_line()};
    (void)ask(w.admin, "SET client_min_messages = error; DROP SCHEMA IF EXISTS zq CASCADE");
    (void)ask(w.blocker, "SET lock_timeout = 0");
    w.command = cluster_of("");
    w.a = cluster_of("a");
    w.b = cluster_of("b");
    *state = &w;
    return 0;
}

static int close_all(void **state) {
    struct world *w = *state;
    cluster_free(w->command);
    cluster_free(w->a);
    cluster_free(w->b);
    pg_line_free(w->admin);
    pg_line_free(w->blocker);
    return 0;
}

static int set_up(void **state) {
    struct world *w = *state;
    struct cluster_facts facts = {.shards = SHARDS};
    (void)ask(w->admin, "DO $$ BEGIN IF to_regclass('zq.shard') IS NOT NULL THEN"
                        " DELETE FROM zq.cluster; DELETE FROM zq.host; DELETE FROM zq.shard;"
                        " END IF; END $$");
    assert_int_equal(cluster_make(w->command, &facts, &w->r), 0);
    assert_int_equal(cluster_join(w->a, &w->r), 0);
    assert_int_equal(cluster_join(w->b, &w->r), 0);
    return 0;
}

/* --- what everybody sees --- */

static const struct cluster_view *look(struct world *w) {
    if (cluster_look(w->command, &w->view, &w->r) != 0) {
        fail_msg("%s", w->r.text);
    }
    return &w->view;
}

static const struct member *member(struct world *w, const char *host) {
    const struct member *m = cluster_member(look(w), host);
    assert_non_null(m);
    return m;
}

static void assert_owner(struct world *w, unsigned shard, const char *host) {
    assert_string_equal(look(w)->leases[shard - 1].owner, host);
}

static int bury_as_seen(struct world *w, const char *host) {
    return cluster_bury(w->b, host, member(w, host)->beats, &w->r);
}

/* --- the cluster --- */

static void a_cluster_is_made_once(void **state) {
    struct world *w = *state;
    struct cluster_facts first;
    struct cluster_facts again = {.shards = 9};
    assert_int_equal(cluster_facts(w->a, &first, &w->r), 0);
    assert_int_equal(first.shards, SHARDS);
    assert_int_equal(strlen(first.secret), CLUSTER_SECRET_BYTES - 1);
    assert_int_equal(cluster_make(w->command, &again, &w->r), ERR_EXISTS);
    assert_int_equal(again.shards, SHARDS);
    assert_string_equal(again.secret, first.secret);
}

static void where_there_is_no_cluster_nothing_is_made(void **state) {
    struct world *w = *state;
    struct cluster_facts facts;
    struct cluster *c = cluster_of("c");
    (void)ask(w->admin, "DROP SCHEMA zq CASCADE");
    assert_int_equal(cluster_facts(c, &facts, &w->r), ERR_NOTFOUND);
    assert_int_equal(cluster_join(c, &w->r), ERR_NOTFOUND);
    assert_int_equal(cluster_look(c, &w->view, &w->r), ERR_NOTFOUND);
    assert_non_null(strstr(w->r.text, "zingq cluster init"));
    assert_int_equal(ask(w->admin, "SELECT count(*) FROM pg_namespace WHERE nspname = 'zq'"), 0);
    facts.shards = SHARDS;
    assert_int_equal(cluster_make(c, &facts, &w->r), 0);
    assert_int_equal(cluster_join(c, &w->r), 0);
    cluster_free(c);
}

static void every_host_sees_the_same(void **state) {
    struct world *w = *state;
    assert_int_equal(cluster_claim(w->a, 2, &w->r), 0);
    const struct cluster_view *view = look(w);
    assert_int_equal(view->shards, SHARDS);
    assert_int_equal(view->member_count, 2);
    assert_string_equal(view->members[0].name, "a");
    assert_string_equal(view->members[1].name, "b");
    assert_int_equal(view->members[1].lease_ms, LEASE);
    assert_string_equal(view->leases[0].owner, "");
    assert_string_equal(view->leases[1].owner, "a");
    assert_string_equal(view->lost, "");
}

/* --- a host --- */

static void a_beat_raises_the_count(void **state) {
    struct world *w = *state;
    int64_t before = member(w, "a")->beats;
    assert_int_equal(cluster_beat(w->a, "fine", false, &w->r), 0);
    assert_int_equal(member(w, "a")->beats, before + 1);
}

static void a_host_says_what_it_has_copies_of(void **state) {
    struct world *w = *state;
    assert_int_equal(cluster_beat(w->a, "fine", false, &w->r), 0);
    assert_false(member(w, "a")->follows);
    assert_int_equal(cluster_beat(w->a, "{\"running\":[1]}", false, &w->r), 0);
    assert_false(member(w, "a")->follows);
    assert_int_equal(cluster_beat(w->a, "{\"following\":[]}", false, &w->r), 0);
    assert_true(member(w, "a")->follows);
    assert_int_equal(cluster_beat(w->a,
                                  "{\"following\":[{\"shard\":1,\"turn\":7,\"age_ms\":5000},"
                                  "{\"shard\":2,\"turn\":7,\"age_ms\":5001},{\"shard\":3}]}",
                                  false, &w->r),
                     0);
    assert_int_equal(member(w, "a")->copies, 1 << 0);
    assert_int_equal(member(w, "a")->loads, 1 << 1 | 1 << 2);
    assert_int_equal(cluster_beat(w->a,
                                  "{\"following\":[{\"shard\":1,\"turn\":7,\"age_ms\":0,"
                                  "\"failed\":true},{\"shard\":65}]}",
                                  false, &w->r),
                     0);
    assert_int_equal(member(w, "a")->copies | member(w, "a")->loads, 0);
}

static void a_shard_has_one_owner(void **state) {
    struct world *w = *state;
    assert_int_equal(cluster_claim(w->a, 1, &w->r), 0);
    assert_int_equal(cluster_claim(w->b, 1, &w->r), ERR_EXISTS);
    assert_int_equal(cluster_release(w->b, 1, "", &w->r), 0);
    assert_owner(w, 1, "a");
    assert_int_equal(cluster_release(w->a, 1, "", &w->r), 0);
    assert_owner(w, 1, "");
    assert_int_equal(cluster_claim(w->b, 1, &w->r), 0);
    assert_owner(w, 1, "b");
}

static void a_host_that_starts_again_keeps_its_shards(void **state) {
    struct world *w = *state;
    assert_int_equal(cluster_claim(w->a, 3, &w->r), 0);
    assert_int_equal(cluster_join(w->a, &w->r), 0);
    assert_owner(w, 3, "a");
    assert_int_equal(cluster_release(w->a, 3, "", &w->r), 0);
    assert_owner(w, 3, "");
}

static void two_processes_of_one_name_do_not_fight(void **state) {
    struct world *w = *state;
    struct cluster *second = cluster_of("a");
    assert_int_equal(cluster_join(second, &w->r), 0);
    assert_int_equal(cluster_beat(w->a, "", false, &w->r), ERR_FENCED);
    assert_non_null(strstr(w->r.text, "process 7"));
    assert_int_equal(cluster_claim(w->a, 1, &w->r), ERR_FENCED);
    assert_int_equal(cluster_release(w->a, 1, "", &w->r), ERR_FENCED);
    assert_int_equal(cluster_leave(w->a, &w->r), ERR_FENCED);
    assert_int_equal(cluster_beat(second, "", false, &w->r), 0);
    cluster_free(second);
}

static void who_is_buried_has_nothing_and_may_join_again(void **state) {
    struct world *w = *state;
    assert_int_equal(cluster_claim(w->a, 1, &w->r), 0);
    assert_int_equal(bury_as_seen(w, "a"), 0);
    assert_int_equal(member(w, "a")->state, MEMBER_DEAD);
    assert_owner(w, 1, "");
    assert_int_equal(cluster_beat(w->a, "", false, &w->r), ERR_NOTFOUND);
    assert_int_equal(cluster_claim(w->a, 2, &w->r), ERR_NOTFOUND);
    assert_owner(w, 2, "");
    assert_int_equal(cluster_join(w->a, &w->r), 0);
    assert_int_equal(cluster_claim(w->a, 2, &w->r), 0);
}

static void nobody_is_buried_who_has_beaten_since(void **state) {
    struct world *w = *state;
    int64_t seen = member(w, "a")->beats;
    assert_int_equal(cluster_beat(w->a, "", false, &w->r), 0);
    assert_int_equal(cluster_bury(w->b, "a", seen, &w->r), ERR_EXISTS);
    seen = member(w, "a")->beats;
    assert_int_equal(cluster_join(w->a, &w->r), 0);
    assert_int_equal(cluster_bury(w->b, "a", seen, &w->r), ERR_EXISTS);
    assert_int_equal(member(w, "a")->state, MEMBER_LIVE);
}

static void who_leaves_gives_its_shards_up(void **state) {
    struct world *w = *state;
    assert_int_equal(cluster_claim(w->a, 1, &w->r), 0);
    assert_int_equal(cluster_leave(w->a, &w->r), 0);
    assert_int_equal(member(w, "a")->state, MEMBER_GONE);
    assert_owner(w, 1, "");
}

static void no_more_hosts_live_than_are_of_use(void **state) {
    struct world *w = *state;
    struct cluster *c = cluster_of("c");
    (void)ask(w->admin,
              "INSERT INTO zq.host SELECT cluster, 'h' || i, token, 1, now(), 1, 'live',"
              " false, '', '' FROM zq.host, generate_series(3, 64) AS i WHERE name = 'a'");
    assert_int_equal(cluster_join(c, &w->r), ERR_LIMIT);
    assert_int_equal(cluster_join(w->a, &w->r), 0);
    assert_int_equal(look(w)->member_count, CLUSTER_HOSTS_MAX);
    assert_int_equal(bury_as_seen(w, "h3"), 0);
    assert_int_equal(cluster_join(c, &w->r), 0);
    assert_int_equal(member(w, "c")->state, MEMBER_LIVE);
    cluster_free(c);
}

static void a_shard_that_could_not_be_run_says_where_and_why(void **state) {
    struct world *w = *state;
    json_t *all = NULL;
    assert_int_equal(cluster_claim(w->a, 1, &w->r), 0);
    assert_int_equal(cluster_release(w->a, 1, "exit status 3", &w->r), 0);
    assert_string_equal(look(w)->leases[0].failed, "a");
    assert_int_equal(cluster_claim(w->b, 1, &w->r), 0);
    assert_string_equal(look(w)->leases[0].failed, "a");
    assert_int_equal(cluster_show(w->command, &all, &w->r), 0);
    const json_t *shard = json_array_get(json_object_get(all, "shards"), 0);
    assert_non_null(strstr(json_string_value(json_object_get(shard, "note")), "exit status 3"));
    json_decref(all);
    assert_int_equal(cluster_join(w->a, &w->r), 0);
    assert_string_equal(look(w)->leases[0].failed, "");
}

static void a_cluster_of_the_greatest_size_is_shown(void **state) {
    struct world *w = *state;
    json_t *all = NULL;
    (void)ask(w->admin,
              "INSERT INTO zq.shard (cluster, number, since, note)"
              " SELECT 'prod', n, now(), repeat('why ', 60) FROM generate_series(5, 64) AS n");
    (void)ask(w->admin, "INSERT INTO zq.host (cluster, name, token, beat, at, lease_ms, state,"
                        " process, status) SELECT 'prod', 'web' || n, gen_random_uuid(), 1, now(),"
                        " 10000, 'dead', repeat('p', 190), repeat('s', 4000)"
                        " FROM generate_series(1, 200) AS n");
    assert_int_equal(cluster_show(w->command, &all, &w->r), 0);
    assert_int_equal(json_array_size(json_object_get(all, "shards")), PARTITIONS);
    assert_int_equal(json_array_size(json_object_get(all, "hosts")), 202);
    json_decref(all);
}

/* --- a claim and a burial at once --- */

struct act {
    struct world *w;
    int (*run)(struct world *w);
    pthread_t thread;
    int code;
};

static void *run_act(void *ctx) {
    struct act *act = ctx;
    act->code = act->run(act->w);
    return NULL;
}

static void begin(struct act *act, struct world *w, int (*run)(struct world *w)) {
    *act = (struct act){.w = w, .run = run};
    assert_int_equal(pthread_create(&act->thread, NULL, run_act, act), 0);
}

static int end(struct act *act) {
    assert_int_equal(pthread_join(act->thread, NULL), 0);
    return act->code;
}

/* Until so many wait for a lock. False: those who waited gave up meanwhile, as they do after a second. */
static bool wait_for_waiting(struct world *w, int64_t count) {
    int64_t until_ms = clock_monotonic_ms() + 1000;
    while (ask(w->admin, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") <
           count) {
        if (clock_monotonic_ms() > until_ms) {
            return false;
        }
    }
    return true;
}

/* So a join whose answer was lost, and which is carried out after another one, changes nothing. */
static void a_host_that_joins_again_is_no_other_process(void **state) {
    struct world *w = *state;
    (void)ask(w->admin, "CREATE TEMP TABLE noted AS SELECT name, token FROM zq.host");
    assert_int_equal(cluster_join(w->a, &w->r), 0);
    assert_int_equal(ask(w->admin, "SELECT count(*) FROM zq.host JOIN noted USING (name, token)"),
                     2);
    (void)ask(w->admin, "DROP TABLE noted");
}

/* Someone has that shard's row for as long as the admin's lock lasts. */
static void hold_shard(struct world *w, const char *number) {
    char text[160];
    const struct pg_statement hold = {.text = text};
    (void)snprintf(text, sizeof text,
                   "SELECT pg_advisory_lock(7) FROM (SELECT FROM zq.shard WHERE number = %s"
                   " FOR UPDATE) AS s",
                   number);
    (void)ask(w->admin, "SELECT pg_advisory_lock(7)");
    assert_int_equal(pg_line_send(w->blocker, &hold, NULL), 0);
    while (!wait_for_waiting(w, 1)) {
    }
}

static void let_go(struct world *w) {
    struct pg_row row;
    (void)ask(w->admin, "SELECT pg_advisory_unlock(7)");
    assert_int_equal(pg_line_row(w->blocker, &row), 0);
    assert_int_equal(pg_line_row(w->blocker, &row), ERR_NOTFOUND);
    (void)ask(w->blocker, "SELECT pg_advisory_unlock(7)");
}

static int claim_by_a(struct world *w) {
    return cluster_claim(w->a, 1, NULL);
}

static int bury_a(struct world *w) { /* the view is from before */
    return cluster_bury(w->b, "a", w->view.members[0].beats, NULL);
}

static void assert_only_the_living_have_shards(struct world *w) {
    assert_int_equal(ask(w->admin, "SELECT count(*) FROM zq.shard s LEFT JOIN zq.host h"
                                   " ON h.name = s.owner WHERE s.owner IS NOT NULL"
                                   " AND h.state IS DISTINCT FROM 'live'"),
                     0);
}

/* `first` has the row of the host, and waits for that shard's; `second` waits for the host's. Again, from
 * the start, if this machine is so slow that one of them gives up. */
static void race(struct world *w, const char *shard, int (*first)(struct world *w),
                 int (*second)(struct world *w), int codes[2]) {
    struct act acts[2];
    bool raced = false;
    for (int i = 0; !raced && i < TRIES; i++) {
        assert_int_equal(cluster_join(w->a, &w->r), 0);
        assert_int_equal(cluster_release(w->a, 1, "", &w->r), 0);
        (void)cluster_claim(w->a, 2, &w->r);
        (void)look(w);
        hold_shard(w, shard);
        begin(&acts[0], w, first);
        raced = wait_for_waiting(w, 2);
        begin(&acts[1], w, second);
        raced = wait_for_waiting(w, 3) && raced;
        let_go(w);
        codes[0] = end(&acts[0]);
        codes[1] = end(&acts[1]);
        raced = raced && codes[0] != ERR_NETWORK && codes[1] != ERR_NETWORK;
        assert_only_the_living_have_shards(w);
    }
    assert_true(raced);
}

static void a_burial_that_waits_for_a_claim_finds_a_sign_of_life(void **state) {
    struct world *w = *state;
    int codes[2];
    race(w, "1", claim_by_a, bury_a, codes);
    assert_int_equal(codes[0], 0);
    assert_int_equal(codes[1], ERR_EXISTS);
    assert_owner(w, 1, "a");
}

static void a_claim_that_waits_for_its_burial_gets_nothing(void **state) {
    struct world *w = *state;
    int codes[2];
    race(w, "2", bury_a, claim_by_a, codes);
    assert_int_equal(codes[0], 0);
    assert_int_equal(codes[1], ERR_NOTFOUND);
    assert_owner(w, 1, "");
    assert_owner(w, 2, "");
}

/* Claims, gives up, is buried, joins again. Anything else, as a deadlock, ends it. */
static int go_on(struct cluster *c) {
    int code = 0;
    for (unsigned i = 0; code == 0 && i < ROUNDS; i++) {
        unsigned shard = 1 + i % SHARDS;
        code = i % 3 == 2 ? cluster_release(c, shard, "", NULL) : cluster_claim(c, shard, NULL);
        code = code == ERR_NOTFOUND ? cluster_join(c, NULL) : code == ERR_EXISTS ? 0 : code;
    }
    return code;
}

static int go_on_as_a(struct world *w) {
    return go_on(w->a);
}

static int go_on_as_b(struct world *w) {
    return go_on(w->b);
}

static void hosts_that_do_everything_at_once_leave_no_shard_to_the_dead(void **state) {
    struct world *w = *state;
    struct act acts[2];
    unsigned buried = 0;
    begin(&acts[0], w, go_on_as_a);
    begin(&acts[1], w, go_on_as_b);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const struct member *m = member(w, i % 2 == 0 ? "a" : "b");
        int code = cluster_bury(w->command, m->name, m->beats, &w->r);
        assert_true(code == 0 || code == ERR_EXISTS);
        buried += code == 0;
        assert_only_the_living_have_shards(w);
    }
    assert_int_equal(end(&acts[0]), 0);
    assert_int_equal(end(&acts[1]), 0);
    assert_int_not_equal(buried, 0);
    assert_only_the_living_have_shards(w);
}

/* --- what people change --- */

static void a_pin_names_a_host_that_is_known(void **state) {
    struct world *w = *state;
    assert_int_equal(cluster_pin(w->command, 2, "b", &w->r), 0);
    assert_string_equal(look(w)->leases[1].pin, "b");
    assert_int_equal(cluster_pin(w->command, 2, "nobody", &w->r), ERR_NOTFOUND);
    assert_int_equal(cluster_pin(w->command, SHARDS + 1, "b", &w->r), ERR_NOTFOUND);
    assert_int_equal(cluster_pin(w->command, 2, "", &w->r), 0);
    assert_string_equal(look(w)->leases[1].pin, "");
}

static void who_drains_does_so_until_a_person_says_otherwise(void **state) {
    struct world *w = *state;
    assert_int_equal(cluster_drain(w->command, "a", true, &w->r), 0);
    assert_int_equal(cluster_join(w->a, &w->r), 0);
    assert_true(member(w, "a")->draining);
    assert_int_equal(cluster_drain(w->command, "a", false, &w->r), 0);
    assert_false(member(w, "a")->draining);
    assert_int_equal(cluster_drain(w->command, "nobody", true, &w->r), ERR_NOTFOUND);
}

static void who_stops_does_so_until_it_joins_again(void **state) {
    struct world *w = *state;
    assert_false(member(w, "a")->stopping);
    assert_int_equal(cluster_beat(w->a, "", true, &w->r), 0);
    assert_true(member(w, "a")->stopping);
    assert_int_equal(member(w, "a")->state, MEMBER_LIVE);
    assert_int_equal(cluster_join(w->a, &w->r), 0);
    assert_false(member(w, "a")->stopping);
}

static void only_who_is_dead_or_gone_is_forgotten(void **state) {
    struct world *w = *state;
    assert_int_equal(cluster_pin(w->command, 1, "a", &w->r), 0);
    assert_int_equal(cluster_forget(w->command, "a", &w->r), ERR_BUSY);
    assert_int_equal(cluster_leave(w->a, &w->r), 0);
    assert_int_equal(cluster_forget(w->command, "a", &w->r), 0);
    assert_int_equal(cluster_forget(w->command, "a", &w->r), ERR_NOTFOUND);
    assert_int_equal(look(w)->member_count, 1);
    assert_string_equal(look(w)->leases[0].pin, "");
    assert_int_equal(cluster_beat(w->a, "", false, &w->r), ERR_NOTFOUND);
}

static void a_loss_stands_until_it_is_accepted_and_is_not_told_twice(void **state) {
    struct world *w = *state;
    assert_int_equal(cluster_accept_loss(w->command, &w->r), ERR_NOTFOUND);
    assert_int_equal(cluster_report_lost(w->a, 0, "shard 1 lacks turn 9", &w->r), 0);
    assert_int_equal(cluster_report_lost(w->b, 0, "shard 2, too", &w->r), 0);
    assert_string_equal(look(w)->lost, "shard 1 lacks turn 9");
    assert_int_equal(cluster_accept_loss(w->command, &w->r), 0);
    assert_int_equal(look(w)->losses, 1);
    assert_int_equal(cluster_report_lost(w->b, 0, "shard 3, late", &w->r), 0);
    assert_string_equal(look(w)->lost, "");
    assert_int_equal(cluster_report_lost(w->b, 1, "once more", &w->r), 0);
    assert_string_equal(look(w)->lost, "once more");
}

#define CLUSTER_TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void) {
    const struct CMUnitTest tests[] = {
        CLUSTER_TEST(a_cluster_is_made_once),
        CLUSTER_TEST(where_there_is_no_cluster_nothing_is_made),
        CLUSTER_TEST(every_host_sees_the_same),
        CLUSTER_TEST(a_beat_raises_the_count),
        CLUSTER_TEST(a_host_says_what_it_has_copies_of),
        CLUSTER_TEST(a_shard_has_one_owner),
        CLUSTER_TEST(a_host_that_starts_again_keeps_its_shards),
        CLUSTER_TEST(two_processes_of_one_name_do_not_fight),
        CLUSTER_TEST(a_host_that_joins_again_is_no_other_process),
        CLUSTER_TEST(who_is_buried_has_nothing_and_may_join_again),
        CLUSTER_TEST(nobody_is_buried_who_has_beaten_since),
        CLUSTER_TEST(who_leaves_gives_its_shards_up),
        CLUSTER_TEST(no_more_hosts_live_than_are_of_use),
        CLUSTER_TEST(a_shard_that_could_not_be_run_says_where_and_why),
        CLUSTER_TEST(a_cluster_of_the_greatest_size_is_shown),
        CLUSTER_TEST(a_burial_that_waits_for_a_claim_finds_a_sign_of_life),
        CLUSTER_TEST(a_claim_that_waits_for_its_burial_gets_nothing),
        CLUSTER_TEST(hosts_that_do_everything_at_once_leave_no_shard_to_the_dead),
        CLUSTER_TEST(a_pin_names_a_host_that_is_known),
        CLUSTER_TEST(who_drains_does_so_until_a_person_says_otherwise),
        CLUSTER_TEST(who_stops_does_so_until_it_joins_again),
        CLUSTER_TEST(only_who_is_dead_or_gone_is_forgotten),
        CLUSTER_TEST(a_loss_stands_until_it_is_accepted_and_is_not_told_twice),
    };
    if (database() == NULL) {
        (void)printf(
            "skipped: no $ZINGQ_TEST_DATABASE; tests/blackbox/cluster_commands.sh has one\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, connect_all, close_all);
}
