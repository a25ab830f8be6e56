/*
 * survey.c - examines all rows of the old stores before any new one is written.
 *
 * First it checks each row, and notes which keys would move to a folder with others. If there are
 * any, it then finds keys that several folders have. After that all routes are known: it counts
 * what moves, and notes what needs new arrival numbers.
 */
#include "reshard/impl.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES = 511, TEXT_BYTES = 4096 };

static int walk_table(struct reshard *re, size_t from, enum store_table t, reshard_visit *visit) {
    char bytes[KEY_BYTES];
    struct slice at = {bytes, 0};
    struct slice key;
    struct slice value;
    int code;
    while ((code = store_seek(re->folders[from].store, t, at, at.len > 0, &key, &value)) == 0) {
        code = key.len > sizeof bytes ? ERR_CORRUPT : visit(re, from, t, key, value);
        if (code != 0) {
            return code;
        }
        memcpy(bytes, key.data, key.len);
        at.len = key.len;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int reshard_walk_folder(struct reshard *re, size_t from, reshard_visit *visit) {
    int code = 0;
    for (unsigned t = 0; code == 0 && re->folders[from].store != NULL && t < TABLE_COUNT; t++) {
        code = walk_table(re, from, (enum store_table)t, visit);
    }
    return code;
}

int reshard_walk(struct reshard *re, reshard_visit *visit) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        code = reshard_walk_folder(re, i, visit);
    }
    return code;
}

/* True if rows of the table from two folders must not share a key. */
static bool counts_as_key(enum store_table t) {
    return t == TABLE_STATE || t == TABLE_LOCK || t == TABLE_READY || t == TABLE_LANE ||
           t == TABLE_TENANT;
}

/* --- first: each row by itself --- */

static int visit_first(struct reshard *re, size_t from, enum store_table t, struct slice key,
                       struct slice value) {
    struct row_sight sight;
    struct route route;
    uint64_t hash;
    int code = journal_check_row(t, key, value);
    if (code != 0 || t == TABLE_META || t >= TABLE_DEDUPE) {
        return code;
    }
    code = reshard_route(re, from, t, key, value, &sight, &route);
    if (code != 0 || t == TABLE_ASIDE || !sight.has_service) {
        return code;
    }
    re->misplaced = re->misplaced || (route.stray && route.to == from);
    bool noted = (route.stray || route.disputed) && counts_as_key(t) &&
                 reshard_key_of(re, from, t, &sight, &hash);
    return noted ? numbers_add(&re->stray_keys, hash / PARTITIONS) : 0;
}

/* --- then: folders with the same keys --- */

static int visit_keys(struct reshard *re, size_t from, enum store_table t, struct slice key,
                      struct slice value) {
    struct row_sight sight;
    uint64_t hash;
    if (!counts_as_key(t) || journal_row_look(t, key, value, &sight) != 0 ||
        !reshard_key_of(re, from, t, &sight, &hash) ||
        !numbers_have(&re->stray_keys, hash / PARTITIONS)) {
        return 0;
    }
    return numbers_add(&re->keys_seen, hash / PARTITIONS * PARTITIONS + from);
}

static int find_disputed(struct reshard *re) {
    int code = 0;
    numbers_sort(&re->stray_keys);
    if (re->stray_keys.count > 0) {
        code = reshard_walk(re, visit_keys);
    }
    numbers_sort(&re->keys_seen);
    for (size_t i = 1; code == 0 && i < re->keys_seen.count; i++) {
        uint64_t key = re->keys_seen.at[i] / PARTITIONS;
        if (key == re->keys_seen.at[i - 1] / PARTITIONS) {
            code = numbers_add(&re->disputed_keys, key);
        }
    }
    numbers_sort(&re->disputed_keys);
    return code;
}

/* --- finally: the results --- */

static int count_event(struct reshard *re, size_t from, size_t to, const struct row_sight *sight,
                       struct slice value) {
    struct event_sight event;
    int code = journal_event_look(value, &event);
    if (code != 0) {
        return code;
    }
    struct moved *moved = &pair_of(re, from, to)->moved[sight->service];
    bool waits = !event_state_ended(event.state);
    bool dead = event_state_dead(event.state);
    moved->waiting += waits ? 1 : 0;
    moved->dead += dead ? 1 : 0;
    moved->person += event.state == EVENT_NEEDS_PERSON ? 1 : 0;
    if (waits || dead) {
        re->folders[from].view.events_before++;
        re->folders[to].view.events_after++;
    }
    return 0;
}

/* Notes what an emptied folder keeps, and what only a person can merge. */
static void note_left(struct reshard *re, size_t from, const struct row_sight *sight,
                      const struct route *route) {
    struct folder *f = &re->folders[from];
    if (route->disputed) {
        f->view.disputed++;
        f->view.disputed_service = journal_service_name(f->journal, sight->service);
    } else if (!remains(re, from) && route->to == from && sight->has_service) {
        f->view.own++;
    }
}

static int visit_last(struct reshard *re, size_t from, enum store_table t, struct slice key,
                      struct slice value) {
    struct row_sight sight;
    struct route route;
    if (t == TABLE_META || t == TABLE_ASIDE || t >= TABLE_DEDUPE) {
        return 0;
    }
    int code = reshard_route(re, from, t, key, value, &sight, &route);
    if (code == 0 && t == TABLE_EVENT) {
        code = count_event(re, from, route.to, &sight, value);
    }
    if (code == 0 && t == TABLE_FORWARD && !route.gone) {
        code = reshard_note_pending(re, from, value);
    }
    if (code == 0 && route.stray && sight.has_seq) {
        code = numbers_add(&re->folders[from].strays, sight.seq);
    }
    re->moves += route.to != from && !route.gone ? 1 : 0;
    note_left(re, from, &sight, &route);
    return code;
}

static void give_numbers(struct reshard *re) {
    uint64_t clock = (uint64_t)re->now_ms * 1000;
    uint64_t next = (re->last_seq > clock ? re->last_seq : clock) + 1;
    for (size_t i = 0; i < re->folder_count; i++) {
        struct folder *f = &re->folders[i];
        numbers_sort(&f->strays);
        numbers_sort(&f->pending);
        f->base = next;
        next += f->strays.count;
    }
    re->last_seq = next - 1;
}

static int make_pairs(struct reshard *re) {
    for (size_t from = 0; from < re->folder_count; from++) {
        const struct folder *f = &re->folders[from];
        size_t count = f->journal == NULL ? 1 : (size_t)journal_service_count(f->journal) + 1;
        for (size_t to = 0; to < re->folder_count; to++) {
            struct pair *pair = pair_of(re, from, to);
            pair->numbers = calloc(count, sizeof *pair->numbers);
            pair->moved = calloc(count, sizeof *pair->moved);
            if (pair->numbers == NULL || pair->moved == NULL) {
                return ERR_MEMORY;
            }
        }
    }
    return 0;
}

static int visit_damage(struct reshard *re, size_t from, enum store_table t, struct slice key,
                        struct slice value) {
    int code = visit_first(re, from, t, key, value);
    if (code == ERR_CORRUPT && re->damaged.len == 0) {
        buf_printf(&re->damaged, "%s: ", re->folders[from].path);
        journal_key_text(re->folders[from].journal, t, key, &re->damaged);
    }
    return code;
}

int reshard_survey(struct reshard *re, struct report *r) {
    int code = make_pairs(re);
    code = code == 0 ? reshard_walk(re, visit_damage) : code;
    if (code == ERR_CORRUPT) {
        return report(
            r, code,
            "%s cannot be read; nothing was changed: start the folder's host once, it sets "
            "aside what is damaged",
            buf_str(&re->damaged));
    }
    code = code == 0 ? find_disputed(re) : code;
    code = code == 0 ? reshard_walk(re, visit_last) : code;
    if (code != 0) {
        return report(r, code, "the stores cannot be read: %s", error_text(code));
    }
    give_numbers(re);
    return 0;
}
