/*
 * kind_sell.c - what is sold in a database, by zing.sql.once: a part, a second one inside a step, and
 * one that a saga takes back. The database has books of its own: each part is there once, whatever
 * failed, and wherever the host, the connection or the server went down; and the handler has got what
 * the database says that it was.
 *
 * The end is "17 <sell> <gift>": how much of the item was sold by then, of each.
 *   "fate" says what happens in each attempt, a letter each, and then nothing:
 *   i an error inside the transaction   e between two   g behind one, in its step   s a sleep
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIES = 1, LENDS = 2 };

static void say(struct sim *s, struct said *one, struct buf *payload) {
    static const char letters[] = "iegs";
    buf_add_str(payload, ",\"fate\":\"");
    for (unsigned i = 0; i < 3 && sim_chance(s, 25); i++) {
        buf_add(payload, &letters[sim_below(s, sizeof letters - 1)], 1);
    }
    one->flags = (uint8_t)((sim_chance(s, 15) ? DIES : 0) | (sim_chance(s, 25) ? LENDS : 0));
    buf_printf(payload, "\",\"dies\":%s,\"lend\":%s", (one->flags & DIES) != 0 ? "true" : "false",
               (one->flags & LENDS) != 0 ? "true" : "false");
}

static void heard(struct sim *s, struct said *one, const char *text) {
    char *rest;
    long sell = strtol(text, &rest, 10);
    long gift = strtol(rest, NULL, 10);
    if (!database_sold(s, one->number, "sell", sell) ||
        !database_sold(s, one->number, "gift", gift)) {
        sim_fail(s, "sell %u of key k%u says %s: the database has %u and %u such sales",
                 one->number, one->key, text, database_sales(s, one->number, "sell"),
                 database_sales(s, one->number, "gift"));
    }
}

static void died(struct sim *s, struct said *one, struct slice reason) {
    bool undone = memmem(reason.data, reason.len, "not undone", 10) == NULL;
    if ((one->flags & DIES) == 0 || memmem(reason.data, reason.len, "as told", 7) == NULL ||
        !undone) {
        sim_fail(s, "sell %u dies: %.*s", one->number, (int)reason.len, reason.data);
    }
}

static bool revives(const struct said *one) {
    (void)one;
    return true;
}

/* What an operator edits or runs again after its end is another event to the database, as is one whose
 * saga was undone. */
static void check_part(struct sim *s, const struct said *one, const char *name, bool must) {
    unsigned count = database_sales(s, one->number, name);
    unsigned undone = one->flags == (DIES | LENDS) ? 1 : 0;
    if (count > 1u + undone + one->reruns + one->edits || (must && count == 0)) {
        sim_fail(s, "sell %u of key k%u, ended %u times: its %s is in the database %u times",
                 one->number, one->key, one->ends, name, count);
    }
}

static void check(struct sim *s, const struct said *one) {
    bool dies = (one->flags & DIES) != 0;
    bool ends = one->ends >= 1 || one->may_be_gone;
    unsigned lent = database_sales(s, one->number, "lend");
    unsigned back = database_sales(s, one->number, "back");
    bool anew = one->reruns + one->edits > 0;
    check_part(s, one, "sell", one->ends > 0);
    check_part(s, one, "gift", one->ends > 0);
    bool undone = dies ? lent == back : back == 0;
    if (!undone && !one->may_be_gone && !anew) {
        sim_fail(s, "sell %u of key k%u lends %u times and has %u back", one->number, one->key,
                 lent, back);
    } else if (!ends || (one->gone && one->ends > one->reruns) || (!dies && one->deaths > 0)) {
        sim_fail(s, "sell %u of key k%u has ended %u times and died %u times%s", one->number,
                 one->key, one->ends, one->deaths, one->gone ? ", and was discarded" : "");
    }
}

const struct load_kind kind_sell = {.name = "sell",
                                    .refused = true,
                                    .weight = 3,
                                    .ordered = true,
                                    .mortal = true,
                                    .say = say,
                                    .heard = heard,
                                    .died = died,
                                    .revives = revives,
                                    .check = check,
                                    .check_all = database_check_books};
