/*
 * mids.h - packet ids of publishes that do not come from the outbox, on the outbox's connection.
 *
 * They share the outbox's range of 16 bits: their acknowledgements must be distinguished from those
 * of events, which would be lost otherwise.
 */
#ifndef ZINGQ_BASE_MIDS_H
#define ZINGQ_BASE_MIDS_H

#include "base/limits.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

/* A bit for each id whose on_published is pending; all zero is the empty set. */
struct mids {
    uint8_t bits[MQTT_PACKET_IDS / 8];
};

static inline void mids_add(struct mids *m, int mid) {
    assert(mid > 0 && mid < MQTT_PACKET_IDS);
    m->bits[mid / 8] |= (uint8_t)(1u << (mid % 8));
}

/* Removes the id; returns whether it was in the set. */
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
