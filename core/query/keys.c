/*
 * keys.c - see query/keys.h.
 */
#include "query/keys.h"

#include "base/limits.h"
#include "query/json.h"
#include "query/steps.h"
#include "event/value.h"
#include "journal/event.h"
#include "journal/keyed.h"

/* ---- lanes ---- */

static bool same_lane(const struct row *a, const struct row *b) {
    return a->partition == b->partition && a->service == b->service && a->lane == b->lane;
}

/* Returns the lane counted so far, if there is one. */
static void hand_out(struct held_walk *walk, struct held *out, bool *found) {
    *found = walk->any;
    *out = walk->lane;
    walk->any = false;
}

/* Goes past the lanes of other services, in each partition. */
static void pass_over_others(struct held_walk *walk) {
    const struct row *row = &walk->row;
    if (walk->by_service && row->service != walk->service) {
        unsigned partition = row->partition + (row->service > walk->service ? 1u : 0u);
        walk->row = (struct row){.partition = (uint8_t)partition, .service = walk->service};
    }
}

int held_walk_next(struct journal *j, struct held_walk *walk, struct held *out, bool *found) {
    *found = false;
    pass_over_others(walk);
    int code = walk->over ? ERR_NOTFOUND : journal_lane_scan(j, &walk->row);
    if (code == ERR_NOTFOUND && walk->any) {
        walk->over = true;
        hand_out(walk, out, found);
        return 0;
    }
    if (code != 0) {
        return code;
    }
    if (same_lane(&walk->lane.head, &walk->row)) {
        walk->lane.behind++;
        return 0;
    }
    hand_out(walk, out, found);
    bool wanted = !walk->by_service || walk->row.service == walk->service;
    walk->any =
        wanted && walk->row.flags != LANE_QUEUED; /* that one waits for nothing of its own */
    walk->lane = (struct held){.head = walk->row};
    return 0;
}

/* "parked", or the state of the event at the head. */
static const char *held_by(const struct row *head, const struct event *event) {
    return head->flags == LANE_PARKED ? "parked" : event_state_name(event->state);
}

/* Adds the name of the signal that the event waits for. */
static bool add_signal(struct journal *j, json_t *object, const struct event *e) {
    struct steps steps;
    if (e->state != EVENT_SLEEPING) {
        return true;
    }
    int code = steps_read(j, e, &steps);
    if (code != 0) {
        return code != ERR_MEMORY; /* a damaged row spoils no list */
    }
    const struct step *wait = steps_waiting(&steps, e);
    bool ok =
        wait == NULL || wait->kind != STEP_WAIT || look_json_bytes(object, "signal", wait->value);
    steps_clear(&steps);
    return ok;
}

json_t *held_json(struct journal *j, const struct held *held, const struct event *e) {
    char id[UUID_TEXT_BYTES + 1];
    bool waits = event_state_put_off(e->state);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:I, s:I}", "service", look_service_name(j, e->service), "waits",
                  held_by(&held->head, e), "event", uuid_text(&e->id, id), "attempts",
                  (json_int_t)e->attempts, "behind", (json_int_t)held->behind);
    if (object != NULL &&
        !(look_json_bytes(object, "key", e->key) &&
          look_json_time(object, "due_at", waits ? e->due_ms : 0) &&
          look_json_bytes(object, "reason", e->reason) && add_signal(j, object, e))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- one key ---- */

void key_queue_init(struct key_queue *queue, uint16_t service, struct slice origin,
                    struct slice key) {
    *queue = (struct key_queue){.lane = {.service = service, .lane = journal_lane(origin, key)}};
    queue->lane.partition = journal_partition(queue->lane.lane);
    queue->row = queue->lane;
}

int key_queue_next(struct journal *j, struct key_queue *queue, bool *found) {
    *found = false;
    int code =
        queue->in_ready ? journal_ready_next(j, &queue->row) : journal_lane_next(j, &queue->row);
    if (code == ERR_NOTFOUND && !queue->in_ready) {
        queue->in_ready = true;
        queue->row = queue->lane;
        return 0;
    }
    *found = code == 0 && queue->row.lane == queue->lane.lane;
    if (*found && queue->count++ == 0) {
        queue->head = queue->row;
    }
    return code;
}

json_t *key_queue_json(const struct key_queue *queue, json_t *events, json_t *signals) {
    bool parked = queue->count > 0 && queue->head.flags == LANE_PARKED;
    return json_pack("{s:b, s:I, s:o, s:o}", "parked", (int)parked, "count",
                     (json_int_t)queue->count, "events", events, "signals", signals);
}

static json_t *signal_json(const struct cell *cell, int64_t expires_ms, struct slice value) {
    struct buf text;
    buf_init(&text, (size_t)VALUE_BYTES_MAX * 8);
    json_t *object = json_object();
    bool ok = object != NULL && look_json_bytes(object, "name", cell->name) &&
              look_json_time(object, "expires_at", expires_ms) &&
              value_to_json(value, &text) == 0 &&
              look_json_bytes(object, "value", buf_slice(&text));
    buf_clear(&text);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int key_signals(struct journal *j, const struct key_queue *queue, struct slice key, json_t **out) {
    struct cell cell = {
        .partition = queue->lane.partition, .service = queue->lane.service, .key = key};
    struct slice value;
    uint64_t seq = 0;
    int64_t expires_ms = 0;
    int code = 0;
    *out = json_array();
    while (code == 0 && json_array_size(*out) < READING_ITEMS_MAX &&
           (code = journal_signal_scan(j, &cell, &seq, &expires_ms, &value)) == 0) {
        json_t *one = signal_json(&cell, expires_ms, value);
        code = json_array_append_new(*out, one) == 0 ? 0 : ERR_MEMORY;
    }
    if (code != 0 && code != ERR_NOTFOUND) {
        json_decref(*out);
        *out = NULL;
        return code;
    }
    return 0;
}
