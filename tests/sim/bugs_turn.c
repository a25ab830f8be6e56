/*
 * bugs_turn.c - planted bugs of the turn: what is told too early, what is not made anew, what does not
 * wake it. See bugs.h.
 */
#include "bugs_impl.h"
#include "sim.h"

#include "engine/lane.h"
#include "engine/outbox.h"
#include "engine/receive.h"
#include "engine/timers.h"
#include "store/store.h"
#include "journal/outbox.h"
#include "journal/forward.h"

#include <string.h>

/* Messages of other hosts that a receipt is made for without asking them. */
enum { MIDS_MAX = 256, MESSAGES_MAX = 64, MESSAGE_BYTES = 1 << 16 };

static struct {
    bool loading; /* in engine_new */
    struct outbox *outboxes[NODES_MAX];
    int mids[MIDS_MAX];
    size_t mid_count;
    struct {
        char bytes[MESSAGE_BYTES];
        size_t len;
    } messages[MESSAGES_MAX];
    size_t message_count;
} turn;

void bugs_turn_begin(void) {
    turn.mid_count = turn.message_count = 0;
}

bool bugs_are_loading(void) {
    return turn.loading;
}

/* --- the turn --- */

/* ack-early: the broker forgets before the commit. */
WRAP(int, engine_turn, struct engine *e) {
    struct node *n = node_at_work();
    if (bug_is(BUG_ACK_EARLY) && n != NULL) {
        broker_acknowledged(n->sim, n);
    }
    return __real_engine_turn(e);
}

/* publish-early: what is staged leaves before the commit. commit-ignored: whatever came of it. */
WRAP(int, store_commit, struct store *s) {
    struct node *n = node_at_work();
    if (bug_is(BUG_PUBLISH_EARLY) && n != NULL && n->engine != NULL && n->online) {
        outbox_committed(turn.outboxes[n->number - 1]);
        (void)engine_send(n->engine);
    }
    int code = __real_store_commit(s);
    return bug_is(BUG_COMMIT_IGNORED) && n != NULL && n->engine != NULL ? 0 : code;
}

WRAP(int, engine_new, struct engine **out, const struct engine_options *options, struct report *r) {
    turn.loading = true;
    int code = __real_engine_new(out, options, r);
    turn.loading = false;
    return code;
}

/* wake-up-lost: nobody comes by himself for what is due by the clock. */
WRAP(int64_t, engine_earliest_timer, const struct engine *e) {
    return bug_is(BUG_WAKE_UP_LOST) ? INT64_MAX : __real_engine_earliest_timer(e);
}

/* work-overlooked: a turn that something else made due finds it. */
WRAP(bool, lanes_runnable, struct lanes *lanes, int64_t now_ms, int64_t *wake_ms) {
    return !bug_is(BUG_WORK_OVERLOOKED) && __real_lanes_runnable(lanes, now_ms, wake_ms);
}

/* lane-turned: of two events of a key the second runs first. */
WRAP(struct lane_item *, lanes_start, struct lanes *lanes, struct lane *lane) {
    struct lane_item *item = __real_lanes_start(lanes, lane);
    struct lane_item *next = TAILQ_FIRST(&lane->items);
    if (next != NULL && bug_strikes(BUG_LANE_TURNED, 8)) {
        TAILQ_REMOVE(&lane->items, next, link);
        TAILQ_INSERT_HEAD(&lane->items, item, link);
        lane->taken = next;
        return next;
    }
    return item;
}

/* --- the outbox --- */

/* outbox-stale: what a failed turn staged is still there, and leaves with the next. */
WRAP(int, outbox_load, struct outbox *o) {
    struct node *n = node_at_work();
    if (n != NULL) {
        turn.outboxes[n->number - 1] = o;
    }
    return bug_is(BUG_OUTBOX_STALE) && !turn.loading ? 0 : __real_outbox_load(o);
}

WRAP(int, broker_publish, struct sim *s, struct node *n, const struct publication *p, int *mid) {
    int code = __real_broker_publish(s, n, p, mid);
    if (code == 0 && bug_is(BUG_OUTBOX_EARLY) && turn.mid_count < MIDS_MAX) {
        turn.mids[turn.mid_count++] = *mid;
    }
    return code;
}

/* outbox-early: what is sent counts as answered. */
WRAP(int, outbox_send, struct outbox *o, int64_t now_ms, size_t window, void *ctx,
     int (*publish)(void *ctx, const struct publication *p, int *mid)) {
    int code = __real_outbox_send(o, now_ms, window, ctx, publish);
    for (size_t i = 0; i < turn.mid_count; i++) {
        outbox_acknowledged(o, now_ms, turn.mids[i], 0);
    }
    turn.mid_count = 0;
    return code;
}

/* --- forwards --- */

/* receipts-stale: a turn that failed tells, in the next, what it had taken. */
WRAP(void, engine_forget_receipts, struct engine *e) {
    if (!bug_is(BUG_RECEIPTS_STALE) || turn.loading) {
        __real_engine_forget_receipts(e);
    }
}

WRAP(int, broker_post, struct sim *s, uint16_t to, bool receipt, struct slice bytes) {
    if (bug_is(BUG_FORWARD_EARLY) && !receipt && turn.message_count < MESSAGES_MAX &&
        bytes.len <= MESSAGE_BYTES) {
        memcpy(turn.messages[turn.message_count].bytes, bytes.data, bytes.len);
        turn.messages[turn.message_count++].len = bytes.len;
    }
    return __real_broker_post(s, to, receipt, bytes);
}

static void answer_for_others(struct engine *e, struct slice message) {
    struct forward_sender sender;
    struct forward_entry entry;
    struct forward forward;
    struct buf receipt;
    size_t at = 0;
    buf_init(&receipt, MESSAGE_BYTES);
    if (forward_message_read(message, &sender, &at) == 0) {
        forward_receipt_begin(&receipt, &sender);
        while (forward_message_next(message, &at, &entry, &forward) == 0) {
            forward_receipt_add(&receipt, entry.partition, entry.seq);
        }
        engine_offer_receipt(e, buf_slice(&receipt));
    }
    buf_clear(&receipt);
}

/* forward-early: what is sent has its receipt. */
WRAP(void, engine_send_forwards, struct engine *e) {
    __real_engine_send_forwards(e);
    for (size_t i = 0; i < turn.message_count; i++) {
        answer_for_others(e, (struct slice){turn.messages[i].bytes, turn.messages[i].len});
    }
    turn.message_count = 0;
}
