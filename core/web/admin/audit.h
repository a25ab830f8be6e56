/*
 * audit.h - who changed what through the API: DATA/audit.jsonl, one line per change.
 *
 * A change has two lines with one id: "asked", on disk before it begins, and its record, on disk
 * before it is answered. So a host that dies between the commit of a change and its record leaves
 * at least the first one. A full file becomes audit.1.jsonl, and the
 * previous one is deleted.
 */
#ifndef ZINGQ_WEB_ADMIN_AUDIT_H
#define ZINGQ_WEB_ADMIN_AUDIT_H

#include "base/error.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct audit;

/* In the data folder. ERR_MEMORY; ERR_DISK with a sentence. */
int audit_open(struct audit **out, const char *folder, struct report *r);
void audit_close(struct audit *a);
/* Appends a record ("at" and "at_ms" are added), and takes it over. If it cannot be written, it
 * goes to the log. */
void audit_note(struct audit *a, json_t *record);
/* "sha256:" and the hash of a key, in hex: what records have of a key that was erased. */
enum { AUDIT_HASH_BYTES = 7 + 64 + 1 };
void audit_hash(const char *key, char out[AUDIT_HASH_BYTES]);
/* Puts the hash in place of the key in every record about that key of the service. What cannot be
 * written goes to the log. */
void audit_hide_key(struct audit *a, const char *service, const char *key);

/* Calls `each` for every change of the folder since then, oldest first; false ends it. One that was
 * not answered, because it still goes on or because the host went down, has no "status". `tail`:
 * only those in so many last bytes, and *whole says that there are no older ones since then; 0: all. ERR_MEMORY,
 * ERR_DISK with a sentence; a missing file counts as empty. */
int audit_read(const char *folder, int64_t since_ms, uint64_t tail, bool *whole, void *ctx,
               bool (*each)(void *ctx, json_t *record), struct report *r);

#endif
