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
#include "journal/letter.h"

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

/* The dead letters in parts, those of one service, partition and kind, each from the newest to the
 * oldest; in a store of an older zingq, whose letters have no rows in that order yet
 * (journal/letter.h), one by one as they are stored. Zeroed but for the filter at the start. */
struct dead_walk {
    struct dead_filter filter;
    bool begun, by_time;
    bool enters; /* the row is the first of its part */
    struct letter_row at;
    struct dead_row row;
};

/* The next row, *matches telling whether the filter lets it through. ERR_NOTFOUND after the last. */
int dead_walk_next(struct journal *j, struct dead_walk *walk, bool *matches);
/* Goes on with the next part. False: it goes through every row. */
bool dead_walk_leave(struct dead_walk *walk);
/* Passes over those of the part that died after that moment. */
void dead_walk_down_to(struct dead_walk *walk, int64_t dead_ms);

/* The given number of newest rows. */
struct dead_newest {
    struct dead_row *rows; /* a heap, the oldest of them first, until sorted; owned */
    size_t count, max;
    uint64_t seen;
    bool cut; /* there are more than were seen */
};

/* ERR_MEMORY. */
int dead_newest_init(struct dead_newest *n, size_t max);
void dead_newest_clear(struct dead_newest *n);
/* Notes the row of the walk, or lets the walk pass over what is older than all that were found. Of a
 * group all are seen, so that they are counted. */
void dead_newest_note(struct dead_newest *n, struct dead_walk *walk);
/* Newest first from now on. */
void dead_newest_sort(struct dead_newest *n);
/* How many there are, of all services or of one. */
int dead_count(struct journal *j, const struct dead_filter *filter, uint64_t *count);

struct dead_group {
    uint16_t service;
    uint64_t fingerprint;
    uint64_t count;
    struct dead_row newest;
};

/* Of all letters; where they are more than READING_ROWS_MAX, of about so many: the newest of each
 * part. */
struct dead_groups {
    struct dead_group *items; /* by service and fingerprint until sorted; owned */
    size_t count;
    uint64_t left_out; /* letters of groups past LOOK_GROUPS_MAX */
    struct dead_walk walk;
    uint64_t parts, each; /* letters that are looked at of each part; 0 = not known yet */
    uint64_t looked;      /* of the present one */
    bool cut;             /* some parts have more */
};

/* ERR_MEMORY. */
int dead_groups_init(struct dead_groups *groups, const struct dead_filter *filter);
void dead_groups_clear(struct dead_groups *groups);
/* Looks at the next row. ERR_NOTFOUND after the last. */
int dead_groups_step(struct journal *j, struct dead_groups *groups);
/* Largest first from now on. */
void dead_groups_sort(struct dead_groups *groups);

/* NULL when out of memory. */
json_t *dead_json(const struct journal *j, const struct dead_row *row, const struct event *event);
json_t *dead_group_json(const struct journal *j, const struct dead_group *group,
                        struct slice reason);
/* The life with its group. */
json_t *dead_letter_json(const struct journal *j, const struct life *life);

#endif
