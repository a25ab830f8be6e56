/*
 * bury.c - records deaths: a list of the events that died, in order.
 *
 * A death has consequences (policies that publish, an announcement) which may make other events
 * die. So code that finds an event dead only records it; the turn settles deaths after the step
 * that caused them.
 */
#include "engine/bury.h"

#include "base/blocks.h"
#include "engine/impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct deaths {
    STAILQ_HEAD(death_list, death) list;
    unsigned generation; /* of the deaths recorded now */
};

int engine_make_deaths(struct engine *e) {
    e->deaths = calloc(1, sizeof *e->deaths);
    if (e->deaths == NULL) {
        return ERR_MEMORY;
    }
    STAILQ_INIT(&e->deaths->list);
    return 0;
}

static int note(struct engine *e, const struct death *death, const char *reason) {
    size_t bytes = strlen(reason) + 1;
    struct death *d = malloc(sizeof *d + bytes);
    if (d == NULL) {
        return ERR_MEMORY;
    }
    *d = *death;
    d->generation = e->deaths->generation;
    memcpy(d->reason, reason, bytes);
    STAILQ_INSERT_TAIL(&e->deaths->list, d, link);
    return 0;
}

int engine_bury(struct engine *e, struct engine_service *s, struct event *event,
                enum event_state state, const char *reason) {
    const struct death death = {.service = s, .event = event, .state = state};
    int code = note(e, &death, reason);
    if (code != 0) {
        event_free(event);
    }
    return code;
}

int engine_bury_item(struct engine *e, struct engine_service *s, struct lane_item *item,
                     enum event_state state, const char *reason) {
    const struct death death = {.service = s, .item = item, .event = item->event, .state = state};
    /* INV-ENGINE-8 */
    assert(item->lane->taken == item && (e->current_item == item || e->current_item == NULL));
    int code = note(e, &death, reason);
    if (code == 0) {
        e->current_item = NULL;
    }
    return code;
}

bool engine_is_dying(const struct engine *e, const struct engine_service *s, uint8_t partition,
                     const struct uuid *id) {
    const struct death *d;
    STAILQ_FOREACH(d, &e->deaths->list, link) {
        if (d->service == s && d->event->partition == partition && uuid_equal(&d->event->id, id)) {
            return true;
        }
    }
    return false;
}

struct death *engine_next_death(struct engine *e) {
    struct death *d = STAILQ_FIRST(&e->deaths->list);
    e->deaths->generation = d == NULL ? 0 : d->generation + 1;
    if (d != NULL) {
        STAILQ_REMOVE_HEAD(&e->deaths->list, link);
    }
    return d;
}

bool engine_has_deaths(const struct engine *e) {
    return !STAILQ_EMPTY(&e->deaths->list);
}

void engine_free_death(struct death *death) {
    event_free(death->event);
    if (death->item != NULL) {
        blocks_give(death->item, sizeof *death->item);
    }
    free(death);
}

void engine_forget_deaths(struct engine *e) {
    struct death *d;
    while ((d = engine_next_death(e)) != NULL) {
        engine_free_death(d);
    }
}

void engine_free_deaths(struct engine *e) {
    if (e->deaths != NULL) {
        engine_forget_deaths(e);
        free(e->deaths);
    }
}
