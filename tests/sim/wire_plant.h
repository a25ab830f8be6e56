/*
 * wire_plant.h - bugs on purpose, one at a time, to see whether the simulation finds them.
 */
#ifndef ZINGQ_SIM_WIRE_PLANT_H
#define ZINGQ_SIM_WIRE_PLANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_plant {
    WIRE_SOUND, /* no bug */
    /* in the worker above the door */
    WIRE_ACK_FIRST,
    WIRE_NO_DROP,
    WIRE_DELETE_EARLY,
    WIRE_NOT_FORGOTTEN,
    WIRE_HALF_READ,
    /* in the door and below it */
    WIRE_OTHER_ID,
    WIRE_EARLY_ACK,
    WIRE_NO_PING,
    WIRE_LOST_WAKE,
    WIRE_LEAKY_WINDOW,
    WIRE_NO_DEADLINE,
    WIRE_LOST_RETRY,
    WIRE_NO_GUARD,
    WIRE_NO_RESUBSCRIBE,
    WIRE_NO_RELEASE,
    WIRE_QOS_0,
    WIRE_SWALLOWED,
    WIRE_SPIN,
    WIRE_DEAF,
    WIRE_LEAK,
    WIRE_HASTY,
    WIRE_HELD_READ,
    WIRE_NO_GOODBYE,
    WIRE_NO_MARKER,
    WIRE_PATIENT,
    WIRE_UNLEARNED,
    WIRE_SAME_WILL,
    WIRE_SAME_ADDRESS,
    WIRE_SAME_IDS,
    WIRE_WRITE_FIRST,
    WIRE_HOARD,
    WIRE_PLANT_COUNT
};

/* From now on; its moments come from the seed. */
void wire_plant(enum wire_plant plant, uint64_t seed);
enum wire_plant wire_planted(void);
const char *wire_plant_name(enum wire_plant plant);
/* What goes wrong, in words. */
const char *wire_plant_what(enum wire_plant plant);
bool wire_plant_find(const char *name, enum wire_plant *out);

/* Packets on their way to the broker. */
void wire_plant_pubacks(uint8_t *packets, size_t len);

#endif
