/*
 * debt.c - a set-associative table: the hash of a lane selects a set, and its debt is in any of the
 * DEBT_WAYS slots of that set.
 */
#include "engine/debt.h"

static struct debt *set_of(struct debts *debts, uint64_t hash) {
    return debts->slots[(hash >> 8) % DEBT_SETS];
}

struct debt debts_take(struct debts *debts, size_t service, uint64_t hash) {
    struct debt *set = set_of(debts, hash);
    struct debt found = {.hash = hash, .service = service};
    for (size_t i = 0; debts->count > 0 && i < DEBT_WAYS; i++) {
        if (set[i].owed.owes_us > 0 && set[i].hash == hash && set[i].service == service) {
            found = set[i];
            set[i].owed.owes_us = 0;
            debts->count--;
        }
    }
    return found;
}

static int64_t unpaid_us(const struct debt *debt) {
    return debt->owed.owes_us == 0 ? 0 : debt->owed.owes_us - *debt->paid_us;
}

void debts_note(struct debts *debts, const struct debt *debt, const int64_t *paid_us) {
    struct debt *set = set_of(debts, debt->hash);
    struct debt *slot = &set[0];
    struct debt noted = *debt;
    noted.paid_us = paid_us;
    int64_t us = unpaid_us(&noted);
    for (size_t i = 1; i < DEBT_WAYS; i++) {
        slot = unpaid_us(&set[i]) < unpaid_us(slot) ? &set[i] : slot;
    }
    if (us > LANE_QUANTUM_US && us >= unpaid_us(slot)) {
        debts->count += slot->owed.owes_us == 0 ? 1 : 0;
        *slot = noted;
    }
}
