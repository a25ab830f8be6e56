/*
 * brake.c - see web/brake.h. Each wrong token moves the time when an address has a clean record by
 * LOGIN_TRY_MS; if that time is more than LOGIN_TRIES of these ahead, the address has to wait.
 */
#include "web/brake.h"

enum { LOG_AGAIN_MS = 60000 };

static const struct brake_entry *find(const struct brake *b, const struct address *from,
                                      int64_t now_ms) {
    for (size_t i = 0; i < BRAKE_ADDRESSES_MAX; i++) {
        const struct brake_entry *e = &b->entries[i];
        if (e->free_ms > now_ms && address_same_client(&e->from, from)) {
            return e;
        }
    }
    return NULL;
}

int64_t brake_wait_ms(const struct brake *b, const struct address *from, int64_t now_ms) {
    const struct brake_entry *e = find(b, from, now_ms);
    int64_t ahead_ms = e == NULL ? 0 : e->free_ms - now_ms;
    int64_t allowed_ms = (int64_t)(LOGIN_TRIES - 1) * LOGIN_TRY_MS;
    return ahead_ms > allowed_ms ? ahead_ms - allowed_ms : 0;
}

/* The entry of this address, or else the one that is free first. */
static struct brake_entry *take(struct brake *b, const struct address *from, int64_t now_ms) {
    struct brake_entry *room = &b->entries[0];
    for (size_t i = 0; i < BRAKE_ADDRESSES_MAX; i++) {
        struct brake_entry *e = &b->entries[i];
        if (e->free_ms > now_ms && address_same_client(&e->from, from)) {
            return e;
        }
        room = e->free_ms < room->free_ms ? e : room;
    }
    *room = (struct brake_entry){.from = *from, .free_ms = now_ms};
    return room;
}

uint32_t brake_note(struct brake *b, const struct address *from, int64_t now_ms) {
    struct brake_entry *e = take(b, from, now_ms);
    e->free_ms += LOGIN_TRY_MS;
    e->wrong++;
    if (e->logged_ms != 0 && now_ms - e->logged_ms < LOG_AGAIN_MS) {
        return 0;
    }
    uint32_t wrong = e->wrong;
    e->logged_ms = now_ms;
    e->wrong = 0;
    return wrong;
}
