/*
 * names.c - the names of services: each has a number, which its rows carry, and which it keeps under
 * another name. Here they are in memory; journal/meta.c stores them.
 *
 * A service that got another name (`was` in topics.conf) keeps its first one as its origin: lanes and
 * idempotency keys are hashed with that, so that its rows stay where they are, and, where several
 * hosts divide the keys, with the hosts that own them.
 */
#include "journal/impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- in memory --- */

void journal_free_names(struct journal *j) {
    for (size_t i = 0; i < j->name_count; i++) {
        free(j->names[i]);
        free(j->origins[i]);
    }
    free(j->names);
    free(j->origins);
}

int journal_forget_names(struct journal *j, uint16_t count) {
    char **names = calloc((size_t)count + 1, sizeof *names);
    char **origins = calloc((size_t)count + 1, sizeof *origins);
    if (names == NULL || origins == NULL) {
        free(names);
        free(origins);
        return ERR_MEMORY;
    }
    journal_free_names(j);
    j->names = names;
    j->origins = origins;
    j->name_count = count;
    return 0;
}

int journal_note_name(struct journal *j, uint16_t number, const char *name, const char *origin) {
    assert(number < j->name_count);
    bool same = origin[0] == '\0' || strcmp(origin, name) == 0;
    char *new_name = slice_dup(slice_of(name));
    char *new_origin = same ? NULL : slice_dup(slice_of(origin));
    if (new_name == NULL || (!same && new_origin == NULL)) {
        free(new_name);
        free(new_origin);
        return ERR_MEMORY;
    }
    free(j->names[number]);
    free(j->origins[number]);
    j->names[number] = new_name;
    j->origins[number] = new_origin;
    return 0;
}

/* --- queries --- */

const char *journal_service_name(const struct journal *j, uint16_t number) {
    return number < j->name_count ? j->names[number] : NULL;
}

uint16_t journal_service_count(const struct journal *j) {
    return j->name_count;
}

const char *journal_service_origin(const struct journal *j, uint16_t number) {
    bool other = number < j->name_count && j->origins[number] != NULL;
    return other ? j->origins[number] : journal_service_name(j, number);
}

static bool find(const struct journal *j, struct slice name, uint16_t *number) {
    for (uint16_t i = 0; i < j->name_count; i++) {
        if (j->names[i] != NULL && slice_is(name, j->names[i])) {
            *number = i;
            return true;
        }
    }
    return false;
}

bool journal_service_find(const struct journal *j, const char *name, uint16_t *number) {
    return find(j, slice_of(name), number);
}

struct slice journal_origin_of(const struct journal *j, struct slice service) {
    uint16_t number;
    return find(j, service, &number) ? slice_of(journal_service_origin(j, number)) : service;
}

uint64_t journal_lane_of(const struct journal *j, struct slice service, struct slice key) {
    return journal_lane(journal_origin_of(j, service), key);
}
