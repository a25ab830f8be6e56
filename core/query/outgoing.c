/*
 * outgoing.c - see query/outgoing.h.
 */
#include "query/outgoing.h"

#include "base/clock.h"
#include "query/json.h"

/* Rows come in order of creation, so what a refused one holds comes after it. */
static bool is_held(struct outbox_walk *walk, const struct publication *p) {
    bool refused = p->refused_ms != 0;
    for (size_t i = 0; p->owner != 0 && i < walk->owner_count; i++) {
        if (walk->owners[i] == p->owner) {
            return !refused;
        }
    }
    if (refused && p->owner != 0 && walk->owner_count < OUTBOX_OWNERS_MAX) {
        walk->owners[walk->owner_count++] = p->owner;
    }
    return false;
}

int outbox_walk_next(struct journal *j, struct outbox_walk *walk, struct publication *p,
                     bool *held) {
    struct slice record;
    int code = journal_outbox_next(j, &walk->seq, &record);
    code = code == 0 ? publication_decode(record, p) : code;
    *held = code == 0 && is_held(walk, p);
    return code;
}

/* ---- JSON ---- */

/* What both have. */
static bool set_publication(json_t *object, const struct publication *p) {
    char id[UUID_TEXT_BYTES + 1];
    return look_json_text(object, "id", uuid_text(&p->id, id)) &&
           look_json_bytes(object, "topic", p->topic) &&
           look_json_bytes(object, "payload", p->payload) &&
           (uuid_is_zero(&p->cause) || look_json_text(object, "cause", uuid_text(&p->cause, id)));
}

json_t *outbox_json(const struct publication *p, bool held) {
    bool refused = p->refused_ms != 0;
    bool crash = p->refused_reason == REFUSED_CRASH || p->refused_reason == REFUSED_CRASHES;
    json_t *object = json_pack("{s:b, s:b}", "refused", (int)refused, "held", (int)held);
    bool ok = object != NULL && set_publication(object, p) &&
              (!refused || (look_json_time(object, "refused_at", p->refused_ms) &&
                            look_json_count(object, "reason_code", crash ? 0 : p->refused_reason) &&
                            json_object_set_new(object, "crash", json_boolean(crash)) == 0));
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *delayed_json(const struct delayed *delayed, const struct publication *p) {
    json_t *object = json_object();
    bool ok = object != NULL && set_publication(object, p) &&
              look_json_time(object, "due_at", clock_due(delayed->due_ms, delayed->by_wall));
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}
