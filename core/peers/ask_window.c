/*
 * ask_window.c - how much of the broker's window the requests and answers of hosts may use.
 *
 * At most half of it, but before the outbox uses any: the other half is for the outbox.
 */
#include "peers/impl.h"

#include <assert.h>

void ask_window_open(struct ask *a, const struct mqtt *mqtt) {
    size_t window = mqtt_session(mqtt)->receive_maximum / 2;
    a->window = window > 0 ? window : 1;
}

void ask_window_close(struct ask *a) {
    a->unproven = 0;
    a->under_way = (struct mids){{0}};
}

bool ask_window_acknowledged(struct ask *a, int mid) {
    if (!mids_take(&a->under_way, mid)) {
        return false;
    }
    assert(a->unproven > 0);
    a->unproven--;
    return true;
}

int ask_publish(struct ask *a, struct mqtt *mqtt, const struct mqtt_publish *message, int *mid) {
    struct report r = {""};
    if (a->unproven >= a->window) {
        return ERR_BUSY;
    }
    int code = peers_publish(mqtt, message, a->options.sign, a->options.ctx, mid, &r);
    if (code == 0) {
        mids_add(&a->under_way, *mid);
        a->unproven++;
    }
    return code;
}
