/*
 * test_fence.c - a log that is taken over again and again, while whoever has it appends as fast as it can: no
 * turn of an owner comes behind one of a later owner. A control, which asks now and then whether the log is
 * still its own, as with a lease, and appends without the fence, does write such turns: so they would be seen.
 *
 * Owners are processes. Of those that lose the log a third is killed in mid-turn, a third is stopped and goes on
 * behind the next one's first turns, and a third is not told. A turn has as many bytes as its takeover's number. Each
 * append keeps the lock of the one row of zq.store until it commits, so turns are numbered in the order of their
 * commits.
 *
 * The server is that of tests/blackbox/failover.sh; $ZINGQ_TAKEOVERS says how many (default 20).
 */
#include "chance.h"
#include "test.h"
#include "cluster/turns.h"
#include "io/pg/line.h"
#include "io/pg/pg.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WAIT_MS = 20000,
    OWNERS = 3,
    TAKEOVERS_MAX = 1 << 20,
    CONTROL_TRIES = 5,
    CONTROL_TAKEOVERS = 20,
    LOOK_EVERY = 4,
    FATES = 3,
    TURNS_MAX = 6
};

struct owner {
    pid_t pid;
    int orders;  /* takeovers, by their numbers */
    int answers; /* the same, when the log is its own */
};

struct world {
    struct pg_line *admin;
    struct owner owners[OWNERS];
    struct chance chance;
    bool fenced; /* as the product is */
};

static const char *database(void) {
    return getenv("ZINGQ_TEST_DATABASE");
}

static int takeovers(void) {
    const char *text = getenv("ZINGQ_TAKEOVERS");
    int many = text == NULL ? 20 : (int)strtol(text, NULL, 10);
    assert_in_range(many, 1, TAKEOVERS_MAX);
    return many;
}

static struct pg_line *connect_line(void) {
    const struct pg_line_options options = {.url = database(), .patience_ms = WAIT_MS};
    struct pg_line *line = NULL;
    struct report r = {""};
    return pg_line_new(&line, &options, &r) == 0 && pg_line_connect(line, WAIT_MS) == 0 ? line
                                                                                        : NULL;
}

/* --- an owner --- */

static void need(bool good, const char *what) {
    if (!good) {
        (void)fprintf(stderr, "owner: %s\n", what);
        _exit(1);
    }
}

static struct turns *make_turns(const char *owner) {
    const struct turns_options options = {.url = database(), .name = "shop", .owner = owner};
    struct turns *turns = NULL;
    struct report r = {""};
    need(turns_new(&turns, &options, &r) == 0, r.text);
    return turns;
}

static void take_over(struct turns *turns) {
    static const uint8_t any_log[LOG_ID_BYTES] = {0};
    struct report r = {""};
    int code = ERR_NETWORK;
    while (code == ERR_NETWORK) { /* on a busy machine a lock takes its time */
        code = turns_join(turns, any_log, WAIT_MS, &r);
    }
    need(code == 0, r.text);
}

static void own(struct turns *turns, int number) {
    const struct store_log *log = turns_log(turns);
    struct log_state state;
    static const char bytes[TAKEOVERS_MAX];
    struct log_turn turn = {.count = 1, .parts = {{.home = 1, .body = {bytes, (size_t)number}}}};
    int code = ERR_NETWORK;
    while (code == ERR_NETWORK || code == ERR_DOUBT) {
        code = log->barrier(log->ctx, &state);
        for (turn.number = state.last + 1; code == 0; turn.number++) {
            code = log->append(log->ctx, &turn);
        }
    }
    need(code == ERR_FENCED, error_name(code));
}

static void own_without_fence(struct turns *turns, struct pg_line *line, int number) {
    static const struct pg_statement append = {
        .name = "unfenced",
        .text = "WITH next AS (UPDATE zq.store SET turn = turn + 1 RETURNING id, turn)"
                " INSERT INTO zq.log (store, turn, bytes, body) SELECT id, turn, $1, '' FROM next",
        .types = {PG_INT8}};
    struct pg_row row;
    int code = 0;
    for (int n = 0; (code = n % LOOK_EVERY == 0 ? turns_check(turns) : 0) == 0; n++) {
        struct pg_params params = {.count = 0};
        pg_add_i64(&params, number);
        need(pg_line_ask(line, &append, &params, NULL, &row) == ERR_NOTFOUND, pg_line_error(line));
    }
    need(code == ERR_FENCED, error_name(code));
}

static void live(bool fenced, int orders, int answers) {
    int number;
    struct pg_line *line = fenced ? NULL : connect_line();
    struct turns *turns = make_turns("one of them");
    need(fenced || line != NULL, "no connection");
    while (read(orders, &number, sizeof number) == sizeof number) {
        take_over(turns);
        need(write(answers, &number, sizeof number) == sizeof number, "answer");
        if (fenced) {
            own(turns, number);
        } else {
            own_without_fence(turns, line, number);
        }
    }
    _exit(0);
}

/* --- all of them --- */

static void start(struct world *w, struct owner *o) {
    int orders[2];
    int answers[2];
    assert_int_equal(pipe(orders), 0);
    assert_int_equal(pipe(answers), 0);
    o->pid = fork();
    assert_true(o->pid >= 0);
    if (o->pid == 0) {
        for (int fd = STDERR_FILENO + 1; fd < 256; fd++) { /* also the ends of the others' pipes */
            if (fd != orders[0] && fd != answers[1]) {
                (void)close(fd);
            }
        }
        need(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
        live(w->fenced, orders[0], answers[1]);
    }
    assert_int_equal(close(orders[0]), 0);
    assert_int_equal(close(answers[1]), 0);
    o->orders = orders[1];
    o->answers = answers[0];
}

static void kill_one(struct owner *o) {
    assert_int_equal(kill(o->pid, SIGKILL), 0);
    assert_int_equal(waitpid(o->pid, NULL, 0), o->pid);
    assert_int_equal(close(o->orders), 0);
    assert_int_equal(close(o->answers), 0);
}

static void run(struct world *w, const char *text) {
    const struct pg_statement statement = {.text = text};
    struct pg_row row;
    int code = pg_line_ask(w->admin, &statement, NULL, NULL, &row);
    if (code != 0 && code != ERR_NOTFOUND) {
        fail_msg("%s: %s", text, pg_line_error(w->admin));
    }
}

static int64_t count(struct world *w, const struct pg_statement *statement) {
    struct pg_row row;
    struct buf kept;
    buf_init(&kept, 64);
    assert_int_equal(pg_line_ask(w->admin, statement, NULL, &kept, &row), 0);
    int64_t found = pg_get_int(row.fields[0]);
    buf_clear(&kept);
    return found;
}

static int64_t last_turn(struct world *w) {
    static const struct pg_statement statement = {.name = "last",
                                                  .text = "SELECT turn FROM zq.store"};
    return count(w, &statement);
}

/* The server waits: whoever polls takes the processor from those who append. */
static void make_await(struct world *w) {
    run(w, "CREATE FUNCTION pg_temp.await(more int) RETURNS bool LANGUAGE plpgsql AS $$"
           " DECLARE enough bigint := more + (SELECT turn FROM zq.store);"
           " BEGIN FOR i IN 1..4000 LOOP"
           " IF (SELECT turn FROM zq.store) >= enough THEN RETURN true; END IF;"
           " PERFORM pg_sleep(0.002); END LOOP; RETURN false; END $$");
}

/* Until whoever has the log has appended some. */
static void await_turns(struct world *w) {
    static const struct pg_statement statement = {
        .name = "await", .text = "SELECT pg_temp.await($1)", .types = {PG_INT4}};
    struct pg_params params = {.count = 0};
    struct pg_row row;
    struct buf kept;
    buf_init(&kept, 64);
    pg_add_i32(&params, 1 + (int32_t)chance_next(&w->chance, TURNS_MAX));
    assert_int_equal(pg_line_ask(w->admin, &statement, &params, &kept, &row), 0);
    assert_true(pg_get_int(row.fields[0]));
    buf_clear(&kept);
}

static void hand_over(struct owner *to, int number) {
    int answer = 0;
    assert_int_equal(write(to->orders, &number, sizeof number), sizeof number);
    assert_int_equal(read(to->answers, &answer, sizeof answer), sizeof answer);
    assert_int_equal(answer, number);
}

static void take_over_many(struct world *w, int many) {
    struct owner *last = &w->owners[0];
    hand_over(last, 1);
    for (int number = 2; number <= many; number++) {
        struct owner *next = &w->owners[number % OWNERS];
        uint64_t fate = chance_next(&w->chance, FATES);
        next = next == last ? &w->owners[(number + 1) % OWNERS] : next;
        await_turns(w);
        if (fate == 0) {
            kill_one(last);
        } else if (fate == 1) {
            assert_int_equal(kill(last->pid, SIGSTOP), 0);
        }
        hand_over(next, number);
        if (fate == 0) {
            start(w, last);
        } else if (fate == 1) {
            await_turns(w);
            assert_int_equal(kill(last->pid, SIGCONT), 0);
        }
        last = next;
    }
    await_turns(w);
}

/* Turns behind one of a later owner. */
static int64_t stale_turns(struct world *w) {
    static const struct pg_statement statement = {
        .name = "stale",
        .text = "SELECT count(*) FROM (SELECT owner, max(owner) OVER (ORDER BY turn) AS latest FROM"
                " (SELECT turn, bytes AS owner FROM zq.log) l) o"
                " WHERE owner < latest"};
    return count(w, &statement);
}

static int64_t owners_seen(struct world *w) {
    static const struct pg_statement statement = {
        .name = "owners", .text = "SELECT count(DISTINCT bytes) FROM zq.log"};
    return count(w, &statement);
}

static int64_t stale_after(struct world *w, bool fenced, int many) {
    w->fenced = fenced;
    run(w, "DROP SCHEMA IF EXISTS zq CASCADE");
    struct turns *turns = make_turns("the first one");
    take_over(turns); /* makes the tables */
    turns_free(turns);
    for (size_t i = 0; i < OWNERS; i++) {
        start(w, &w->owners[i]);
    }
    take_over_many(w, many);
    for (size_t i = 0; i < OWNERS; i++) {
        kill_one(&w->owners[i]);
    }
    int64_t stale = stale_turns(w);
    (void)printf("%s: %d takeovers, %lld turns, %lld of them stale\n",
                 fenced ? "fenced" : "control", many, (long long)last_turn(w), (long long)stale);
    if (fenced) { /* else the turns that a new owner waited for may be an old one's */
        assert_int_equal(owners_seen(w), many);
    }
    return stale;
}

static int set_up(void **state) {
    static struct world w;
    w = (struct world){.admin = connect_line(), .chance = chance_of_run()};
    assert_non_null(w.admin);
    make_await(&w);
    (void)signal(SIGPIPE, SIG_IGN);
    *state = &w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    pg_line_free(w->admin);
    return 0;
}

static void without_the_fence_turns_come_behind_those_of_a_later_owner(void **state) {
    int64_t stale = 0;
    for (int i = 0; i < CONTROL_TRIES && stale == 0; i++) {
        stale = stale_after(*state, false, CONTROL_TAKEOVERS);
    }
    assert_true(stale > 0);
}

static void no_turn_comes_behind_one_of_a_later_owner(void **state) {
    assert_int_equal(stale_after(*state, true, takeovers()), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_fence_turns_come_behind_those_of_a_later_owner),
        cmocka_unit_test(no_turn_comes_behind_one_of_a_later_owner),
    };
    if (database() == NULL) {
        (void)printf("skipped: no $ZINGQ_TEST_DATABASE; tests/blackbox/failover.sh has one\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
