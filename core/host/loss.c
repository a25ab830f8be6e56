/* loss.c - one line per minute for each kind of loss. */
#include "host/loss.h"

#include <assert.h>

bool host_loss_down(struct host_loss *l, unsigned kind, uint64_t now_ms, size_t *unsaid) {
    assert(kind < LOSS_KINDS && now_ms > 0);
    uint64_t *said_ms = &l->said_ms[kind];
    bool say = *said_ms == 0 || now_ms - *said_ms >= LOSS_SAY_AGAIN_MS;
    *unsaid = l->unsaid;
    l->unsaid = say ? 0 : l->unsaid + 1;
    l->silent = l->silent || !say;
    if (say) {
        *said_ms = now_ms;
        l->silent = false;
    }
    return say;
}

bool host_loss_up(struct host_loss *l, uint64_t now_ms) {
    bool say = !l->silent || now_ms - l->up_ms >= UP_SAY_AGAIN_MS;
    l->up_ms = say ? now_ms : l->up_ms;
    l->silent = false;
    l->quiet = !say;
    return say;
}

bool host_loss_said(const struct host_loss *l, uint64_t now_ms) {
    bool said = false;
    for (size_t i = 0; i < LOSS_KINDS; i++) {
        said = said || (l->said_ms[i] != 0 && now_ms - l->said_ms[i] < LOSS_SAY_AGAIN_MS);
    }
    return said;
}
