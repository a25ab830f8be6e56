/*
 * dead.h - dead letters: which are meant, the newest of them, the groups they make.
 *
 * A group has one fingerprint: the first line of the reason, its numbers left out
 * (journal/journal.h). All functions read inside a transaction, which may be restarted between two
 * calls.
 */
#ifndef ZINGQ_QUERY_DEAD_H
#define ZINGQ_QUERY_DEAD_H

#include "base/json.h"
#include "query/life.h"
#include "journal/event.h"

#include <stdbool.h>
#include <stddef.h>

enum { LOOK_GROUPS_MAX = 10000 };

/* Which dead letters match; zeroed: all. */
struct dead_filter {
    bool by_service;
    uint16_t service;
    const char *group; /* the first hex digits of a fingerprint; NULL = all */
};

/* 4 to 16 hex digits. */
bool dead_group_is_valid(const char *text);
/* The next row after *row (zeroed at the start), *matches telling whether the filter lets it
 * through. ERR_NOTFOUND after the last. */
int dead_next(struct journal *j, const struct dead_filter *filter, struct dead_row *row,
              bool *matches);
/* The dead letter with that id, the caller's. ERR_NOTFOUND. */
int dead_find(struct journal *j, const struct dead_filter *filter, const struct uuid *id,
              struct event **out);
/* The event of a row; ERR_NOTFOUND when it is gone since the row was read. */
int dead_event(struct journal *j, const struct dead_row *row, struct event **out);

/* Whether a died after b; rows of one moment have an order, too. */
bool dead_is_newer(const struct dead_row *a, const struct dead_row *b);

/* The given number of newest rows. */
struct dead_newest {
    struct dead_row *rows; /* a heap, the oldest of them first, until sorted; owned */
    size_t count, max;
    uint64_t seen;
};

/* ERR_MEMORY. */
int dead_newest_init(struct dead_newest *n, size_t max);
void dead_newest_clear(struct dead_newest *n);
void dead_newest_note(struct dead_newest *n, const struct dead_row *row);
/* Newest first from now on. */
void dead_newest_sort(struct dead_newest *n);

struct dead_group {
    uint16_t service;
    uint64_t fingerprint;
    uint64_t count;
    struct dead_row newest;
};

struct dead_groups {
    struct dead_group *items; /* by service and fingerprint until sorted; owned */
    size_t count;
    uint64_t left_out; /* letters of groups past LOOK_GROUPS_MAX */
};

/* ERR_MEMORY. */
int dead_groups_init(struct dead_groups *groups);
void dead_groups_clear(struct dead_groups *groups);
void dead_groups_note(struct dead_groups *groups, const struct dead_row *row);
/* Largest first from now on. */
void dead_groups_sort(struct dead_groups *groups);

/* NULL when out of memory. */
json_t *dead_json(const struct journal *j, const struct dead_row *row, const struct event *event);
json_t *dead_group_json(const struct journal *j, const struct dead_group *group,
                        struct slice reason);
/* The life with its group. */
json_t *dead_letter_json(const struct journal *j, const struct life *life);

#endif
