/*
 * engine.c - the pipeline. Read this file first.
 *
 *   collect   engine_offer, engine_call_done, engine_published, engine_submit: noted
 *   decide    one store transaction: settle what the broker has, carry out commands, admit
 *             messages, resume what waited, fire timers, run lanes until the budget is used up
 *   commit    new events get their rows, the books are written, one fsync for all
 *   act       publishes leave, calls start, commands are answered; the caller lets PUBACKs go
 *
 * A turn that fails (no room, disk error) is dropped whole: the engine forgets everything in memory
 * and loads what the store holds, as after a crash.
 */
#include "engine_impl.h"

#include "log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct engine_service *engine_service_of(struct engine *e, uint16_t number) {
    for (size_t i = 0; i < e->service_count; i++) {
        if (e->services[i].number == number) {
            return &e->services[i];
        }
    }
    return NULL;
}

struct engine_service *engine_service_named(struct engine *e, struct slice name) {
    for (size_t i = 0; i < e->service_count; i++) {
        if (slice_equal(e->services[i].name, name)) {
            return &e->services[i];
        }
    }
    return NULL;
}

/* --- loading --- */

static int load_service(struct engine *e, struct engine_service *s) {
    char flag[sizeof "paused/" + NAME_BYTES_MAX] = "paused/";
    uint64_t paused = 0;
    strncat(flag, s->conf->name, NAME_BYTES_MAX);
    s->lane_rows = 0;
    s->put_off = 0;
    s->asleep = 0;
    s->unloaded_total = 0;
    s->room_ms = 0;
    s->books_dirty = false;
    memset(s->unloaded, 0, sizeof s->unloaded);
    memset(s->loaded, 0, sizeof s->loaded);
    int code = journal_service_number(e->journal, s->conf->name, &s->number);
    if (code == 0) {
        code = journal_books_get(e->journal, s->number, &s->books);
    }
    if (code == 0) {
        code = journal_flag_get(e->journal, flag, &paused);
        code = code == ERR_NOTFOUND ? 0 : code;
    }
    lanes_limit(e->lanes, s->index, s->conf->concurrency, s->conf->rate_per_s);
    lanes_batch(e->lanes, s->index, s->conf->batch, s->conf->linger_ms);
    s->paused = paused != 0;
    engine_hold(e, s);
    lanes_throttle(e->lanes, s->index, s->throttled_until_ms);
    e->waiting += books_waiting(&s->books);
    return code;
}

static int load_all(struct engine *e) {
    int code = 0;
    e->waiting = 0;
    e->body_bytes = 0;
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        code = load_service(e, &e->services[i]);
    }
    if (code == 0) {
        code = engine_charge_crash(e);
    }
    if (code == 0) {
        code = engine_load_rows(e);
    }
    if (code == 0) {
        code = engine_load_timers(e);
    }
    if (code == 0) {
        code = engine_load_schedules(e);
    }
    if (code == 0) {
        code = outbox_load(e->outbox);
    }
    if (code == 0) {
        code = append_load(e->append);
    }
    return code;
}

int engine_load(struct engine *e) {
    engine_look_at_clock(e);
    lanes_free(e->lanes);
    e->lanes = lanes_new(e->service_count);
    if (e->lanes == NULL) {
        return ERR_MEMORY;
    }
    int code = store_begin(journal_store(e->journal));
    if (code != 0) {
        return code;
    }
    code = load_all(e);
    if (code != 0) {
        store_abort(journal_store(e->journal));
        return code;
    }
    code = store_commit(journal_store(e->journal));
    if (code == 0) {
        culprit_settle(e->culprit);
    }
    return code;
}

static bool is_wanted(const struct engine_options *options, const char *name) {
    for (size_t i = 0; i < options->only_count; i++) {
        if (strcmp(options->only[i], name) == 0) {
            return true;
        }
    }
    return options->only_count == 0;
}

static int check_wanted(const struct engine_options *options, struct report *r) {
    for (size_t i = 0; i < options->only_count; i++) {
        if (!conf_has_service(options->conf, options->only[i])) {
            return report(r, ERR_INVALID, "--service: there is no service \"%s\" in %s",
                          options->only[i], options->conf->file);
        }
    }
    return 0;
}

static int make_schedules(struct engine *e, struct report *r) {
    const struct conf *conf = e->conf;
    e->schedules = calloc(conf->schedule_count + 1, sizeof *e->schedules);
    if (e->schedules == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < conf->schedule_count; i++) {
        e->schedules[i].conf = &conf->schedules[i];
    }
    return 0;
}

static int make_services(struct engine *e, const struct engine_options *options, struct report *r) {
    const struct conf *conf = options->conf;
    e->services = calloc(conf->service_count + 1, sizeof *e->services);
    if (e->services == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    e->service_count = conf->service_count;
    for (size_t i = 0; i < conf->service_count; i++) {
        struct engine_service *s = &e->services[i];
        s->conf = &conf->services[i];
        s->index = i;
        s->number = UINT16_MAX;
        s->name = slice_of(s->conf->name);
        s->active = is_wanted(options, s->conf->name);
    }
    return check_wanted(options, r);
}

int engine_new(struct engine **out, const struct engine_options *options, struct report *r) {
    assert(options->scripts != NULL && options->store != NULL);
    struct engine *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    e->conf = options->conf;
    e->doors = *options->doors;
    e->scripts = options->scripts;
    e->culprit = options->culprit;
    e->unproven = CAREFUL_EVENTS;
    e->started_us = e->doors.monotonic_us(e->doors.ctx);
    uuid_source_init(&e->ids, options->seed);
    buf_init(&e->scratch, 1 << 20);
    buf_init(&e->properties, EFFECTS_BYTES_MAX);
    buf_init(&e->publishes, EFFECTS_BYTES_MAX);
    engine_view_init(e);
    int code = make_services(e, options, r);
    if (code == 0) {
        code = make_schedules(e, r);
    }
    if (code == 0) {
        code = journal_open(&e->journal, options->store, e->conf->keep_idempotency_ms, r);
    }
    if (code == 0) {
        code = engine_start_clock(e);
    }
    if (code == 0) {
        code = outbox_new(&e->outbox, e->journal);
    }
    if (code == 0) {
        code = append_new(&e->append, e->journal, e->conf->store_path);
    }
    if (code == 0) {
        code = engine_recover(e);
        code = code == 0 ? 0 : report(r, code, "cannot load the store: %s", error_text(code));
    }
    if (code != 0) {
        engine_free(e);
        return code;
    }
    *out = e;
    return 0;
}

const char *engine_host_id(const struct engine *e) {
    return journal_host_id(e->journal);
}

void engine_free(struct engine *e) {
    if (e == NULL) {
        return;
    }
    engine_forget_inputs(e);
    engine_forget_invocations(e);
    lanes_free(e->lanes);
    outbox_free(e->outbox);
    append_free(e->append);
    journal_close(e->journal);
    buf_clear(&e->scratch);
    buf_clear(&e->properties);
    buf_clear(&e->publishes);
    for (size_t i = 0; i < e->qos0_topic_count; i++) {
        free(e->qos0_topics[i]);
    }
    free(e->endings);
    free(e->schedules);
    free(e->services);
    free(e);
}

/* --- decide --- */

static int carry_out_commands(struct engine *e) {
    while (e->commands_head != NULL) {
        struct command *command = e->commands_head;
        int code = engine_carry_out(e, command);
        if (code != 0) {
            return code;
        }
        e->commands_head = command->next;
        command->next = NULL;
        if (e->commands_head == NULL) {
            e->commands_tail = NULL;
        }
        if (e->answered_tail == NULL) {
            e->answered_head = command;
        } else {
            e->answered_tail->next = command;
        }
        e->answered_tail = command;
    }
    return 0;
}

static int admit_inbox(struct engine *e) {
    size_t count = 0;
    if (e->inbox_head == NULL) {
        return 0;
    }
    engine_watch_clock(e);
    lanes_arrived(e->lanes, e->now_ms);
    for (; e->inbox_head != NULL; count++) {
        struct event *event = e->inbox_head;
        struct engine_service *s = &e->services[event->service];
        e->inbox_head = event->next;
        event->next = NULL;
        if (e->inbox_head == NULL) {
            e->inbox_tail = NULL;
        }
        culprit_run(e->culprit, s->number, event->partition, &event->id);
        culprit_enter(e->culprit, CULPRIT_ADMIT);
        bool duplicate;
        int code = event->kind == EVENT_SIGNAL ? engine_admit_signal(e, event)
                                               : engine_admit(e, s, event, &duplicate);
        if (code != 0) {
            return code;
        }
    }
    culprit_enter(e->culprit, CULPRIT_IDLE);
    engine_note_admitted(e, count);
    return 0;
}

/* Half a turn of them; the rest goes on in the next one. */
static int resume_ended_calls(struct engine *e) {
    engine_watch_clock(e);
    int64_t end_us = e->seen_us + TURN_MS_MAX * 1000 / 2;
    while (e->ends_head != NULL && e->seen_us < end_us) {
        struct call_end *end = e->ends_head;
        e->ends_head = end->next;
        if (e->ends_head == NULL) {
            e->ends_tail = NULL;
        }
        int code = engine_resume(e, end);
        call_result_clear(&end->result);
        free(end);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

/* Takes the lane's head and runs it, with its company; *started: how many they were. */
static int run_lane(struct engine *e, struct lane *lane, size_t *started) {
    struct lane_item *item = NULL;
    size_t service = lane->service;
    uint64_t hash = lane->hash;
    *started = 1;
    int code = engine_take(e, lane, &item);
    if (code == 0 && item != NULL) {
        code = engine_start_batch(e, item, started);
    }
    if (code == 0) {
        engine_charge(e, service, hash, *started == 1);
        engine_note_proven(e, *started);
    }
    culprit_enter(e->culprit, CULPRIT_IDLE);
    return code;
}

/* For its time whatever came before took, so that neither messages nor ended calls starve lanes. A
 * run that is longer ends the turn: what is done leaves. */
static int run_lanes(struct engine *e) {
    if (e->store_low && e->answered_head != NULL) {
        return 0; /* what an operator asked for must not fail for want of room for events */
    }
    engine_watch_clock(e);
    int64_t end_us = e->seen_us + TURN_MS_MAX * 1000;
    size_t most = e->draining ? 0 : engine_step(e, TURN_EVENTS_MAX);
    if (e->careful) { /* none that is not stored yet: see engine_crash.c */
        most = e->new_head != NULL || most == 0 ? 0 : 1;
    }
    size_t started = 0;
    for (size_t events = 0; events < most && e->seen_us < end_us; events += started) {
        struct lane *lane = lanes_next(e->lanes, e->now_ms);
        int code = lane == NULL ? 0 : run_lane(e, lane, &started);
        if (lane == NULL || code != 0) {
            return code;
        }
    }
    return 0;
}

static int decide(struct engine *e) {
    static int (*const work[])(struct engine *) = {
        engine_look_at_space,  carry_out_commands,  admit_inbox,
        resume_ended_calls,    engine_expire_waits, engine_fire_timers,
        engine_fire_schedules, engine_refill,       run_lanes,
        engine_trim,
    };
    /* A full store is only tidied: what is left of it must not be used up. */
    static int (*const tidying[])(struct engine *) = {engine_look_at_space, carry_out_commands,
                                                      engine_trim};
    int (*const *steps)(struct engine *) = e->full ? tidying : work;
    size_t count = e->full ? sizeof tidying / sizeof *tidying : sizeof work / sizeof *work;
    int code = outbox_settle(e->outbox);
    if (code == 0) {
        code = append_settle(e->append, e->now_ms);
    }
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = steps[i](e);
    }
    return code;
}

/* --- commit --- */

static int write_books(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        struct engine_service *s = &e->services[i];
        if (!s->books_dirty) {
            continue;
        }
        int code = journal_books_put(e->journal, s->number, &s->books);
        if (code != 0) {
            return code;
        }
        s->books_dirty = false;
    }
    int code = journal_mark_seq(e->journal);
    return code == 0 ? engine_mark_clock(e) : code;
}

static int commit(struct engine *e) {
    culprit_enter(e->culprit, CULPRIT_COMMIT);
    int code = engine_seal_new(e);
    if (code == 0) {
        code = write_books(e);
    }
    if (code != 0) {
        return code;
    }
    int64_t before_us = e->doors.monotonic_us(e->doors.ctx);
    code = store_commit(journal_store(e->journal));
    e->status.commit_us_last = e->doors.monotonic_us(e->doors.ctx) - before_us;
    if (e->status.commit_us_last > e->status.commit_us_max) {
        e->status.commit_us_max = e->status.commit_us_last;
    }
    histogram_add(&e->status.commit, e->status.commit_us_last);
    e->status.commits++;
    return code;
}

/* --- act --- */

static void start_calls(struct engine *e) {
    while (e->to_start != NULL) {
        struct invocation *inv = e->to_start;
        e->to_start = inv->start_next;
        inv->start_next = NULL;
        inv->call_started = true;
        if (inv->run->outcome != OUTCOME_CALL) { /* what it waited for has just been committed */
            struct call_result stored = {.code = 0};
            engine_call_done(e, inv->call_id, &stored);
            continue;
        }
        int code = e->doors.call_start(e->doors.ctx, inv->call_id, inv->run->request);
        if (code != 0) {
            struct call_result failed = {.code = code};
            strncat(failed.error, error_text(code), sizeof failed.error - 1);
            inv->call_started = false;
            engine_call_done(e, inv->call_id, &failed);
            inv->call_started = true;
        }
    }
}

void engine_answer_commands(struct engine *e) {
    while (e->answered_head != NULL) {
        struct command *command = e->answered_head;
        e->answered_head = command->next;
        command->next = NULL;
        e->doors.command_done(e->doors.ctx, command);
    }
    e->answered_tail = NULL;
}

static void act(struct engine *e) {
    outbox_committed(e->outbox);
    if (append_wants_write(e->append)) {
        append_write(e->append, e->now_ms);
    }
    culprit_enter(e->culprit, CULPRIT_SEND);
    (void)engine_send(e); /* a clash is told to the host at its next send */
    culprit_enter(e->culprit, CULPRIT_ANSWER);
    start_calls(e);
    engine_answer_commands(e);
    culprit_enter(e->culprit, CULPRIT_IDLE);
}

/* --- the turn --- */

int engine_turn(struct engine *e) {
    bool turned_away = false;
    int ready = engine_make_ready(e, &turned_away);
    if (ready != 0) {
        return ready;
    }
    int answer = turned_away ? ERR_FULL : 0;
    /* What is committed can leave without a turn. */
    (void)engine_send(e); /* a clash is told to the host at its next send */
    if (!engine_due(e)) {
        return answer;
    }
    struct store *store = journal_store(e->journal);
    engine_look_at_clock(e);
    e->turn_us = e->doors.monotonic_us(e->doors.ctx);
    e->status.turns++;
    bool least = engine_step(e, TURN_EVENTS_MAX) == 1;
    int code = store_begin(store);
    if (code == 0) {
        code = decide(e);
    }
    if (code == 0) {
        code = commit(e);
    }
    culprit_enter(e->culprit, CULPRIT_IDLE);
    if (code == 0 || code == ERR_FULL) {
        engine_turn_found_room(e, code == 0);
    }
    if (code != 0) {
        if (store_active(store)) {
            store_abort(store);
        }
        log_error("engine", "a turn was dropped, nothing of it is stored: %s", error_text(code));
        engine_start_over(e, code, least);
        return code;
    }
    act(e);
    return answer;
}

static bool starts_events(const struct engine *e) {
    return !e->draining && !e->full;
}

static bool acked_due(const struct engine *e, int64_t now_ms) {
    size_t acked = outbox_acked(e->outbox);
    return acked >= OUTBOX_WINDOW_MAX / 4 || (acked > 0 && now_ms >= e->acked_ms + ACKED_DELAY_MS);
}

bool engine_due(struct engine *e) {
    int64_t now_ms = engine_now_ms(e);
    int64_t wake_ms = INT64_MAX;
    return e->lost || e->inbox_head != NULL || e->ends_head != NULL || e->commands_head != NULL ||
           (starts_events(e) && lanes_runnable(e->lanes, now_ms, &wake_ms)) ||
           (!e->full && engine_wants_refill(e)) || outbox_wants_settle(e->outbox) ||
           append_wants_settle(e->append) || acked_due(e, now_ms) || engine_next_ms(e) <= now_ms;
}

/* When the work that waits for the clock alone is due. */
static int64_t next_work_ms(struct engine *e) {
    int64_t next = engine_earliest_timer(e);
    int64_t deadline = engine_earliest_deadline(e);
    int64_t room = engine_earliest_room(e);
    next = deadline < next ? deadline : next;
    next = room < next ? room : next;
    if (e->schedule_ms != INT64_MAX) { /* by the wall clock */
        int64_t tick = e->schedule_ms - engine_wall_ahead_ms(e);
        next = tick < next ? tick : next;
    }
    if (starts_events(e)) {
        (void)lanes_runnable(e->lanes, engine_now_ms(e), &next);
    }
    return next;
}

int64_t engine_next_ms(struct engine *e) {
    int64_t next = e->full ? INT64_MAX : next_work_ms(e);
    if (outbox_acked(e->outbox) > 0 && e->acked_ms + ACKED_DELAY_MS < next) {
        next = e->acked_ms + ACKED_DELAY_MS;
    }
    int64_t try_ms = e->window > 0 ? outbox_next_ms(e->outbox) : INT64_MAX;
    next = try_ms < next ? try_ms : next;
    int64_t write_ms = append_next_ms(e->append);
    next = write_ms < next ? write_ms : next;
    /* Retention and the look at the store's space need a turn of their own when all is quiet. */
    int64_t check_ms = e->trim.next_pass_ms;
    int64_t look_ms = engine_next_look_ms(e);
    check_ms = look_ms < check_ms ? look_ms : check_ms;
    return check_ms < next ? check_ms : next;
}

bool engine_accepts(struct engine *e) {
    return e->waiting < e->conf->backlog_max && e->room > 0 && !e->draining && !e->lost;
}

void engine_drain(struct engine *e) {
    e->draining = true;
}

size_t engine_running(const struct engine *e) {
    return e->running;
}

static int mark_items_ready(struct engine *e, struct invocation *inv) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        items[i]->event->state = EVENT_READY;
        code = journal_event_put(e->journal, items[i]->event);
    }
    return code;
}

static int mark_ready(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        struct invocation *inv = e->services[i].waiting_head;
        for (; inv != NULL; inv = inv->next) {
            int code = mark_items_ready(e, inv);
            if (code != 0) {
                return code;
            }
        }
    }
    return outbox_settle(e->outbox);
}

int engine_stop(struct engine *e) {
    int code = e->lost ? engine_recover(e) : 0;
    if (code == 0) {
        code = store_begin(journal_store(e->journal));
    }
    if (code != 0) {
        return code;
    }
    code = mark_ready(e);
    if (code == 0) {
        code = write_books(e);
    }
    if (code == 0) {
        return store_commit(journal_store(e->journal));
    }
    store_abort(journal_store(e->journal));
    return code;
}
