/*
 * rename.h - services that topics.conf has under another name than the store.
 */
#ifndef ZINGQ_ENGINE_RENAME_H
#define ZINGQ_ENGINE_RENAME_H

#include "engine/engine.h"

/* The services of the store get the names that topics.conf gives them; within a transaction of its
 * own, before the services are made. ERR_INVALID (r), or an error of the store. */
int engine_take_names(struct engine *e, struct report *r);

#endif
