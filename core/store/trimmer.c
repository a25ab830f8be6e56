/*
 * trimmer.c - see store/trimmer.h.
 */
#include "store/trimmer.h"

#include "store/snapshot.h"

#include <assert.h>
#include <stdlib.h>

enum job { JOB_NONE, JOB_ADD, JOB_FINISH, JOB_TRIM };

struct trimmer {
    struct trimmer_options options;
    struct snapshot *snapshot; /* under way, or NULL */
    uint32_t index;            /* of the slice */
    const struct log_turn *slice;
    bool trims; /* there may be something to delete: also what a host that died has left */
    enum job job;
    bool again;          /* the job was not done */
    uint64_t not_before; /* the log has so many bytes: the last snapshot came to nothing */
    int code;            /* of what was sent */
};

struct trimmer *trimmer_new(const struct trimmer_options *options) {
    struct trimmer *t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->options = *options;
        t->trims = true;
    }
    return t;
}

static void drop_snapshot(struct trimmer *t) {
    snapshot_free(t->snapshot);
    t->snapshot = NULL;
    t->again = false;
    t->index = 0;
}

void trimmer_free(struct trimmer *t) {
    if (t != NULL) {
        drop_snapshot(t);
        free(t);
    }
}

static bool is_due(const struct trimmer *t) {
    const struct log_state *state = store_log_state(t->options.store);
    return state->bytes > state->snapshot.bytes && state->bytes > t->options.log_bytes_min &&
           state->bytes > t->not_before;
}

/* It comes to nothing; another one is made later. */
static void give_up_snapshot(struct trimmer *t) {
    drop_snapshot(t);
    t->not_before = store_log_state(t->options.store)->bytes + t->options.log_bytes_min;
}

static int next_slice(struct trimmer *t) {
    int code = snapshot_next(t->snapshot, &t->slice);
    if (code != 0 && code != ERR_NOTFOUND) {
        if (code != ERR_NETWORK) {
            give_up_snapshot(t);
        }
        return code;
    }
    t->job = code == 0 ? JOB_ADD : JOB_FINISH;
    return 0;
}

int trimmer_prepare(struct trimmer *t) {
    const struct trimmer_options *o = &t->options;
    if (t->again) {
        return 0;
    }
    if (t->snapshot != NULL) {
        return next_slice(t);
    }
    if (t->trims) {
        t->job = JOB_TRIM;
        return 0;
    }
    if (!is_due(t)) {
        return ERR_NOTFOUND;
    }
    t->snapshot = snapshot_new(o->store, o->home_of, o->slice_bytes);
    return t->snapshot == NULL ? ERR_MEMORY : next_slice(t);
}

void trimmer_send(struct trimmer *t) {
    const struct log_snapshots *door = t->options.door;
    assert(t->job != JOB_NONE);
    switch (t->job) {
    case JOB_NONE:
        break;
    case JOB_ADD:
        t->code = door->add(door->ctx, t->index, t->slice);
        break;
    case JOB_FINISH:
        t->code = door->finish(door->ctx, snapshot_head(t->snapshot));
        break;
    case JOB_TRIM:
        t->code = door->trim(door->ctx, &t->trims);
        break;
    }
}

int trimmer_sent(struct trimmer *t) {
    t->again = t->code != 0;
    if (t->job == JOB_FINISH && t->code == ERR_LOST) {
        give_up_snapshot(t);
        t->job = JOB_NONE;
    }
    if (t->code != 0) {
        return t->code;
    }
    if (t->job == JOB_ADD) {
        t->index++;
    } else if (t->job == JOB_FINISH) {
        snapshot_done(t->snapshot);
        drop_snapshot(t);
        t->not_before = 0;
        t->trims = true;
    }
    t->job = JOB_NONE;
    return 0;
}
