/* operate_letters.c - see operate_impl.h. */
#include "operate_impl.h"

#include "sim.h"
#include "journal/event.h"

#include <stdio.h>
#include <string.h>

enum { LETTERS_LOOKED_AT = 8 };

static struct order *order_about(struct sim *s, struct node *n, enum command_kind kind,
                                 const struct pick *pick) {
    struct order *order = order_new(s, n, kind);
    order->said = pick->said->number;
    order->was_doubt = pick->said->may_be_gone;
    order->command.id = pick->id;
    order->command.partition = pick->partition;
    order->command.service = slice_of(n->conf->services[pick->service].name);
    return order;
}

/* With a payload that its handler can read. */
static void edit(struct sim *s, struct node *n, const struct pick *pick) {
    struct order *order = order_about(s, n, COMMAND_EDIT, pick);
    (void)snprintf(order->payload, sizeof order->payload,
                   "{\"n\":%u,\"k\":\"k%u\",\"fate\":\"\",\"dies\":false}", pick->said->number,
                   pick->said->key);
    order->command.payload = slice_of(order->payload);
    pick->said->edits++;
    order_give(s, n, order, "edit");
}

static void replay(struct sim *s, struct node *n, const struct pick *pick) {
    struct order *order = order_about(s, n, COMMAND_REPLAY, pick);
    order->command.force = true;
    pick->said->replays++;
    /* It joins its lane behind what waits there, unless it holds it. */
    pick->said->skipped = pick->said->skipped || !pick->parked;
    order_give(s, n, order, "replay");
}

static void let_go(struct sim *s, struct node *n, const struct pick *pick, enum command_kind kind) {
    struct order *order = order_about(s, n, kind, pick);
    pick->said->may_be_gone = true;
    order_give(s, n, order, kind == COMMAND_DISCARD ? "discard" : "cancel");
}

static void decide_on_key(struct sim *s, struct node *n, const struct pick *pick) {
    bool skip = sim_chance(s, 50);
    struct order *order = order_about(s, n, skip ? COMMAND_KEY_SKIP : COMMAND_KEY_RESUME, pick);
    (void)snprintf(order->topic, sizeof order->topic, "%s", pick->key);
    order->command.key = slice_of(order->topic);
    order->command.force = true;
    pick->said->skipped = pick->said->skipped || skip;
    pick->said->replays = (uint8_t)(pick->said->replays + (skip ? 0 : 1));
    order_give(s, n, order, skip ? "skip a key of" : "resume a key of");
}

void operate_letter(struct sim *s, struct node *n) {
    struct dead_row at = {0};
    struct pick pick;
    uint64_t skip = sim_below(s, LETTERS_LOOKED_AT);
    bool found = false;
    for (bool more = true; more && (!found || skip > 0);) {
        struct pick next;
        more = pick_dead(s, n, &at, &next);
        if (more && load_kind_of(next.said)->mortal && !order_open(s, next.said->number)) {
            skip -= found && skip > 0 ? 1 : 0;
            pick = next;
            found = true;
        }
    }
    if (!found) {
        return;
    }
    switch (sim_below(s, 4)) {
    case 0:
        let_go(s, n, &pick, COMMAND_DISCARD);
        break;
    case 1:
        edit(s, n, &pick);
        break;
    case 2:
        if (pick.parked) {
            decide_on_key(s, n, &pick);
            break;
        } /* fall through */
    default:
        replay(s, n, &pick);
    }
}

static bool is_live(enum event_state state) {
    return !event_state_ended(state);
}

static bool may_rerun(enum event_state state) {
    return state == EVENT_DONE || state == EVENT_DISCARDED;
}

void operate_event(struct sim *s, struct node *n) {
    struct pick pick;
    if (sim_chance(s, 70)) {
        bool waits = sim_chance(s, 30);
        if (pick_event(s, n, waits ? event_state_put_off : is_live, &pick)) {
            let_go(s, n, &pick, COMMAND_CANCEL);
        }
    } else if (pick_event(s, n, may_rerun, &pick)) {
        struct order *order = order_about(s, n, COMMAND_RERUN, &pick);
        order->command.force = true;
        pick.said->reruns++;
        pick.said->skipped = true;
        pick.said->may_be_gone = pick.said->may_be_gone || pick.said->gone;
        pick.said->gone = false;
        order_give(s, n, order, "run again an event of");
    }
}

/* What is to become of a dead letter in the end: those that may stay go when they fill the store. */
static bool settle_letter(struct sim *s, struct node *n, const struct pick *pick, bool low) {
    const struct load_kind *kind = load_kind_of(pick->said);
    bool revives = kind->revives != NULL && kind->revives(pick->said);
    if ((!revives && !low) || order_open(s, pick->said->number)) {
        return false;
    }
    if (!revives) {
        let_go(s, n, pick, COMMAND_DISCARD);
    } else if (pick->parked && sim_chance(s, 50)) {
        decide_on_key(s, n, pick);
    } else {
        replay(s, n, pick);
    }
    return true;
}

bool operate_revive(struct sim *s, struct node *n) {
    struct engine_status v;
    struct dead_row at = {0};
    struct pick pick;
    bool any = false;
    engine_status(n->engine, &v);
    while (pick_dead(s, n, &at, &pick)) {
        any = settle_letter(s, n, &pick, v.store_low != NULL) || any;
    }
    return any;
}

void letter_answered(struct sim *s, const struct order *order) {
    struct said *one = &s->load.said[order->said];
    enum command_kind kind = order->command.kind;
    bool well = order->command.code == 0;
    if (kind == COMMAND_REPLAY || kind == COMMAND_KEY_RESUME) {
        one->revived = one->revived || well;
    } else if ((kind == COMMAND_DISCARD || kind == COMMAND_CANCEL) && well) {
        one->gone = true;
    } else if (kind == COMMAND_DISCARD || kind == COMMAND_CANCEL ||
               (kind == COMMAND_OUTBOX_DISCARD && !well)) {
        one->may_be_gone = order->was_doubt;
    }
}
