/* sim.c - see sim.h. */
#include "sim.h"

#include "bugs.h"
#include "restore.h"
#include "wrapped.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BOOT_AHEAD_MS = 3600000,
    REST_MS = 3000,   /* time goes on by at most so much in a step, */
    LONG_MS = 600000, /* or, rarely, so much */
    LOOK_EVERY = 16,  /* steps between two looks at every host */
    SETTLE_ROUNDS = 60000,
    OPERATE_EVERY = 4,
    SQL_ROUNDS = 6,
    STUCK_ROUNDS = 3000, /* in which nothing has ended and nothing has left */
    STUCK_MS = 1200000,  /* nor within so long: what has ended is kept for minutes */
    SETTLE_MS = 3 * 86400 * 1000,
    TIDY_MS = 10000,
    TIDY_ROUNDS = 4,
    MINUTE_MS = 60000,
    AWAKE_MS = 3600 * 1000, /* a sleep of the settling world is no longer, */
    DOZE_MS = 400,          /* and goes on for so long when something is due */
    AGED_OF_WORLDS = 4, /* one in so many lives on until all that is kept for a time is past it */
    AGED_DAYS = 300,
    AGED_ROUNDS = 40, /* in which the stores are tidied */
    AGED_REST_MS = 20000,
};

/* --- telling --- */

enum { ID_CHARS = 36 };

static bool is_id(const char *text) {
    for (int i = 0; i < ID_CHARS; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i])) {
            return false;
        }
    }
    return true;
}

/* The line with "…" and the last six characters for each id. */
static void print_line(const struct sim *s, const char *line) {
    (void)printf("%12.3f s    ", (double)s->true_ms / 1000);
    while (*line != '\0') {
        if (is_id(line)) {
            (void)printf("…%.6s", line + ID_CHARS - 6);
            line += ID_CHARS;
        } else {
            (void)putchar(*line++);
        }
    }
    (void)putchar('\n');
}

/* A folder's name is another one each time. */
static void hide_folders(char *line) {
    static const char folder[] = "/dev/shm/zingq-sim-";
    for (char *at = line; (at = strstr(at, folder)) != NULL;) {
        size_t len = sizeof folder - 1 + strcspn(at + sizeof folder - 1, "/ :");
        memmove(at, at + len, strlen(at + len) + 1);
    }
}

void sim_tell(struct sim *s, const char *format, ...) {
    char line[STORY_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    hide_folders(line);
    for (size_t i = 0; line[i] != '\0'; i++) {
        s->hash = (s->hash ^ (uint8_t)line[i]) * UINT64_C(0x100000001b3);
    }
    if (s->talks) {
        print_line(s, line);
    }
}

void sim_fail(struct sim *s, const char *format, ...) {
    va_list args;
    if (s->failed) {
        return;
    }
    s->failed = true;
    va_start(args, format);
    (void)vsnprintf(s->why, sizeof s->why, format, args);
    va_end(args);
    sim_tell(s, "BROKEN: %s", s->why);
}

uint64_t sim_below(struct sim *s, uint64_t most) {
    return chance_next(&s->chance, most);
}

bool sim_chance(struct sim *s, unsigned percent) {
    return sim_below(s, 100) < percent;
}

struct node *sim_place(struct sim *s, unsigned place) {
    return &s->places[(place - 1) / NODES_MAX][(place - 1) % NODES_MAX];
}

/* --- steps --- */

static void pass_time(struct sim *s) {
    uint64_t most = sim_chance(s, 3) ? LONG_MS : sim_chance(s, 15) ? MINUTE_MS : REST_MS;
    machines_pass(s, 1 + (int64_t)sim_below(s, most == REST_MS ? 1 + sim_below(s, most) : most));
}

static void set_wall(struct node *n, int64_t ahead_ms) {
    n->wall_most_ms = node_wall_most_ms(n);
    n->wall_ahead_ms = ahead_ms;
    n->stepped = true;
}

/* By up to a second, an hour or a hundred days, or to what it was. In a cluster it is that of the database, for
 * all. */
static void set_clock(struct sim *s, struct node *n) {
    static const uint64_t spans_ms[] = {1, 1000, 3600000, UINT64_C(8640000000)};
    int64_t ms = (int64_t)sim_below(s, spans_ms[sim_below(s, 4)]);
    /* Until a commit has the new boot, or always if it is shared, the next start takes engine time from
     * the wall clock: see go_down. */
    ms = n->boot_stored == n->boot && !s->traits.shared_clock ? ms : ms % BOOT_AHEAD_MS;
    ms = sim_chance(s, 50) ? ms : -ms;
    set_wall(n, ms);
    for (unsigned i = 0; i < MACHINES_MAX * NODES_MAX && s->traits.cluster; i++) {
        struct node *one = &s->places[i / NODES_MAX][i % NODES_MAX];
        if (one->sim != NULL) {
            set_wall(one, ms);
        }
    }
    s->load.most_ahead_ms = ms > s->load.most_ahead_ms ? ms : s->load.most_ahead_ms;
    sim_tell(s, "host %u: the wall clock is %lld ms ahead", n->number, (long long)ms);
}

/* The clocks of a cluster's machines are in step. */
static bool may_set_clock(const struct sim *s) {
    return !s->traits.cluster || s->traits.shared_clock;
}

void sim_tell_members(struct sim *s, const struct node *about, bool up) {
    for (unsigned i = 0; i < s->count; i++) {
        struct node *n = s->nodes[i];
        if (n != about && n->up) {
            engine_member(n->engine, (uint16_t)about->number, up);
        }
    }
}

static void go_down(struct sim *s, struct node *n) {
    if (sim_chance(s, 30)) {
        node_stop(n);
    } else {
        node_kill(n);
    }
    if (sim_chance(s, 25)) {
        if (may_set_clock(s) && sim_chance(s, 20)) {
            set_clock(s, n);
        }
        /* A machine that starts with its clock days ahead makes engine time leap, and what is kept
         * for hours (idempotency keys) is over: docs/time.md. */
        n->wall_ahead_ms %= BOOT_AHEAD_MS;
        node_log_power_cut(n);
        n->boot++;
        n->boot_at_ms = s->true_ms;
        s->tally->reboots++;
        sim_tell(s, "host %u: its machine starts anew", n->number);
    }
}

/* One that died starts at once, mostly. */
static void come_up(struct sim *s, struct node *n, unsigned percent) {
    if (!n->up && machines_may_start(s, n) && sim_chance(s, percent)) {
        node_start_again(n);
    }
}

static void change_link(struct sim *s, struct node *n) {
    n->online = !n->online;
    sim_tell(s, "host %u %s the broker", n->number, n->online ? "finds" : "loses");
    if (n->online) {
        node_connect(n);
        return;
    }
    broker_cut(s, n);
    (void)engine_disconnected(n->engine);
    broker_dropped(s, n);
}

static void change_disk(struct sim *s, struct node *n) {
    static const char *const names[] = {"is well", "is full", "fails", "fails once"};
    if (n->reader != 0) {
        node_reader_end(n);
    } else if (sim_chance(s, 25)) {
        node_reader_begin(n);
    } else {
        /* One turn that fails among others that do not tells more than many. */
        enum disk bad = sim_chance(s, 60) ? DISK_FAILS_ONCE : (enum disk)(1 + sim_below(s, 3));
        n->disk = n->disk == DISK_WELL ? bad : DISK_WELL;
        sim_tell(s, "host %u: its disk %s", n->number, names[n->disk]);
    }
}

/* Statements come one after the other, and databases are fast. */
static void talk_to_database(struct sim *s, struct node *n) {
    unsigned rounds = sim_chance(s, 30) ? SQL_ROUNDS : 0;
    while (rounds-- > 0 && n->up && !n->ghost) {
        database_answer(s, true);
        node_turn(n);
    }
}

static void step_up(struct sim *s, const struct plan_step *step, struct node *n) {
    switch ((enum plan_kind)step->kind) {
    case PLAN_TURN:
        node_turn(n);
        talk_to_database(s, n);
        break;
    case PLAN_ANSWER:
        broker_answer(s, n, 1 + (size_t)sim_below(s, 1 + broker_flights(s, n)));
        break;
    case PLAN_CLOCK:
        if (may_set_clock(s)) {
            set_clock(s, n);
        }
        break;
    case PLAN_DOWN:
        go_down(s, n);
        break;
    case PLAN_LINK:
        change_link(s, n);
        break;
    case PLAN_DISK:
        change_disk(s, n);
        break;
    case PLAN_OPERATE:
        operate(s, n);
        break;
    case PLAN_RELOAD:
        node_reload(n);
        break;
    case PLAN_LOAD:
    case PLAN_PEER:
    case PLAN_POSTS:
    case PLAN_TIME:
    case PLAN_BACKUP:
    case PLAN_UP:
    case PLAN_KINDS:
        break;
    }
}

/* The headings of a story. */
static void print_step(const struct sim *s, const struct plan_step *step) {
    char crash[48] = "";
    char host[24] = "";
    if (step->crash > 0) {
        (void)snprintf(crash, sizeof crash, ", and is to be killed at action %u", step->crash);
    }
    if (plan_kind_of_host(step->kind)) {
        (void)snprintf(host, sizeof host, "host %u: ", step->node % s->count + 1);
    }
    (void)printf("%4zu. %s%s%s\n", s->at + 1, host, plan_kind_words(step->kind), crash);
}

/* False: it is about one host. */
static bool step_of_all(struct sim *s, const struct plan_step *step) {
    switch ((enum plan_kind)step->kind) {
    case PLAN_LOAD:
        load_say(s);
        return true;
    case PLAN_PEER:
        peer_answer(s, true);
        return true;
    case PLAN_POSTS:
        broker_carry(s, true);
        return true;
    case PLAN_TIME:
        pass_time(s);
        return true;
    case PLAN_BACKUP:
        restore_elsewhere(s);
        return true;
    default:
        return false;
    }
}

static void take_step(struct sim *s, const struct plan_step *step) {
    struct node *host = s->nodes[step->node % s->count];
    if (s->talks) {
        print_step(s, step);
    }
    s->chance = chance_of_seed(step->chance);
    s->tally->steps++;
    if (step_of_all(s, step)) {
        return;
    }
    struct node *n = machines_process(s, host, step->kind == PLAN_TURN);
    if (n == NULL) {
        return;
    }
    bool was_up = n->up;
    if (step->kind == PLAN_UP) {
        n->disk = !n->up && sim_chance(s, 50) ? DISK_WELL : n->disk;
        come_up(s, n, 100);
    } else if (n->up) {
        node_arm(n, step->crash);
        step_up(s, step, n);
        node_disarm(n);
    }
    come_up(s, n, 80);
    if (n->up != was_up && n == host) {
        sim_tell_members(s, n, n->up);
    }
}

/* --- the end --- */

/* No more faults: what is broken is mended. */
static void mend(struct sim *s) {
    s->settling = true;
    if (s->talks) {
        (void)printf("   Now the faults are over, and everything is to come to its end.\n");
    }
    machines_mend(s);
    for (unsigned i = 0; i < s->count; i++) {
        struct node *n = s->nodes[i];
        n->disk = DISK_WELL;
        n->fault.kind = FAULT_NONE;
        n->wall_most_ms = node_wall_most_ms(n);
        node_reader_end(n);
        node_scripts_mend(n);
        n->wall_ahead_ms = 0;
        if (!n->up) {
            node_start_again(n);
        }
        if (n->up && !n->online) {
            change_link(s, n);
        }
        sim_tell_members(s, n, true);
    }
}

static bool is_over(struct sim *s) {
    bool over = broker_is_empty(s) && peer_open(s) == 0 && s->broker.posts == NULL;
    for (unsigned i = 0; i < s->count && over; i++) {
        struct engine_status v;
        bool reloads = s->nodes[i]->reload.conf != NULL || s->nodes[i]->topics.no_guest;
        engine_status(s->nodes[i]->engine, &v);
        over = !reloads && v.waiting == 0 && v.outbox == 0 && v.delayed == 0 &&
               v.forwards_waiting == 0;
    }
    return over;
}

static int64_t due_in_ms(struct node *n) {
    int64_t next = engine_next_ms(n->engine);
    int64_t left = next == INT64_MAX ? AWAKE_MS : next - node_now_ms(n);
    int64_t cut_ms = n->reload.late_ms - n->sim->true_ms;
    left = n->reload.conf != NULL && cut_ms < left ? cut_ms : left;
    left = engine_due(n->engine) || left < 0 ? 0 : left;
    return n->retry_ms - n->sim->true_ms > left ? n->retry_ms - n->sim->true_ms : left;
}

/* Until something is due, and a little longer; at most an hour. */
static void sleep_until_due(struct sim *s) {
    int64_t least = AWAKE_MS;
    for (unsigned i = 0; i < s->count; i++) {
        int64_t left = due_in_ms(s->nodes[i]);
        least = left < least ? left : least;
    }
    bool calm = least > 0 && broker_is_empty(s) && peer_open(s) == 0;
    for (unsigned i = 0; i < s->count && calm; i++) {
        check_asleep(s, s->nodes[i], least);
    }
    s->true_ms += least;
    for (unsigned i = 0; i < s->count && least > 0; i++) {
        check_awake(s, s->nodes[i]);
    }
    s->true_ms += least > 0 ? DOZE_MS : 0;
}

static void settle_once(struct sim *s) {
    for (unsigned i = 0; i < s->count && !s->failed; i++) {
        struct node *n = s->nodes[i];
        node_arm(n, 0);
        node_turn(n);
        node_disarm(n); /* a handler may be a mine */
        if (!n->up) {
            node_start_again(n);
        }
        if (n->up) {
            broker_answer(s, n, SIZE_MAX);
        }
    }
    peer_answer(s, false);
    broker_carry(s, false);
}

static void tell_stuck(struct sim *s, int64_t since_ms) {
    char text[400];
    size_t len = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < s->count; i++) {
        struct engine_status v;
        check_tell_waiting(s, s->nodes[i]);
        engine_status(s->nodes[i]->engine, &v);
        len +=
            (size_t)snprintf(text + len, sizeof text - len,
                             "; host %u: %llu events, %llu publishes, %llu delayed, %llu for "
                             "others, %zu messages at the broker",
                             i + 1, (unsigned long long)v.waiting, (unsigned long long)v.outbox,
                             (unsigned long long)v.delayed, (unsigned long long)v.forwards_waiting,
                             s->broker.sessions[i].count);
    }
    sim_fail(s, "stuck: nothing ends any more, %lld ms after the last fault%s",
             (long long)(s->true_ms - since_ms), text);
}

/* What is still to be done, and what was: the same as long as nothing comes of what goes on. */
static uint64_t progress(struct sim *s) {
    uint64_t sum = s->tally->ended;
    for (unsigned i = 0; i < s->count; i++) {
        struct engine_status v;
        engine_status(s->nodes[i]->engine, &v);
        sum = sum * 31 + v.waiting + v.outbox + v.delayed + v.forwards_waiting;
    }
    return sum;
}

/* Rows of what was answered last are deleted a little later, and locks may run out yet. */
static void tidy(struct sim *s) {
    for (unsigned round = 0; round < TIDY_ROUNDS && !s->failed; round++) {
        s->true_ms += TIDY_MS;
        settle_once(s);
    }
}

/* Schedules tick every minute: the next one is far enough away to tidy up. */
static bool after_a_tick(const struct sim *s) {
    return (NODE_WALL_START_MS + s->true_ms) % MINUTE_MS < TIDY_MS + TIDY_MS / 2;
}

static void settle(struct sim *s) {
    mend(s);
    load_settle(s);
    int64_t end_ms = s->true_ms + SETTLE_MS;
    int64_t since_ms = s->true_ms;
    uint64_t seen = 0;
    unsigned idle = 0;
    for (unsigned round = 0; !s->failed; round++) {
        settle_once(s);
        if (s->failed) {
            return; /* a host may have no engine */
        }
        bool looks = round % OPERATE_EVERY == 0; /* operators do not all the time */
        bool more = false;
        for (unsigned i = 0; i < s->count && !s->failed && looks; i++) {
            more = operate_settle(s, s->nodes[i]) || more;
        }
        bool over = looks && !more && is_over(s);
        if (over && after_a_tick(s)) {
            tidy(s);
            return;
        }
        if (over) {
            s->true_ms += TIDY_MS;
            round = OPERATE_EVERY - 1;
            continue;
        }
        uint64_t now = progress(s);
        idle = now == seen ? idle + 1 : 0;
        since_ms = now == seen ? since_ms : s->true_ms;
        seen = now;
        bool stuck = idle > STUCK_ROUNDS && s->true_ms > since_ms + STUCK_MS;
        if (round > SETTLE_ROUNDS || stuck || s->true_ms > end_ms) {
            tell_stuck(s, end_ms - SETTLE_MS);
        }
        sleep_until_due(s);
    }
}

/* What can be done at this moment. */
static void settle_now(struct sim *s) {
    unsigned left = AGED_ROUNDS;
    do {
        settle_once(s);
    } while (!s->failed && !is_over(s) && --left > 0);
}

/* Long after: what runs out has run out, and nothing ends that had not. */
static void age(struct sim *s) {
    for (unsigned i = 0; i < s->count && !s->failed; i++) {
        node_forget_schedules(s->nodes[i]); /* which would go on for ever */
    }
    uint64_t ended = s->tally->ended;
    s->true_ms += (int64_t)AGED_DAYS * 86400 * 1000;
    for (unsigned round = 0; round < AGED_ROUNDS && !s->failed; round++) {
        settle_now(s);
        s->true_ms += AGED_REST_MS;
    }
    if (s->tally->ended != ended) {
        sim_fail(s, "%llu end long after everything had ended",
                 (unsigned long long)(s->tally->ended - ended));
    }
    for (unsigned i = 0; i < s->count && !s->failed; i++) {
        check_aged(s, s->nodes[i]);
    }
}

static void look(struct sim *s) {
    for (unsigned i = 0; i < s->count && !s->failed; i++) {
        if (s->nodes[i]->up) {
            check_always(s, s->nodes[i]);
        }
    }
}

static struct sim_traits traits_of(const struct plan *plan) {
    struct chance c = chance_of_seed(plan->seed ^ UINT64_C(0x7261697473));
    struct sim_traits t = {.everywhere = chance_next(&c, 6) == 0 && plan->nodes > 1,
                           .refuses = chance_next(&c, 5) == 0,
                           .small_stores = chance_next(&c, 8) == 0};
    t.crowds = chance_next(&c, 10) == 0 && !t.small_stores; /* which could not hold them */
    t.logged = chance_next(&c, 2) == 0;
    t.cluster = chance_next(&c, 3) == 0 && plan->nodes > 1;
    t.logged = t.logged || t.cluster;
    t.shared_clock = t.logged && chance_next(&c, 2) == 0;
    return t;
}

bool sim_has_cluster(const struct plan *plan) {
    return traits_of(plan).cluster;
}

void sim_end(struct sim *s) {
    if (!s->failed) {
        settle(s);
    }
    for (unsigned i = 0; i < s->count && !s->failed; i++) {
        check_ended(s, s->nodes[i]);
    }
    if (!s->failed) {
        load_check(s);
    }
}

int sim_run(struct sim *s, const struct plan *plan, struct sim_tally *tally) {
    s->plan = plan;
    s->tally = tally;
    assert(plan->nodes > 0 && plan->nodes <= NODES_MAX);
    s->count = plan->nodes;
    s->traits = traits_of(plan);
    s->chance = chance_of_seed(plan->seed);
    wrapped_begin(plan->seed);
    bugs_begin();
    machines_begin(s);
    for (unsigned i = 0; i < s->count; i++) {
        s->nodes[i] = &s->places[0][i];
    }
    for (unsigned i = 0; i < s->count && !s->failed; i++) {
        (void)node_make(s->nodes[i], s, i + 1);
    }
    for (s->at = 0; s->at < plan->count && !s->failed; s->at++) {
        take_step(s, &plan->steps[s->at]);
        if (s->at % LOOK_EVERY == 0) {
            look(s);
        }
    }
    sim_end(s);
    if (!s->failed && plan->seed % AGED_OF_WORLDS == 0) {
        age(s);
    }
    tally->runs++;
    tally->virtual_ms += s->true_ms;
    for (unsigned i = MACHINES_MAX * NODES_MAX; i-- > 0;) {
        node_free(sim_place(s, i + 1));
    }
    operate_end(s);
    broker_clear(s);
    peer_clear(s);
    load_clear(s);
    return s->failed ? 1 : 0;
}
