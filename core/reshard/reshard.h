/*
 * reshard.h - another count of hosts: the rows of stopped data folders are divided anew.
 *
 * The folders stand in the order of their hosts' numbers: those of the old division first, then,
 * should there be more hosts from now on, new ones, missing or empty. Should there be fewer, the
 * last ones are emptied. Each store is written anew beside the old one; when all of them have been
 * checked against the old ones, they take their places together (reshard_switch.h). Killed at any
 * moment it leaves the old division or the new one, or a mark by which the next reshard gets there.
 *
 * What goes where, table by table:
 *
 *   of a service, by its rows' key
 *   event, ready, lane, history,     with a key, or ordered: to the host of the partition
 *   step, dead, state, lock,         without, or several_hosts = independent: where they are; out
 *   signal, waiter, timer              of an emptied folder, to the host of the partition
 *                                    share = no: where they are, always
 *
 *   timer and row of a delayed       to the host of the partition
 *   publish
 *   outbox                           of a key's events: to the host of that; the rest stays, or
 *                                    leaves an emptied folder
 *   append                           stays: the file is beside it. An emptied folder writes its
 *                                    lines first
 *   forward                          to the host of the partition when that takes over, or when the
 *                                    folder is emptied; else it stays, to be sent. What the owner
 *                                    had taken without a receipt goes
 *   cursor                           to the host of the partition; the larger number counts
 *   dedupe                           to the host of the partition, in a bucket that lives as long;
 *                                    those of keyless services and of publishes to all. With
 *                                    share = no they stay, and those of signals that have not
 *                                    reached their host yet. What became of a publish asked for from
 *                                    outside is told where its row is
 *   aside                            stays
 *
 *   meta: books                      the counts of what moves move with it; an emptied folder's
 *                                    all go
 *   paused/<service>                 paused anywhere is paused everywhere
 *   schedule/<name>                  of the host that fired it: to all
 *   secret                           a new store has the first one's; all know those of all others
 *                                    as long as their keys live
 *   seq, clock                       the latest of all, in every folder
 *   host, text/...                   each store's own
 *
 * A row that comes among others of its service and partition, rather than with all of them, gets a
 * new arrival number, in order, behind those that are there. What would fall together with a row of
 * another folder (an event of the same id, state of the same key, a key's events that wait) stays
 * where it is, and is told: nobody but a person knows which counts.
 */
#ifndef ZINGQ_RESHARD_RESHARD_H
#define ZINGQ_RESHARD_RESHARD_H

#include "base/clock.h"
#include "conf/conf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reshard;

struct reshard_options {
    const struct conf *conf;  /* says which services have keys, how long idempotency keys live */
    const char *const *paths; /* of the folders; absolute */
    size_t path_count;
    uint16_t count; /* hosts from now on; 1 to PARTITIONS */
    struct clock_reading now;
};

enum reshard_left { RESHARD_NOTHING_LEFT, RESHARD_TAKEN_BACK, RESHARD_FINISHED };

/* Ends a reshard that was stopped on one of the folders, the one way or the other. ERR_BUSY,
 * ERR_NOTFOUND, ERR_DISK, with a sentence. */
int reshard_settle(const char *const *paths, size_t path_count, enum reshard_left *left,
                   struct report *r);

/* Locks the folders, opens the stores and looks through them; changes nothing. `paths` is borrowed.
 * ERR_BUSY: a host runs on one. ERR_INVALID: they are not one division, or not as many as it takes.
 * ERR_NOTFOUND, ERR_CORRUPT, ERR_MEMORY, ERR_DISK. */
int reshard_open(struct reshard **out, const struct reshard_options *options, struct report *r);
void reshard_close(struct reshard *re);

/* How many hosts divide the keys with that of the folder, 0: it was emptied. ERR_NOTFOUND: no store
 * there. */
int reshard_peek(const char *path, uint16_t *count, struct report *r);
/* The store of a host alone, in `folder`, becomes that of the first of several, in FOLDER/1, with its
 * files; when that was begun already it is ended, and otherwise, without a store there, nothing is
 * done. ERR_BUSY, ERR_EXISTS, ERR_DISK. */
int reshard_adopt(const char *folder, struct report *r);

struct reshard_view {
    const char *path;
    uint16_t from, to; /* its host's number before and after; 0 = none */
    bool has_store;
    uint64_t events_before, events_after; /* that wait or are dead letters */
    bool session;      /* the broker keeps messages for its host, unless that has ended since */
    uint64_t own;      /* an emptied folder: rows that stay, of services with share = no */
    uint64_t disputed; /* rows that stay, because another folder has what they would fall on */
    const char *disputed_service; /* of one of them, NULL = none */
};

uint16_t reshard_count_before(const struct reshard *re);
size_t reshard_folders(const struct reshard *re);
void reshard_look(const struct reshard *re, size_t folder, struct reshard_view *out);
/* Rows that change folders. */
uint64_t reshard_moves(const struct reshard *re);

/* Divides them. ERR_FULL: a disk has no room for the new files, or store.max_size is too small.
 * ERR_CORRUPT: what was written is not what was read; nothing was changed. ERR_DISK, ERR_MEMORY. */
int reshard_run(struct reshard *re, struct report *r);

#endif
