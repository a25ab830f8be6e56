/*
 * debt.h - the debts of closed lanes: a bounded table of sets, in memory only.
 *
 * A debt is measured by its service's clock of paid time (engine/ring.c): it is over when that
 * clock reaches owes_us.
 */
#ifndef ZINGQ_ENGINE_DEBT_H
#define ZINGQ_ENGINE_DEBT_H

#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

enum { DEBT_WAYS = 4, DEBT_SETS = LANE_DEBTS_MAX / DEBT_WAYS };

/* What a lane owes for its runs; engine/ring.c has the clocks. */
struct owed {
    int64_t due_us;  /* in debt: when it is due, by its service's clock */
    int64_t owes_us; /* until then it is in debt, by the clock of what has been paid; 0 = none */
};

struct debt {
    uint64_t hash;
    size_t service;
    struct owed owed;
    const int64_t *paid_us; /* its service's clock; set by debts_note */
};

struct debts {
    size_t count; /* slots in use, some of them over */
    struct debt slots[DEBT_SETS][DEBT_WAYS];
};

/* Takes the lane's debt out; owes_us 0 when there is none. */
struct debt debts_take(struct debts *debts, size_t service, uint64_t hash);
/* Keeps the debt; the clock must outlive the table. Debts within the quantum are forgiven; if there
 * is no room the smallest is dropped. */
void debts_note(struct debts *debts, const struct debt *debt, const int64_t *paid_us);

#endif
