/*
 * doctor.h - the examination behind `zingq doctor`: what the broker and the disk really do, what
 * could be lost there, and the line that mends it.
 *
 * Probes, does not read settings: it connects, subscribes, publishes under zingq/doctor/, and
 * writes a small file. It leaves nothing behind, makes the broker drop nothing unless it is asked
 * to, and never touches a service's own topics or sessions. Everything here blocks, for some
 * seconds at most.
 */
#ifndef ZINGQ_DOCTOR_DOCTOR_H
#define ZINGQ_DOCTOR_DOCTOR_H

#include "conf/conf.h"
#include "base/limits.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum doctor_verdict { DOCTOR_GOOD, DOCTOR_WARN, DOCTOR_BAD };

enum { DOCTOR_ROWS_MAX = 32 * BROKERS_MAX };

/* One finding; sentences for a person, "" where there is nothing to say. */
struct doctor_row {
    const char *name; /* "shared subscriptions" */
    enum doctor_verdict verdict;
    char seen[512]; /* what was found */
    char risk[512]; /* what could be lost, or go wrong */
    char mend[512]; /* what to do: a line of mosquitto.conf or topics.conf, or a command */
};

struct doctor {
    struct doctor_row rows[DOCTOR_ROWS_MAX];
    size_t count;
};

/* "good", "warn", "bad" */
const char *doctor_verdict_name(enum doctor_verdict verdict);
/* The worst of the rows; DOCTOR_GOOD when there are none. */
enum doctor_verdict doctor_worst(const struct doctor *d);

/* Examines the broker; `payload_bytes_max` is limits.payload, tried for real. `fill_queue`: tries
 * how much it keeps for a client that is away, which makes a limited one drop messages. Rows are
 * added. ERR_NETWORK or ERR_REFUSED when it could not be examined: a row says why. ERR_SYSTEM
 * (r). */
int doctor_broker(struct doctor *d, const struct broker_conf *conf, uint64_t payload_bytes_max,
                  bool fill_queue, struct report *r);
/* Examines the disk under the store's folder, which need not exist yet. ERR_DISK when it could not
 * be examined: a row says why. */
int doctor_disk(struct doctor *d, const char *store_path, uint64_t store_max_bytes);

/* Sends the receiver of spans an empty request, if topics.conf names one. */
void doctor_telemetry(struct doctor *d, const struct telemetry_conf *conf);

/* Examines the database of the store's log. */
void doctor_log(struct doctor *d, const char *url);

/* Adds a finding and returns it, for the examinations. */
struct doctor_row *doctor_add(struct doctor *d, const char *name, enum doctor_verdict verdict,
                              const char *seen, ...) __attribute__((format(printf, 4, 5)));
/* Adds what is known of this broker and cannot be tried: whether it forgets shared
 * subscriptions. */
void doctor_shares(struct doctor *d, const char *broker_version, bool alone);
/* Completes a finding. */
void doctor_advise(struct doctor_row *row, const char *risk, const char *mend);

#endif
