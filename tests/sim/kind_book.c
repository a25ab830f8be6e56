/*
 * kind_book.c - bookings as sagas: a seat of the show, which is the key, then money, then a mail.
 *
 * Each is answered once, "17 confirmed" or "17 rejected". Who is confirmed has a seat alone, has paid
 * once, under one idempotency key, and has one mail. Who is rejected is a dead letter, and has back
 * what was paid, once.
 *
 * "fate" is what happens between paying and the mail:
 *   e an error in the first attempt   r it is refused for good   s a sleep   n nothing
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEATS = 60, CONFIRMED = 1, REJECTED = 2, DECLINED = 4, WORDS = 32 };

static void say(struct sim *s, struct said *one, struct buf *payload) {
    static const char letters[] = "nnnersnn";
    bool declined = sim_chance(s, 15);
    one->value = (uint32_t)sim_below(s, SEATS);
    one->flags = declined ? DECLINED : 0;
    buf_printf(payload, ",\"seat\":%u,\"card\":\"%s\",\"fate\":\"%c\"", one->value,
               declined ? "declined" : "good", letters[sim_below(s, sizeof letters - 1)]);
}

static void heard(struct sim *s, struct said *one, const char *text) {
    bool confirmed = strcmp(text, "confirmed") == 0;
    if (!confirmed && strcmp(text, "rejected") != 0) {
        sim_fail(s, "book %u is answered: %s", one->number, text);
    }
    one->flags |= confirmed ? CONFIRMED : REJECTED;
}

static unsigned mails_to(const struct sim *s, uint32_t number) {
    char to[WORDS];
    unsigned count = 0;
    (void)snprintf(to, sizeof to, "To: b%u@", number);
    for (size_t i = 0; i < s->peer.deed_count; i++) {
        const struct sim_deed *deed = &s->peer.deeds[i];
        count += strcmp(deed->path, "/mail") == 0 && strstr(deed->what, to) != NULL ? 1 : 0;
    }
    return count;
}

static void check(struct sim *s, const struct said *one) {
    char charge[WORDS];
    char refund[WORDS];
    (void)snprintf(charge, sizeof charge, "%u good", one->number);
    (void)snprintf(refund, sizeof refund, "%u", one->number);
    size_t charges = peer_deeds(s, "/charge", charge);
    size_t refunds = peer_deeds(s, "/refund", refund);
    unsigned mails = mails_to(s, one->number);
    bool confirmed = (one->flags & CONFIRMED) != 0;
    bool well = confirmed
                    ? charges == 1 && refunds == 0 && mails == 1 && (one->flags & DECLINED) == 0
                    : charges <= 1 && refunds <= 1 && refunds >= charges && mails == 0;
    if (one->ends != 1 || one->deaths != (confirmed ? 0 : 1) || !well) {
        sim_fail(s,
                 "book %u of key k%u is %s, answered %u times and dead %u times; paid %zu times, "
                 "refunded %zu times, %u mails",
                 one->number, one->key, confirmed ? "confirmed" : "not confirmed", one->ends,
                 one->deaths, charges, refunds, mails);
    }
}

static void check_all(struct sim *s) {
    uint32_t sold[KEYS][SEATS] = {{0}}; /* number + 1 */
    for (size_t i = 0; i < s->load.count; i++) {
        const struct said *one = &s->load.said[i];
        if (load_kind_of(one) == &kind_book && (one->flags & CONFIRMED) != 0) {
            uint32_t *buyer = &sold[one->key][one->value];
            if (*buyer != 0) {
                sim_fail(s, "seat %u of show k%u is sold to %u and to %u", one->value, one->key,
                         *buyer - 1, one->number);
            }
            *buyer = one->number + 1;
        }
    }
}

const struct load_kind kind_book = {.name = "book",
                                    .weight = 2,
                                    .ordered = true,
                                    .say = say,
                                    .heard = heard,
                                    .check = check,
                                    .check_all = check_all};
