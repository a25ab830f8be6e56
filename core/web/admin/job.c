/*
 * job.c - jobs: replaying or discarding all dead letters of a service or of one of its groups; and
 * what a replay of events (web/admin/rerun.c) shares with them.
 *
 *   finding   they are collected between turns, a few milliseconds at a time, into a heap sorted
 *             by arrival
 *   working   they leave the heap, those of a minute before those of the next one, at most
 *             JOB_COMMANDS_MAX in a turn and no faster than the rate. Of a minute, each partition's
 *             follow each other, oldest first: so the order within each key is kept, and a commit
 *             writes few pages, which is what everything else waits for
 *   done, stopped, failed
 *
 * A job exists only in memory: when the host stops, the remaining letters are unchanged, and the
 * job can be requested again.
 */
#include "web/admin/job.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "query/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE_BITS = 26 /* of an arrival number: 67 s in microseconds */ };

static bool is_over(const struct job *b) {
    return b->state >= JOB_DONE;
}

void admin_job_free(struct job *b) {
    rerun_tally_clear(&b->rerun.tally);
    free(b->items);
    free(b);
}

void admin_forget_jobs(struct admin *a) {
    for (size_t i = 0; i < a->job_count; i++) {
        admin_job_free(a->jobs[i]);
    }
    a->job_count = 0;
}

void admin_job_end(struct admin *a, struct job *b, enum job_state state) {
    assert(!is_over(b));
    b->state = state;
    b->ended_ms = admin_now_ms(a);
    rerun_tally_clear(&b->rerun.tally);
    free(b->items);
    b->items = NULL;
    b->count = 0;
    b->cap = 0;
}

void admin_job_fail(struct admin *a, struct job *b, const char *text) {
    (void)snprintf(b->error, sizeof b->error, "%.255s", text);
    admin_job_end(a, b, JOB_FAILED);
}

/* ---- the heap ---- */

static bool is_next(const struct job_item *a, const struct job_item *b) {
    uint64_t a_minute = a->order >> MINUTE_BITS;
    uint64_t b_minute = b->order >> MINUTE_BITS;
    if (a_minute != b_minute) {
        return a_minute < b_minute;
    }
    if (a->partition != b->partition) {
        return a->partition < b->partition;
    }
    return a->order < b->order || (a->order == b->order && a->seq < b->seq);
}

static void swap(struct job_item *a, struct job_item *b) {
    struct job_item kept = *a;
    *a = *b;
    *b = kept;
}

static int push(struct job *b, const struct job_item *item) {
    if (b->count == b->cap) {
        size_t cap = b->cap == 0 ? 1024 : b->cap * 2;
        struct job_item *items = realloc(b->items, cap * sizeof *items);
        if (items == NULL) {
            return ERR_MEMORY;
        }
        b->items = items;
        b->cap = cap;
    }
    size_t at = b->count++;
    b->items[at] = *item;
    for (; at > 0 && is_next(&b->items[at], &b->items[(at - 1) / 2]); at = (at - 1) / 2) {
        swap(&b->items[at], &b->items[(at - 1) / 2]);
    }
    return 0;
}

int admin_job_push(struct job *b, const struct event *event, uint64_t order) {
    const struct job_item item = {
        .order = order, .seq = event->seq, .id = event->id, .partition = event->partition};
    return push(b, &item);
}

int admin_job_push_rest(struct job *b) {
    return push(b, &(struct job_item){.order = UINT64_MAX});
}

static struct job_item pop(struct job *b) {
    assert(b->count > 0);
    struct job_item oldest = b->items[0];
    b->items[0] = b->items[--b->count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < b->count; child++) {
            least = is_next(&b->items[child], &b->items[least]) ? child : least;
        }
        if (least == at) {
            return oldest;
        }
        swap(&b->items[at], &b->items[least]);
        at = least;
    }
}

/* ---- working ---- */

static void work(struct admin *a);

static void on_job_timer(uv_timer_t *timer) {
    work(timer->data);
}

/* Rows of a key were erased, as many as one turn may: there may be more. A key that goes on being
 * written to does not keep the job from ending. */
static void note_rest(struct admin *a, struct job *b, const struct command *c) {
    b->erase.rows += c->erased;
    if (c->erased >= TRIM_ROWS_PER_TURN && !is_over(b) && admin_job_push_rest(b) != 0) {
        admin_job_fail(a, b, error_text(ERR_MEMORY));
    }
}

static void note_answer(struct admin *a, struct job *b, const struct command *c) {
    if (c->code == 0 && c->kind == COMMAND_ERASE && uuid_is_zero(&c->id)) {
        note_rest(a, b, c);
    } else if (c->code == 0) {
        b->good++;
    } else if (c->code == ERR_NOTFOUND || c->code == ERR_EXISTS) {
        b->gone++;
    } else {
        (void)snprintf(b->error, sizeof b->error, "%.255s", c->report.text);
        utf8_mend(b->error);
        b->refused++;
    }
    /* A dropped turn: continuing is pointless. */
    bool failed = c->code == ERR_FULL || c->code == ERR_DISK || c->code == ERR_MEMORY;
    if (failed && !is_over(b)) {
        admin_job_end(a, b, JOB_FAILED);
    }
}

/* The command may come back inside the engine's turn: the next ones are sent after it. */
static void on_done(struct admin *a, struct order *order) {
    struct job_slot *slot = (struct job_slot *)order;
    struct job *b = slot->job;
    assert(slot->busy && b->busy > 0);
    slot->busy = false;
    b->busy--;
    note_answer(a, b, &order->command);
    if (!is_over(b) && b->busy == 0) {
        int started = uv_timer_start(&a->job_timer, on_job_timer, 0, 0);
        assert(started == 0);
    }
}

static void submit(struct admin *a, struct job *b) {
    struct job_slot *slot = b->slots;
    while (slot->busy) {
        slot++;
        assert(slot < b->slots + JOB_COMMANDS_MAX);
    }
    struct job_item item = pop(b);
    *slot = (struct job_slot){.job = b, .busy = true, .order = {.done = on_done}};
    slot->order.command = (struct command){.kind = b->kind,
                                           .service = slice_of(b->service),
                                           .key = b->rerun.filter.key,
                                           .id = item.id,
                                           .partition = item.partition,
                                           .force = b->force,
                                           .without_compensation = b->without_compensation,
                                           .ended_by_ms = b->rerun.filter.ended_by_ms};
    b->busy++;
    b->sent++;
    admin_submit(a, &slot->order);
}

/* How many may have been sent by now. */
static uint64_t due(const struct job *b, int64_t now_ms) {
    if (b->per_second <= 0) {
        return UINT64_MAX;
    }
    return 1 + (uint64_t)((double)(now_ms - b->working_ms) * b->per_second / 1000);
}

/* When the next one may be sent. */
static int64_t next_ms(const struct job *b) {
    return b->working_ms + (int64_t)((double)b->sent * 1000 / b->per_second) + 1;
}

/* True if a replay of events must wait; *again_ms: when to try again. It fills the backlog only as
 * far as new events may. And an event must not end in the same millisecond in which the job was
 * requested: otherwise another job could not tell that it had run. */
static bool must_hold(const struct admin *a, const struct job *b, int64_t now_ms,
                      int64_t *again_ms) {
    bool young = clock_monotonic_us() < b->started_us + 2000;
    *again_ms = now_ms + (young ? 2 : JOB_HOLD_MS);
    return b->kind == COMMAND_RERUN && b->count > 0 && (young || !engine_accepts(a->engine));
}

/* Sends what may be sent; lowers *wake_ms to the time when more may be. */
static void work_one(struct admin *a, struct job *b, int64_t now_ms, int64_t *wake_ms) {
    if (b->busy > 0 && b->per_second <= 0) {
        return; /* on_done continues */
    }
    int64_t again_ms;
    if (must_hold(a, b, now_ms, &again_ms)) {
        *wake_ms = again_ms < *wake_ms ? again_ms : *wake_ms;
        return;
    }
    while (b->count > 0 && b->busy < JOB_COMMANDS_MAX && b->sent < due(b, now_ms)) {
        submit(a, b);
    }
    if (b->count == 0 && b->busy == 0) {
        admin_job_end(a, b, JOB_DONE);
    } else if (b->count > 0 && b->per_second > 0 && next_ms(b) < *wake_ms) {
        *wake_ms = next_ms(b);
    }
}

static void work(struct admin *a) {
    int64_t now_ms = clock_monotonic_ms();
    int64_t wake_ms = INT64_MAX;
    for (size_t i = 0; i < a->job_count; i++) {
        if (a->jobs[i]->state == JOB_WORKING) {
            work_one(a, a->jobs[i], now_ms, &wake_ms);
        }
    }
    if (wake_ms != INT64_MAX) {
        uint64_t delay = wake_ms > now_ms ? (uint64_t)(wake_ms - now_ms) : 1;
        int started = uv_timer_start(&a->job_timer, on_job_timer, delay, 0);
        assert(started == 0);
    }
}

/* ---- finding ---- */

static int find_letter(struct admin *a, struct job *b, struct journal *j) {
    struct event *event = NULL;
    bool matches = false;
    int code = dead_next(j, &b->filter, &b->row, &matches);
    if (code != 0 || !matches) {
        return code;
    }
    if (b->found == JOB_LETTERS_MAX) {
        b->cut = true;
        return ERR_NOTFOUND;
    }
    code = dead_event(j, &b->row, &event);
    if (code == 0 && b->kind == COMMAND_REPLAY && !b->force &&
        engine_needs_force(a->engine, event)) {
        b->old++;
    } else if (code == 0) {
        code = admin_job_push(b, event, event->seq);
        b->found++;
    }
    event_free(event);
    return code == ERR_NOTFOUND ? 0 : code;
}

static void start_working(struct admin *a, struct job *b) {
    b->state = JOB_WORKING;
    b->working_ms = clock_monotonic_ms();
    int started = uv_timer_start(&a->job_timer, on_job_timer, 0, 0);
    assert(started == 0);
}

bool admin_job_find(struct admin *a, int64_t until_us) {
    struct job *b = NULL;
    for (size_t i = 0; i < a->job_count && b == NULL; i++) {
        b = a->jobs[i]->state == JOB_FINDING ? a->jobs[i] : NULL;
    }
    int code = 0;
    while (b != NULL && code == 0 && clock_monotonic_us() < until_us) {
        code = b->find(a, b, engine_journal(a->engine));
    }
    if (code == ERR_NOTFOUND) {
        if (b->found_all == NULL || b->found_all(a, b)) {
            start_working(a, b);
        }
    } else if (code != 0) {
        char text[sizeof b->error];
        (void)snprintf(text, sizeof text, "reading the store failed: %s", error_text(code));
        admin_job_fail(a, b, text);
    }
    return b != NULL;
}

/* ---- requests ---- */

static const char *state_name(const struct job *b) {
    static const char *const names[] = {[JOB_FINDING] = "finding",
                                        [JOB_WORKING] = "working",
                                        [JOB_DONE] = "done",
                                        [JOB_STOPPED] = "stopped",
                                        [JOB_FAILED] = "failed"};
    return names[b->state];
}

static const char *what(const struct job *b) {
    static const char *const names[] = {[COMMAND_REPLAY] = "replay",
                                        [COMMAND_RERUN] = "rerun",
                                        [COMMAND_DISCARD] = "discard",
                                        [COMMAND_ERASE] = "erase"};
    return names[b->kind];
}

/* The name of the number of its events that were carried out. */
static const char *past(const struct job *b) {
    return b->kind == COMMAND_DISCARD ? "discarded"
           : b->kind == COMMAND_ERASE ? "erased"
                                      : "replayed";
}

/* The fields that all jobs have; NULL when out of memory. */
static json_t *job_json(const struct admin *a, const struct job *b) {
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"id", b->id},     {"found", b->found},     {past(b), b->good},
        {"gone", b->gone}, {"refused", b->refused}, {"old", b->old},
    };
    json_t *object = json_pack("{s:s, s:s, s:s, s:s?, s:f, s:b}", "what", what(b), "state",
                               state_name(b), "service", b->service, "group", b->filter.group,
                               "rate", b->per_second, "cut", (int)b->cut);
    bool ok = object != NULL && look_json_time(object, "started_at", b->started_ms) &&
              look_json_time(object, "ended_at", b->ended_ms) &&
              look_json_bytes(object, "error", slice_of(b->error));
    for (size_t i = 0; i < sizeof rows / sizeof *rows && ok; i++) {
        ok = look_json_count(object, rows[i].name, rows[i].value);
    }
    const struct division *share = &a->options.conf->hosts.share;
    if (division_is_divided(share)) {
        ok = ok && look_json_count(object, "host", share->place);
    }
    ok = ok && (b->add_figures == NULL || b->add_figures(a, b, object));
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *admin_jobs_json(const struct admin *a) {
    json_t *list = json_array();
    for (size_t i = 0; i < a->job_count; i++) {
        if (!a->jobs[i]->rerun.dry) {
            (void)json_array_append_new(list, job_json(a, a->jobs[i]));
        }
    }
    return list;
}

/* Makes room for one more, if necessary by dropping the oldest finished one. */
static bool make_room(struct admin *a) {
    if (a->job_count < JOBS_MAX) {
        return true;
    }
    for (size_t i = 0; i < a->job_count; i++) {
        if (is_over(a->jobs[i]) && a->jobs[i]->busy == 0) {
            admin_job_free(a->jobs[i]);
            a->job_count--;
            memmove(&a->jobs[i], &a->jobs[i + 1], (a->job_count - i) * sizeof *a->jobs);
            return true;
        }
    }
    return false;
}

struct job *admin_job_new(struct admin *a, struct gateway_request *request) {
    struct job *b = make_room(a) ? calloc(1, sizeof *b) : NULL;
    if (b == NULL) {
        gateway_answer_error(request, 503, NULL,
                             "too many replays at once: wait for one, or stop it");
    }
    return b;
}

void admin_job_begin(struct admin *a, struct job *b, struct gateway_request *request) {
    assert(a->job_count < JOBS_MAX && b->find != NULL);
    b->id = ++a->last_job_id;
    b->started_ms = admin_now_ms(a);
    b->started_us = clock_monotonic_us();
    a->jobs[a->job_count++] = b;
    gateway_answer_json(request, 202, NULL, job_json(a, b));
    admin_start_reader(a);
}

int admin_job_pace(const struct gateway_request *request, struct job *b, struct report *r) {
    const char *rate = gateway_query(request, "rate");
    uint64_t force;
    if (!admin_option(request, "force", 0, 1, 0, &force, r)) {
        return ERR_INVALID;
    }
    b->force = force != 0;
    return rate == NULL ? 0 : conf_parse_rate(rate, &b->per_second, r);
}

static int parse_filter(const struct gateway_request *request, struct job *b, struct report *r) {
    const char *group = gateway_query(request, "group");
    uint64_t without;
    if (!admin_option(request, "without_compensation", 0, 1, 0, &without, r)) {
        return ERR_INVALID;
    }
    b->without_compensation = without != 0;
    if (group != NULL && !dead_group_is_valid(group)) {
        return report(r, ERR_INVALID, "group is 4 to 16 hex digits, as /api/dlq/groups shows");
    }
    if (group != NULL) {
        (void)snprintf(b->group, sizeof b->group, "%s", group);
        b->filter.group = b->group;
    }
    return admin_job_pace(request, b, r);
}

void admin_job_start(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    struct gateway_request *request = call->request;
    const char *service = gateway_query(request, "service");
    struct report r = {""};
    if (service == NULL) {
        gateway_answer_error(request, 400, NULL, "which letters? Give ?service=");
        return;
    }
    struct job *b = admin_job_new(a, request);
    if (b == NULL) {
        return;
    }
    if (parse_filter(request, b, &r) != 0) {
        gateway_answer_error(request, 400, NULL, r.text);
        admin_job_free(b);
        return;
    }
    if (!admin_service(a, request, service, &b->filter.by_service, &b->filter.service)) {
        admin_job_free(b);
        return;
    }
    b->kind = (enum command_kind)call->route->kind;
    b->find = find_letter;
    /* The journal's copy of the name is freed when the engine starts over. */
    (void)snprintf(b->service, sizeof b->service, "%s",
                   look_service_name(engine_journal(a->engine), b->filter.service));
    admin_job_begin(a, b, request);
}

/* The job named by ?job=. NULL: there is none, and the request has been answered. */
static struct job *find_job(struct admin *a, struct gateway_request *request) {
    const char *text = gateway_query(request, "job");
    uint64_t id;
    if (text == NULL || !admin_number(text, 1, UINT64_MAX, 0, &id)) {
        gateway_answer_error(request, 400, NULL,
                             "which one? Give ?job=, as jobs of /api/status shows");
        return NULL;
    }
    for (size_t i = 0; i < a->job_count; i++) {
        if (a->jobs[i]->id == id) {
            return a->jobs[i];
        }
    }
    gateway_answer_error(request, 404, NULL, "no such job");
    return NULL;
}

void admin_job_show(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    const struct job *b = find_job(a, call->request);
    if (b != NULL) {
        gateway_answer_json(call->request, 200, NULL, job_json(a, b));
    }
}

void admin_job_stop(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    struct job *b = find_job(a, call->request);
    if (b != NULL && !is_over(b)) {
        admin_job_end(a, b, JOB_STOPPED);
    }
    if (b != NULL) {
        gateway_answer_json(call->request, 200, NULL, job_json(a, b));
    }
}
