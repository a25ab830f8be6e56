/*
 * brake.h - how often somebody may guess: an address has LOGIN_TRIES wrong tokens, and one more each
 * LOGIN_TRY_MS.
 */
#ifndef ZINGQ_WEB_BRAKE_H
#define ZINGQ_WEB_BRAKE_H

#include "base/limits.h"
#include "io/httpd/address.h"

struct brake_entry {
    struct address from;
    int64_t free_ms;   /* then all its wrong tokens are forgotten; 0 = free */
    int64_t logged_ms; /* when the log was told */
    uint32_t wrong;    /* since then */
};

/* What was wrong longest ago makes room. */
struct brake {
    struct brake_entry entries[BRAKE_ADDRESSES_MAX];
};

/* How long until the address may try again; 0 = now. Times are monotonic. */
int64_t brake_wait_ms(const struct brake *b, const struct address *from, int64_t now_ms);
/* A wrong token. Returns how many there were since the log was told; 0: it need not be told now. */
uint32_t brake_note(struct brake *b, const struct address *from, int64_t now_ms);

#endif
