/*
 * files.h - how much the files of zing.append take: they count against the store.
 */
#ifndef ZINGQ_ENGINE_FILES_H
#define ZINGQ_ENGINE_FILES_H

#include "engine/services.h"

/* ERR_MEMORY. */
int engine_make_files(struct engine *e);
void engine_free_files(struct engine *e);
/* Measures them, if it is time and a transaction is open. `urgent`: more often. */
int engine_look_at_files(struct engine *e, bool urgent);
/* The service will write this many bytes. */
void engine_take_file_bytes(struct engine *e, const struct engine_service *s, size_t bytes);
/* True if the service's files have used up their part of the store. */
bool engine_files_full(const struct engine *e, const struct engine_service *s);
/* Of all services, and of files that belong to none. */
uint64_t engine_file_bytes(const struct engine *e);
/* The service whose files take the most; NULL: no service has any. */
const struct engine_service *engine_most_files(const struct engine *e);

#endif
