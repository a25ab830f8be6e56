/*
 * dead.c - see query/dead.h.
 *
 * Groups are kept in memory, one entry each; rows are only counted.
 */
#include "query/dead.h"

#include "base/json.h"
#include "query/events.h"
#include "query/json.h"
#include "journal/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- finding ---- */

bool dead_group_is_valid(const char *text) {
    size_t len = strlen(text);
    return len >= 4 && len <= 16 && strspn(text, "0123456789abcdef") == len;
}

static bool in_group(const struct dead_row *row, const char *group) {
    char hex[17];
    if (group == NULL) {
        return true;
    }
    (void)snprintf(hex, sizeof hex, "%016" PRIx64, row->fingerprint);
    return strncmp(hex, group, strlen(group)) == 0;
}

int dead_next(struct journal *j, const struct dead_filter *filter, struct dead_row *row,
              bool *matches) {
    if (filter->by_service && row->service != filter->service) { /* in each partition */
        unsigned partition = row->partition + (row->service > filter->service ? 1u : 0u);
        *row = (struct dead_row){.partition = (uint8_t)partition, .service = filter->service};
    }
    int code = journal_dead_next(j, row);
    *matches = code == 0 && (!filter->by_service || row->service == filter->service) &&
               in_group(row, filter->group);
    return code;
}

int dead_event(struct journal *j, const struct dead_row *row, struct event **out) {
    return journal_event_get(j, row->partition, &row->id, row->service, out);
}

/* Among events of several services with this id, the dead one. */
struct finding {
    const struct dead_filter *filter;
    struct event *dead;
};

static int keep_dead(void *ctx, struct event *event) {
    struct finding *finding = ctx;
    bool wanted = !finding->filter->by_service || event->service == finding->filter->service;
    if (finding->dead == NULL && wanted && event_state_dead(event->state)) {
        finding->dead = event;
    } else {
        event_free(event);
    }
    return 0;
}

int dead_find(struct journal *j, const struct dead_filter *filter, const struct uuid *id,
              struct event **out) {
    struct finding finding = {.filter = filter, .dead = NULL};
    int code = look_each_by_id(j, id, &finding, keep_dead);
    if (code != 0) {
        event_free(finding.dead);
        return code;
    }
    *out = finding.dead;
    return finding.dead == NULL ? ERR_NOTFOUND : 0;
}

/* ---- by time ---- */

static bool is_elsewhere(const struct dead_walk *walk) {
    return walk->filter.by_service && walk->at.service != walk->filter.service;
}

/* Goes on behind the last part before that is of the filter's service. */
static int pass_other_services(struct dead_walk *walk) {
    struct letter_row *at = &walk->at;
    uint16_t wanted = walk->filter.service;
    if (at->service < wanted && at->partition == 0) {
        return ERR_NOTFOUND;
    }
    uint8_t partition = at->service < wanted ? at->partition - 1 : at->partition;
    *at = (struct letter_row){.partition = partition, .service = (uint16_t)(wanted + 1)};
    return 0;
}

static int next_by_time(struct journal *j, struct dead_walk *walk, bool *matches) {
    const struct letter_row before = walk->at;
    struct letter_row *at = &walk->at;
    int code;
    do {
        code = journal_letter_before(j, at);
    } while (code == 0 && is_elsewhere(walk) && (code = pass_other_services(walk)) == 0);
    if (code != 0) {
        return code;
    }
    walk->enters = at->partition != before.partition || at->service != before.service ||
                   at->kind != before.kind;
    walk->row = (struct dead_row){.partition = at->partition,
                                  .service = at->service,
                                  .id = at->id,
                                  .dead_ms = at->dead_ms,
                                  .fingerprint = at->fingerprint};
    *matches = in_group(&walk->row, walk->filter.group);
    return 0;
}

int dead_walk_next(struct journal *j, struct dead_walk *walk, bool *matches) {
    int code = walk->begun ? 0 : journal_letters_all(j, &walk->by_time);
    if (code == 0 && !walk->begun) {
        walk->begun = true;
        walk->at.partition = PARTITIONS;
    }
    walk->enters = false;
    return code != 0       ? code
           : walk->by_time ? next_by_time(j, walk, matches)
                           : dead_next(j, &walk->filter, &walk->row, matches);
}

bool dead_walk_leave(struct dead_walk *walk) {
    walk->at.dead_ms = 0;
    memset(&walk->at.id, 0, sizeof walk->at.id);
    return walk->by_time;
}

void dead_walk_down_to(struct dead_walk *walk, int64_t dead_ms) {
    if (dead_ms < 0) { /* nothing died before 1970 */
        (void)dead_walk_leave(walk);
    } else if (walk->at.dead_ms > dead_ms) {
        walk->at.dead_ms = dead_ms + 1;
        memset(&walk->at.id, 0, sizeof walk->at.id);
    }
}

/* ---- the newest ---- */

int dead_newest_init(struct dead_newest *n, size_t max) {
    *n = (struct dead_newest){.rows = calloc(max, sizeof *n->rows), .max = max};
    return n->rows == NULL ? ERR_MEMORY : 0;
}

void dead_newest_clear(struct dead_newest *n) {
    free(n->rows);
    n->rows = NULL;
}

static int compare_rows(const struct dead_row *a, const struct dead_row *b) {
    if (a->dead_ms != b->dead_ms) {
        return a->dead_ms < b->dead_ms ? -1 : 1;
    }
    int order = memcmp(a->id.bytes, b->id.bytes, UUID_BYTES);
    return order != 0 ? order : (int)a->service - (int)b->service;
}

bool dead_is_newer(const struct dead_row *a, const struct dead_row *b) {
    return compare_rows(a, b) > 0;
}

static void swap_rows(struct dead_row *a, struct dead_row *b) {
    struct dead_row kept = *a;
    *a = *b;
    *b = kept;
}

static void sink(struct dead_newest *n, size_t at) {
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < n->count; child++) {
            least = dead_is_newer(&n->rows[least], &n->rows[child]) ? child : least;
        }
        if (least == at) {
            return;
        }
        swap_rows(&n->rows[at], &n->rows[least]);
        at = least;
    }
}

void dead_newest_note(struct dead_newest *n, struct dead_walk *walk) {
    const struct dead_row *row = &walk->row;
    n->seen++;
    if (n->count < n->max) {
        size_t at = n->count++;
        n->rows[at] = *row;
        for (; at > 0 && dead_is_newer(&n->rows[(at - 1) / 2], &n->rows[at]); at = (at - 1) / 2) {
            swap_rows(&n->rows[at], &n->rows[(at - 1) / 2]);
        }
    } else if (dead_is_newer(row, &n->rows[0])) {
        n->rows[0] = *row;
        sink(n, 0);
    } else if (walk->filter.group == NULL && dead_walk_leave(walk)) {
        n->cut = true;
    }
}

static int newest_first(const void *a, const void *b) {
    return compare_rows(b, a);
}

void dead_newest_sort(struct dead_newest *n) {
    if (n->count > 0) {
        qsort(n->rows, n->count, sizeof *n->rows, newest_first);
    }
}

int dead_count(struct journal *j, const struct dead_filter *filter, uint64_t *count) {
    struct books books = {.dead = store_rows(journal_store(j), TABLE_DEAD)};
    int code = filter->by_service ? journal_books_get(j, filter->service, &books) : 0;
    *count = books.dead;
    return code;
}

/* ---- groups ---- */

int dead_groups_init(struct dead_groups *groups, const struct dead_filter *filter) {
    *groups = (struct dead_groups){.items = calloc(LOOK_GROUPS_MAX + 1, sizeof *groups->items),
                                   .walk.filter = *filter};
    return groups->items == NULL ? ERR_MEMORY : 0;
}

void dead_groups_clear(struct dead_groups *groups) {
    free(groups->items);
    groups->items = NULL;
}

static int compare_group(const struct dead_group *group, const struct dead_row *row) {
    if (group->service != row->service) {
        return group->service < row->service ? -1 : 1;
    }
    return group->fingerprint < row->fingerprint ? -1 : group->fingerprint > row->fingerprint;
}

static void note_in_group(struct dead_groups *groups, const struct dead_row *row) {
    size_t low = 0;
    size_t high = groups->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_group(&groups->items[middle], row) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    struct dead_group *group = &groups->items[low];
    if (low == groups->count || compare_group(group, row) != 0) {
        if (groups->count == LOOK_GROUPS_MAX) {
            groups->left_out++;
            return;
        }
        memmove(group + 1, group, (groups->count - low) * sizeof *group);
        groups->count++;
        *group = (struct dead_group){.service = row->service, .fingerprint = row->fingerprint};
    }
    group->count++;
    if (row->dead_ms >= group->newest.dead_ms) {
        group->newest = *row;
    }
}

/* Counts the parts, one a step, unless all letters can be looked at. */
static int count_parts(struct journal *j, struct dead_groups *groups) {
    bool matches;
    int code = dead_walk_next(j, &groups->walk, &matches);
    bool many = store_rows(journal_store(j), TABLE_DEAD) > READING_ROWS_MAX;
    if (code == 0 && many && dead_walk_leave(&groups->walk)) {
        groups->parts++;
        return 0;
    }
    groups->each = groups->parts == 0 ? UINT64_MAX : READING_ROWS_MAX / groups->parts + 1;
    groups->walk = (struct dead_walk){.filter = groups->walk.filter};
    return code == ERR_NOTFOUND ? 0 : code;
}

int dead_groups_step(struct journal *j, struct dead_groups *groups) {
    bool matches;
    if (groups->each == 0) {
        return count_parts(j, groups);
    }
    int code = dead_walk_next(j, &groups->walk, &matches);
    if (code == 0 && matches) {
        note_in_group(groups, &groups->walk.row);
    }
    groups->looked = groups->walk.enters ? 1 : groups->looked + 1;
    if (code == 0 && groups->looked >= groups->each && dead_walk_leave(&groups->walk)) {
        groups->cut = true;
    }
    return code;
}

static int largest_first(const void *a, const void *b) {
    const struct dead_group *x = a;
    const struct dead_group *y = b;
    return x->count < y->count ? 1 : x->count > y->count ? -1 : 0;
}

void dead_groups_sort(struct dead_groups *groups) {
    if (groups->count > 0) {
        qsort(groups->items, groups->count, sizeof *groups->items, largest_first);
    }
}

/* ---- JSON ---- */

json_t *dead_json(const struct journal *j, const struct dead_row *row, const struct event *event) {
    json_t *object = look_event_json(j, event, true);
    if (object != NULL && !(look_json_time(object, "dead_at", row->dead_ms) &&
                            look_json_hex(object, "group", row->fingerprint))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *dead_group_json(const struct journal *j, const struct dead_group *group,
                        struct slice reason) {
    char id[UUID_TEXT_BYTES + 1];
    json_t *object =
        json_pack("{s:s, s:I, s:s}", "service", look_service_name(j, group->service), "count",
                  (json_int_t)group->count, "example", uuid_text(&group->newest.id, id));
    if (object != NULL && !(look_json_hex(object, "group", group->fingerprint) &&
                            look_json_time(object, "newest_at", group->newest.dead_ms) &&
                            look_json_bytes(object, "reason", reason))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *dead_letter_json(const struct journal *j, const struct life *life) {
    json_t *object = life_json(j, life);
    uint64_t group = journal_fingerprint(life->event->reason);
    if (object != NULL && !look_json_hex(object, "group", group)) {
        json_decref(object);
        return NULL;
    }
    return object;
}
