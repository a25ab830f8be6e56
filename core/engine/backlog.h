/*
 * backlog.h - where turns are dealt round tenants: lanes that wait on disk until their tenant has
 * its turn, however many others there are.
 */
#ifndef ZINGQ_ENGINE_BACKLOG_H
#define ZINGQ_ENGINE_BACKLOG_H

#include "engine/services.h"
#include "journal/event.h"

/* ERR_MEMORY. */
int engine_make_backlogs(struct engine *e);
void engine_free_backlogs(struct engine *e);
/* What is on disk is to be looked for: while the store is loaded. */
void engine_load_backlogs(struct engine *e);
/* Whether the service deals turns round tenants. */
bool engine_deals(const struct engine_service *s);
/* Whether the event of the row must wait on disk: its tenant has enough in memory, or older rows
 * there. */
int engine_must_queue(struct engine *e, const struct engine_service *s, const struct row *row,
                      bool *must);
/* The stored event, whose lane has no rows, waits for its tenant's turn. */
int engine_queue_row(struct engine *e, struct engine_service *s, struct row *row);
/* The same for a head that waited for something else. */
int engine_queue_head(struct engine *e, struct engine_service *s, struct row *head);
/* The row has joined its lane's rows: if their head waits for the turn of less urgent events, it waits
 * for that of the row's from now on. */
int engine_hurry_head(struct engine *e, struct engine_service *s, const struct row *row);
/* Loads lanes of tenants of which memory has few. */
int engine_deal(struct engine *e);
/* The same only for tenants that have few events left in memory: before each start. */
int engine_feed_tenants(struct engine *e);
bool engine_wants_deal(const struct engine *e);
/* Heads that wait get their rows again, if some could not be read. */
int engine_mend_backlogs(struct engine *e);

#endif
