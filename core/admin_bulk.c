/*
 * admin_bulk.c - replay or discard of all dead letters of a service, or of one group of it.
 *
 *   finding   the letters are looked up between turns, a few milliseconds at a time, into a heap by
 *             arrival
 *   working   they leave the heap oldest first, so that the order within each key is kept, at most
 *             BULK_COMMANDS_MAX at once and no faster than the rate
 *   done, stopped, failed
 *
 * A bulk lives in memory: what is left of it when the host stops stays dead and can be asked for
 * again.
 */
#include "admin_impl.h"

#include "look_json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_BYTES_MAX = 17 };

enum bulk_state { BULK_FINDING, BULK_WORKING, BULK_DONE, BULK_STOPPED, BULK_FAILED };

struct letter {
    uint64_t seq;
    struct uuid id;
};

struct slot {
    struct order order; /* first, so that an order of this file is a slot */
    struct bulk *bulk;
    bool busy;
};

struct bulk {
    uint64_t id;
    enum command_kind kind;
    enum bulk_state state;
    struct dead_wish wish;
    char group[GROUP_BYTES_MAX];
    char service[NAME_BYTES_MAX + 1];
    double per_second;      /* 0 = as fast as it goes */
    struct dead_row row;    /* where the finding stands */
    struct letter *letters; /* a heap, the oldest first; owned */
    size_t count, cap;
    bool cut;         /* there are more than BULK_LETTERS_MAX */
    uint64_t found;   /* letters put into the heap */
    uint64_t sent;    /* commands submitted */
    uint64_t good;    /* carried out */
    uint64_t gone;    /* no longer dead when their turn came */
    uint64_t refused; /* the engine would not */
    size_t busy;
    int64_t started_ms, working_ms, ended_ms;
    char error[256]; /* of the last refusal or failure */
    struct slot slots[BULK_COMMANDS_MAX];
};

static bool is_over(const struct bulk *b) {
    return b->state >= BULK_DONE;
}

static void bulk_free(struct bulk *b) {
    free(b->letters);
    free(b);
}

void admin_forget_bulks(struct admin *a) {
    for (size_t i = 0; i < a->bulk_count; i++) {
        bulk_free(a->bulks[i]);
    }
    a->bulk_count = 0;
}

static void end(struct admin *a, struct bulk *b, enum bulk_state state) {
    assert(!is_over(b));
    b->state = state;
    b->ended_ms = admin_now_ms(a);
    free(b->letters);
    b->letters = NULL;
    b->count = 0;
    b->cap = 0;
}

/* ---- the heap ---- */

static void swap(struct letter *a, struct letter *b) {
    struct letter kept = *a;
    *a = *b;
    *b = kept;
}

static int push(struct bulk *b, const struct letter *letter) {
    if (b->count == b->cap) {
        size_t cap = b->cap == 0 ? 1024 : b->cap * 2;
        struct letter *letters = realloc(b->letters, cap * sizeof *letters);
        if (letters == NULL) {
            return ERR_MEMORY;
        }
        b->letters = letters;
        b->cap = cap;
    }
    size_t at = b->count++;
    b->letters[at] = *letter;
    for (; at > 0 && b->letters[at].seq < b->letters[(at - 1) / 2].seq; at = (at - 1) / 2) {
        swap(&b->letters[at], &b->letters[(at - 1) / 2]);
    }
    return 0;
}

static struct letter pop(struct bulk *b) {
    assert(b->count > 0);
    struct letter oldest = b->letters[0];
    b->letters[0] = b->letters[--b->count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < b->count; child++) {
            least = b->letters[child].seq < b->letters[least].seq ? child : least;
        }
        if (least == at) {
            return oldest;
        }
        swap(&b->letters[at], &b->letters[least]);
        at = least;
    }
}

/* ---- working ---- */

static void work(struct admin *a);

static void on_bulk_timer(uv_timer_t *timer) {
    work(timer->data);
}

static void note_answer(struct admin *a, struct bulk *b, const struct command *c) {
    if (c->code == 0) {
        b->good++;
    } else if (c->code == ERR_NOTFOUND) {
        b->gone++;
    } else {
        (void)snprintf(b->error, sizeof b->error, "%.255s", c->report.text);
        b->refused++;
    }
    /* A dropped turn: no use in going on. */
    bool failed = c->code == ERR_FULL || c->code == ERR_DISK || c->code == ERR_MEMORY;
    if (failed && !is_over(b)) {
        end(a, b, BULK_FAILED);
    }
}

/* The order may come back inside the engine's turn: the next ones go after it. */
static void on_done(struct admin *a, struct order *order) {
    struct slot *slot = (struct slot *)order;
    struct bulk *b = slot->bulk;
    assert(slot->busy && b->busy > 0);
    slot->busy = false;
    b->busy--;
    note_answer(a, b, &order->command);
    if (!is_over(b) && b->busy == 0) {
        int started = uv_timer_start(&a->bulk_timer, on_bulk_timer, 0, 0);
        assert(started == 0);
    }
}

static void submit(struct admin *a, struct bulk *b) {
    struct slot *slot = b->slots;
    while (slot->busy) {
        slot++;
        assert(slot < b->slots + BULK_COMMANDS_MAX);
    }
    *slot = (struct slot){.bulk = b, .busy = true, .order = {.done = on_done}};
    slot->order.command.kind = b->kind;
    slot->order.command.service = slice_of(b->service);
    slot->order.command.id = pop(b).id;
    b->busy++;
    b->sent++;
    admin_submit(a, &slot->order);
}

/* How many may have been sent by now. */
static uint64_t due(const struct bulk *b, int64_t now_ms) {
    if (b->per_second <= 0) {
        return UINT64_MAX;
    }
    return 1 + (uint64_t)((double)(now_ms - b->working_ms) * b->per_second / 1000);
}

/* When the next one may be sent. */
static int64_t next_ms(const struct bulk *b) {
    return b->working_ms + (int64_t)((double)b->sent * 1000 / b->per_second) + 1;
}

/* Sends what may be sent; *wake_ms is lowered to when there will be more. */
static void work_one(struct admin *a, struct bulk *b, int64_t now_ms, int64_t *wake_ms) {
    if (b->busy > 0 && b->per_second <= 0) {
        return; /* on_done goes on */
    }
    while (b->count > 0 && b->busy < BULK_COMMANDS_MAX && b->sent < due(b, now_ms)) {
        submit(a, b);
    }
    if (b->count == 0 && b->busy == 0) {
        end(a, b, BULK_DONE);
    } else if (b->count > 0 && b->per_second > 0 && next_ms(b) < *wake_ms) {
        *wake_ms = next_ms(b);
    }
}

static void work(struct admin *a) {
    int64_t now_ms = admin_now_ms(a);
    int64_t wake_ms = INT64_MAX;
    for (size_t i = 0; i < a->bulk_count; i++) {
        if (a->bulks[i]->state == BULK_WORKING) {
            work_one(a, a->bulks[i], now_ms, &wake_ms);
        }
    }
    if (wake_ms != INT64_MAX) {
        uint64_t delay = wake_ms > now_ms ? (uint64_t)(wake_ms - now_ms) : 1;
        int started = uv_timer_start(&a->bulk_timer, on_bulk_timer, delay, 0);
        assert(started == 0);
    }
}

/* ---- finding ---- */

static int find_one(struct bulk *b, struct journal *j) {
    struct event *event = NULL;
    bool wished = false;
    int code = dead_next(j, &b->wish, &b->row, &wished);
    if (code != 0 || !wished) {
        return code;
    }
    if (b->found == BULK_LETTERS_MAX) {
        b->cut = true;
        return ERR_NOTFOUND;
    }
    code = dead_event(j, &b->row, &event);
    if (code == 0) {
        struct letter letter = {.seq = event->seq, .id = event->id};
        code = push(b, &letter);
        b->found++;
    }
    event_free(event);
    return code == ERR_NOTFOUND ? 0 : code;
}

bool admin_bulk_find(struct admin *a, uint64_t until_us) {
    struct bulk *b = NULL;
    for (size_t i = 0; i < a->bulk_count && b == NULL; i++) {
        b = a->bulks[i]->state == BULK_FINDING ? a->bulks[i] : NULL;
    }
    int code = 0;
    while (b != NULL && code == 0 && uv_hrtime() / 1000 < until_us) {
        code = find_one(b, engine_journal(a->engine));
    }
    if (code == ERR_NOTFOUND) {
        b->state = BULK_WORKING;
        b->working_ms = admin_now_ms(a);
        int started = uv_timer_start(&a->bulk_timer, on_bulk_timer, 0, 0);
        assert(started == 0);
    } else if (code != 0) {
        (void)snprintf(b->error, sizeof b->error, "reading the store failed: %s", error_text(code));
        end(a, b, BULK_FAILED);
    }
    return b != NULL;
}

/* ---- requests ---- */

static const char *state_name(const struct bulk *b) {
    static const char *const names[] = {[BULK_FINDING] = "finding",
                                        [BULK_WORKING] = "working",
                                        [BULK_DONE] = "done",
                                        [BULK_STOPPED] = "stopped",
                                        [BULK_FAILED] = "failed"};
    return names[b->state];
}

static json_t *bulk_json(const struct bulk *b) {
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"id", b->id},
        {"found", b->found},
        {b->kind == COMMAND_REPLAY ? "replayed" : "discarded", b->good},
        {"gone", b->gone},
        {"refused", b->refused},
    };
    json_t *object = json_pack("{s:s, s:s, s:s, s:s?, s:f, s:b}", "what",
                               b->kind == COMMAND_REPLAY ? "replay" : "discard", "state",
                               state_name(b), "service", b->service, "group", b->wish.group, "rate",
                               b->per_second, "cut", (int)b->cut);
    bool ok = object != NULL && look_json_time(object, "started_at", b->started_ms) &&
              look_json_time(object, "ended_at", b->ended_ms) &&
              look_json_bytes(object, "error", slice_of(b->error));
    for (size_t i = 0; i < sizeof rows / sizeof *rows && ok; i++) {
        ok = look_json_count(object, rows[i].name, rows[i].value);
    }
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *admin_bulks_json(const struct admin *a) {
    json_t *list = json_array();
    for (size_t i = 0; i < a->bulk_count; i++) {
        (void)json_array_append_new(list, bulk_json(a->bulks[i]));
    }
    return list;
}

/* Room for one more, if need be in the place of the oldest that is over. */
static bool make_room(struct admin *a) {
    if (a->bulk_count < BULKS_MAX) {
        return true;
    }
    for (size_t i = 0; i < a->bulk_count; i++) {
        if (is_over(a->bulks[i]) && a->bulks[i]->busy == 0) {
            bulk_free(a->bulks[i]);
            a->bulk_count--;
            memmove(&a->bulks[i], &a->bulks[i + 1], (a->bulk_count - i) * sizeof *a->bulks);
            return true;
        }
    }
    return false;
}

static bool parse_wish(const struct gateway_request *request, struct bulk *b, struct report *r) {
    const char *group = gateway_query(request, "group");
    const char *rate = gateway_query(request, "rate");
    if (group != NULL && !dead_group_is_valid(group)) {
        (void)report(r, ERR_INVALID, "group is 4 to 16 hex digits, as /api/dlq/groups shows");
        return false;
    }
    if (group != NULL) {
        (void)snprintf(b->group, sizeof b->group, "%s", group);
        b->wish.group = b->group;
    }
    return rate == NULL || conf_parse_rate(rate, &b->per_second, r) == 0;
}

void admin_bulk(struct admin *a, enum command_kind kind, struct gateway_request *request) {
    const char *service = gateway_query(request, "service");
    struct report r = {""};
    if (service == NULL) {
        admin_answer_error(request, 400, "which letters? Give ?service=");
        return;
    }
    struct bulk *b = make_room(a) ? calloc(1, sizeof *b) : NULL;
    if (b == NULL) {
        admin_answer_error(request, 503, "too many replays at once: wait for one, or stop it");
        return;
    }
    if (!parse_wish(request, b, &r)) {
        admin_answer_error(request, 400, r.text);
        bulk_free(b);
        return;
    }
    if (!admin_service(a, request, service, &b->wish.by_service, &b->wish.service)) {
        bulk_free(b);
        return;
    }
    b->kind = kind;
    b->id = ++a->last_bulk_id;
    /* The journal's own name goes when the engine starts over. */
    (void)snprintf(b->service, sizeof b->service, "%s",
                   look_service_name(engine_journal(a->engine), b->wish.service));
    b->started_ms = admin_now_ms(a);
    a->bulks[a->bulk_count++] = b;
    admin_answer_json(request, 202, bulk_json(b));
    admin_start_reader(a);
}

void admin_bulk_stop(struct admin *a, struct gateway_request *request) {
    const char *text = gateway_query(request, "job");
    uint64_t id;
    if (text == NULL || !admin_number(text, 1, UINT64_MAX, 0, &id)) {
        admin_answer_error(request, 400, "which one? Give ?job=, as jobs of /api/status shows");
        return;
    }
    for (size_t i = 0; i < a->bulk_count; i++) {
        struct bulk *b = a->bulks[i];
        if (b->id == id) {
            if (!is_over(b)) {
                end(a, b, BULK_STOPPED);
            }
            admin_answer_json(request, 200, bulk_json(b));
            return;
        }
    }
    admin_answer_error(request, 404, "no such job");
}
