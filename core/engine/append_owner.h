/*
 * append_owner.h - whose a file of zing.append is: the first service's that wrote it.
 */
#ifndef ZINGQ_ENGINE_APPEND_OWNER_H
#define ZINGQ_ENGINE_APPEND_OWNER_H

#include "journal/journal.h"

#include <stdint.h>

/* The number of the service that the file belongs to; inside a transaction. ERR_NOTFOUND. */
int append_owner(struct journal *journal, struct slice file, uint16_t *service);
/* A file without an owner is this service's from now on; inside a transaction. */
int append_claim(struct journal *journal, struct slice file, uint16_t service);

#endif
