/*
 * merge.h - what several hosts list, as one list in its own order.
 */
#ifndef ZINGQ_QUERY_MERGE_H
#define ZINGQ_QUERY_MERGE_H

#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a list is sorted. */
struct merge_order {
    const char
        *by;     /* the field, a text; NULL = what one host lists after what the one before does */
    bool down;   /* the greatest first */
    bool groups; /* of dead letters, the largest first: those of several hosts are one */
};

/* The orders of the lists. */
extern const struct merge_order merge_events, merge_letters, merge_groups, merge_changes,
    merge_by_host;

/* What one host lists. */
struct merge_part {
    uint16_t host;      /* its number */
    const json_t *rows; /* borrowed; in the list's order, as is everything after them */
    bool more;          /* there is more after them */
    size_t taken;       /* how many are in the result */
};

/* A new list of at most `limit` rows of the parts, which are in the order of their hosts; each row
 * gets its "host", a group its "hosts". It ends early where the next row may be one that its part does not
 * have. NULL when out of memory. */
json_t *merge_parts(struct merge_part *parts, size_t count, const struct merge_order *order,
                    uint64_t limit);

/* The sum of figures that hosts tell: what is negative counts as 0, and it does not go past the greatest. */
json_int_t merge_add(json_int_t a, json_int_t b);

enum { MERGE_PLACE_BYTES = 1024 }; /* of one host: a key and a name in hex are the most */

/* Whether it is what a host lists: rows, each an object; or if it is `paged`, each with its place:
 * {"at", "row"}. */
bool merge_is_listed(const json_t *answer, bool paged);
/* Its rows, a new list; NULL when out of memory. */
json_t *merge_rows(json_t *answer, bool paged);

/* Where the list of a host goes on. */
struct merge_place {
    bool ended; /* it does not */
    json_t *at; /* a text; NULL = at its beginning; owned */
};

/* The places of hosts as one text, which is the `before` of the next page: each as the host wrote it, nothing for its
 * beginning, "-" for its end, with "~" between them. Appends. */
void merge_write_places(const struct merge_place *places, size_t count, struct buf *out);
/* Whether that is how a host writes one: printable and short, for a header; NULL is none. */
bool merge_is_place(const char *text);
bool merge_all_ended(const struct merge_place *places, size_t count);
/* Reads it into places that are zero; a text without "~" is the place of each host. False: it is
 * one of another number of hosts, or there is no memory. */
bool merge_read_places(const char *text, struct merge_place *places, size_t count);

#endif
