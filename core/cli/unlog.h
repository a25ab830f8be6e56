/*
 * unlog.h - a store of its own, of all that a log has.
 */
#ifndef ZINGQ_CLI_UNLOG_H
#define ZINGQ_CLI_UNLOG_H

#include "base/error.h"
#include "cluster/turns.h"

#include <stdint.h>

/* All of them borrowed. */
struct unlog {
    struct turns *turns; /* joined */
    const char *name;    /* of the log */
    uint64_t max_bytes;  /* store.max_size */
};

/* Makes the store in that folder. *bytes: what was read. With a sentence: ERR_NOTFOUND, the log has
 * nothing yet; ERR_LOST, it lacks turns; the codes of store_open and of the log. */
int unlog_store(const struct unlog *from, const char *folder, uint64_t *bytes, struct report *r);

#endif
