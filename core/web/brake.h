/*
 * brake.h - a brake on guessing: an address may send LOGIN_TRIES wrong tokens, and one more every
 * LOGIN_TRY_MS.
 */
#ifndef ZINGQ_WEB_BRAKE_H
#define ZINGQ_WEB_BRAKE_H

#include "base/limits.h"
#include "io/httpd/address.h"

struct brake_entry {
    struct address from;
    int64_t free_ms;   /* then all its wrong tokens are forgotten; 0 = unused entry */
    int64_t logged_ms; /* when it was last logged */
    uint32_t wrong;    /* since then */
};

/* When full, the entry that has been wrong least recently is replaced. */
struct brake {
    struct brake_entry entries[BRAKE_ADDRESSES_MAX];
};

/* How long until the address may try again; 0 = now. Times are monotonic. */
int64_t brake_wait_ms(const struct brake *b, const struct address *from, int64_t now_ms);
/* Counts a wrong token. Returns how many there were since the last log line; 0: do not log now. */
uint32_t brake_note(struct brake *b, const struct address *from, int64_t now_ms);

#endif
