/*
 * wire_check.h - what was promised, kept in books that neither the worker nor the broker can spoil:
 * no message is acknowledged before it is committed, those of a topic are committed in order, an
 * outbox row is deleted only when the broker has it.
 */
#ifndef ZINGQ_SIM_WIRE_CHECK_H
#define ZINGQ_SIM_WIRE_CHECK_H

#include "io/mqtt/mqtt.h"
#include "wire_session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_NUMBERS_MAX = 120000, WIRE_MESSAGES_MAX = 12000, WIRE_TOPICS_MAX = 64 };

void wire_check_begin(void);

/* Someone publishes it. */
void wire_check_published(const struct wire_message *message);
/* Whether messages with this number have properties of their own: "r12". */
bool wire_check_is_rich(const struct wire_message *message, char text[16]);
/* The door hands up the message with this number: it must be as it was published. */
void wire_check_read(uint32_t number, const struct mqtt_message *read);
/* A message with this number is committed; `topic` is one in whose order it stands, or negative. */
void wire_check_committed(uint32_t number, int topic);
bool wire_check_is_committed(uint32_t number);
/* Its PUBACK has come to the broker. */
void wire_check_acknowledged(uint32_t number);

/* The broker has taken the publish with this number. */
void wire_check_reached(uint32_t number);
/* Its outbox row was deleted. */
void wire_check_deleted(uint32_t number);

size_t wire_check_commits(void);
size_t wire_check_publishes(void);

#endif
