/*
 * restore.h - backups: every host is backed up in the middle of a run (core/backup/), or, by the seed,
 * exported and imported (core/export/), and another world,
 * which is the same up to that moment, goes on with what was restored. All that was acknowledged is in
 * it, all ends as it must, and nothing twice.
 */
#ifndef ZINGQ_SIM_RESTORE_H
#define ZINGQ_SIM_RESTORE_H

#include "base/error.h"

struct sim;

/* Makes the data folder `to` of what `from` holds. */
int restore_folder(const struct sim *s, const char *from, const char *to, struct report *r);

/* This world goes on as if nothing had been; sim_fail tells what was wrong with the other one. */
void restore_elsewhere(struct sim *s);

#endif
