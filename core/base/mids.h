/*
 * mids.h - packet numbers of publishes beside the outbox's, on its connection.
 *
 * They come from the same 16 bits as the outbox's: an acknowledgement must be told apart from that
 * of an event, or it would lose the event.
 */
#ifndef ZINGQ_BASE_MIDS_H
#define ZINGQ_BASE_MIDS_H

#include "base/limits.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

/* A bit for each number without its on_published; all zero is the empty set. */
struct mids {
    uint8_t bits[MQTT_PACKET_IDS / 8];
};

static inline void mids_add(struct mids *m, int mid) {
    assert(mid > 0 && mid < MQTT_PACKET_IDS);
    m->bits[mid / 8] |= (uint8_t)(1u << (mid % 8));
}

/* Whether it was one of them; it is no longer. */
static inline bool mids_take(struct mids *m, int mid) {
    if (mid <= 0 || mid >= MQTT_PACKET_IDS) {
        return false;
    }
    uint8_t bit = (uint8_t)(1u << (mid % 8));
    bool ours = (m->bits[mid / 8] & bit) != 0;
    m->bits[mid / 8] &= (uint8_t)~bit;
    return ours;
}

#endif
