/*
 * restore.h - backups: every host is backed up in the middle of a run (core/backup/), and another world,
 * which is the same up to that moment, goes on with what was restored. All that was acknowledged is in
 * it, all ends as it must, and nothing twice.
 */
#ifndef ZINGQ_SIM_RESTORE_H
#define ZINGQ_SIM_RESTORE_H

struct sim;

/* This world goes on as if nothing had been; sim_fail tells what was wrong with the other one. */
void restore_elsewhere(struct sim *s);

#endif
