/*
 * reshard.h - another number of hosts: redistributes the rows of stopped data folders.
 *
 * The folders are in the order of their hosts' numbers: first those of the old division, then, if
 * there will be more hosts, new ones, missing or empty. If there will be fewer, the last ones are
 * emptied. Each store is written anew next to the old one; when all of them have been compared with
 * the old ones, they replace them together (reshard/switch.c). If it is killed at any moment, it
 * leaves the old division or the new one, or a mark by which the next reshard completes it.
 *
 * What goes where, table by table:
 *
 *   of a service, by its rows' keys
 *   event, ready, lane, history,     with a key, or ordered: to the host of the partition
 *   step, dead, state, lock,         without, or several_hosts = independent: stay; from an
 *   signal, waiter, timer              emptied folder, to the host of the partition
 *                                    share = no: stay, always
 *
 *   timer and row of a delayed       to the host of the partition
 *   publish
 *   outbox                           for the events of a key: to the host of the key; others
 *                                    stay, or leave an emptied folder
 *   append                           stays: the file is next to it. An emptied folder writes its
 *                                    lines first
 *   forward                          to the host of the partition if it takes that over, or if the
 *                                    folder is emptied; else it stays, to be sent. Those that the
 *                                    owner has taken without a receipt are dropped
 *   cursor                           to the host of the partition; the larger number counts
 *   dedupe, recent                   to the host of the partition, in a bucket that lives as long;
 *                                    those of keyless services and of publishes go to all. With
 *                                    share = no they stay, and so do those of signals that have
 *                                    not reached their host yet. The result of a publish
 *                                    requested from outside goes to where its row is
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
 * A row that joins others of its service and partition, instead of moving with all of them, gets a
 * new arrival number, in order, after those that are there. A row that would collide with one of
 * another folder (an event of the same id, state of the same key, waiting events of one key) stays
 * where it is, and is reported: only a person knows which one counts.
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
    const struct conf *conf;  /* which services have keys, and how long idempotency keys live */
    const char *const *paths; /* of the folders; absolute */
    size_t path_count;
    uint16_t count; /* future number of hosts; 1 to PARTITIONS */
    struct clock_reading now;
};

enum reshard_left { RESHARD_NOTHING_LEFT, RESHARD_TAKEN_BACK, RESHARD_FINISHED };

/* Completes or undoes a reshard that was interrupted on one of the folders. ERR_BUSY, ERR_NOTFOUND,
 * ERR_DISK, with a sentence. */
int reshard_settle(const char *const *paths, size_t path_count, enum reshard_left *left,
                   struct report *r);

/* Locks the folders, opens the stores and examines them; changes nothing. `paths` is borrowed.
 * ERR_BUSY: a host runs on one of them. ERR_INVALID: they are not one division, or not the right
 * number. ERR_NOTFOUND, ERR_CORRUPT, ERR_MEMORY, ERR_DISK. */
int reshard_open(struct reshard **out, const struct reshard_options *options, struct report *r);
void reshard_close(struct reshard *re);

/* How many hosts divide the keys in the folder's division; 0: it was emptied. ERR_NOTFOUND: it has
 * no store. */
int reshard_peek(const char *path, uint16_t *count, struct report *r);
/* Moves the store of a single host in `folder` to FOLDER/1, as that of the first of several, with
 * its files. Completes this if it was begun; does nothing if there is no store. ERR_BUSY,
 * ERR_EXISTS, ERR_DISK. */
int reshard_adopt(const char *folder, struct report *r);

struct reshard_view {
    const char *path;
    uint16_t from, to; /* number of its host before and after; 0 = none */
    bool has_store;
    uint64_t events_before, events_after; /* waiting events and dead letters */
    bool session; /* the broker queues messages for its host, unless the session has ended since */
    uint64_t own; /* in an emptied folder: rows that stay, of services with share = no */
    uint64_t disputed; /* rows that stay, because another folder has a row in their place */
    const char *disputed_service; /* of one of these rows; NULL = none */
};

uint16_t reshard_count_before(const struct reshard *re);
size_t reshard_folders(const struct reshard *re);
void reshard_look(const struct reshard *re, size_t folder, struct reshard_view *out);
/* Rows that change folders. */
uint64_t reshard_moves(const struct reshard *re);

/* Redistributes them. ERR_FULL: a disk has no room for the new files, or store.max_size is too
 * small. ERR_CORRUPT: the new files differ from what was written; nothing was changed. ERR_DISK,
 * ERR_MEMORY. */
int reshard_run(struct reshard *re, struct report *r);

#endif
