/*
 * audit.h - who changed what through the API: DATA/audit.jsonl, one line per change.
 *
 * A line is on disk before the change is answered. A full file becomes audit.1.jsonl, and the
 * previous one is deleted.
 */
#ifndef ZINGQ_WEB_ADMIN_AUDIT_H
#define ZINGQ_WEB_ADMIN_AUDIT_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct audit;

/* In the data folder. ERR_MEMORY; ERR_DISK with a sentence. */
int audit_open(struct audit **out, const char *folder, struct report *r);
void audit_close(struct audit *a);
/* Appends a record ("at" and "at_ms" are added), and takes it over. If it cannot be written, it
 * goes to the log. */
void audit_note(struct audit *a, json_t *record);

/* Calls `each` for every record of the folder since then, oldest first; false ends it. `tail`: only
 * those in the last AUDIT_TAIL_BYTES. ERR_DISK with a sentence; a missing file counts as empty. */
int audit_read(const char *folder, int64_t since_ms, bool tail, void *ctx,
               bool (*each)(void *ctx, json_t *record), struct report *r);

#endif
