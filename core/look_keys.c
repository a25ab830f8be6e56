/*
 * look_keys.c - see look_keys.h.
 */
#include "look_keys.h"

#include "look_json.h"

/* ---- lanes ---- */

static bool same_lane(const struct row *a, const struct row *b) {
    return a->partition == b->partition && a->service == b->service && a->lane == b->lane;
}

/* Hands out the lane counted so far, if there is one. */
static void hand_out(struct held_walk *walk, struct held *out, bool *found) {
    *found = walk->any;
    *out = walk->lane;
    walk->any = false;
}

int held_walk_next(struct journal *j, struct held_walk *walk, struct held *out, bool *found) {
    *found = false;
    int code = walk->over ? ERR_NOTFOUND : journal_lane_scan(j, &walk->row);
    if (code == ERR_NOTFOUND && walk->any) {
        walk->over = true;
        hand_out(walk, out, found);
        return 0;
    }
    if (code != 0) {
        return code;
    }
    if (walk->any && same_lane(&walk->lane.head, &walk->row)) {
        walk->lane.behind++;
        return 0;
    }
    hand_out(walk, out, found);
    walk->any = !walk->by_service || walk->row.service == walk->service;
    walk->lane = (struct held){.head = walk->row};
    return 0;
}

const char *held_waits(const struct row *head, const struct event *event) {
    return head->flags == LANE_PARKED ? "parked" : event_state_name(event->state);
}

json_t *held_json(const struct journal *j, const struct held *held, const struct event *e) {
    char id[UUID_TEXT_BYTES + 1];
    bool waits = event_state_put_off(e->state);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:I, s:I}", "service", look_service_name(j, e->service), "waits",
                  held_waits(&held->head, e), "event", uuid_text(&e->id, id), "attempts",
                  (json_int_t)e->attempts, "behind", (json_int_t)held->behind);
    if (object != NULL && !(look_json_bytes(object, "key", e->key) &&
                            look_json_time(object, "due_at", waits ? e->due_ms : 0) &&
                            look_json_bytes(object, "reason", e->reason))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- one key ---- */

void key_queue_init(struct key_queue *queue, uint16_t service, struct slice name,
                    struct slice key) {
    *queue = (struct key_queue){.lane = {.service = service, .lane = journal_lane(name, key)}};
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

json_t *key_queue_json(const struct key_queue *queue, json_t *events) {
    bool parked = queue->count > 0 && queue->head.flags == LANE_PARKED;
    return json_pack("{s:b, s:I, s:o}", "parked", (int)parked, "count", (json_int_t)queue->count,
                     "events", events);
}
