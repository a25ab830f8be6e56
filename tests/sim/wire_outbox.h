/*
 * wire_outbox.h - the worker's outbox: rows that are published until the broker has acknowledged
 * them. The rows are durable; what is in flight is not.
 */
#ifndef ZINGQ_SIM_WIRE_OUTBOX_H
#define ZINGQ_SIM_WIRE_OUTBOX_H

#include "io/mqtt/mqtt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void wire_outbox_begin(uint32_t window);
void wire_outbox_end(void);

void wire_outbox_add(uint32_t number, uint8_t qos, bool retain, uint32_t bytes);
size_t wire_outbox_count(void);
/* When a row that was put off is due again; INT64_MAX = none is. */
int64_t wire_outbox_next_ms(void);

/* Publishes what may go; the caller flushes. */
void wire_outbox_send(struct mqtt *m);
/* What the door tells. `qos_max`: of the connection. */
void wire_outbox_published(int mid, uint8_t reason, uint8_t qos_max);
void wire_outbox_up(void);
void wire_outbox_down(void);

#endif
