/*
 * meta.c - the meta rows of the new stores: services, times and counts.
 */
#include "reshard/impl.h"

#include "journal/owner.h"
#include "journal/dedupe.h"
#include "journal/flags.h"
#include "journal/later.h"

#include <stdio.h>
#include <string.h>

/* --- numbers of services --- */

static int map_services(struct reshard *re, size_t from, size_t to) {
    const struct journal *j = re->folders[from].journal;
    int code = 0;
    for (uint16_t n = 0; code == 0 && n < journal_service_count(j); n++) {
        const char *name = journal_service_name(j, n);
        struct journal *into = re->folders[to].to_journal;
        uint16_t *number = &pair_of(re, from, to)->numbers[n];
        bool is_new = name != NULL && !journal_service_find(into, name, number);
        code = is_new ? journal_service_add(into, name, journal_service_origin(j, n), number) : 0;
    }
    return code;
}

/* --- idempotency keys --- */

/* The new store's buckets are its old ones, or those of the first store; the newest of them lives
 * as long as any bucket of another folder. */
static int make_buckets(struct reshard *re, size_t to) {
    struct folder *f = &re->folders[to];
    const struct folder *like = f->has_store ? f : &re->folders[0];
    size_t newest = 0;
    memcpy(f->to_buckets, like->buckets, sizeof f->to_buckets);
    for (size_t i = 1; i < DEDUPE_BUCKETS; i++) {
        newest = f->to_buckets[i] > f->to_buckets[newest] ? i : newest;
    }
    for (size_t i = 0; remains(re, to) && i < re->folder_count; i++) {
        for (size_t b = 0; b < DEDUPE_BUCKETS; b++) {
            int64_t until_ms = re->folders[i].buckets[b];
            if (until_ms > f->to_buckets[newest]) {
                f->to_buckets[newest] = until_ms;
            }
        }
    }
    return journal_buckets_put(f->to_journal, f->to_buckets);
}

static int add_secrets(struct reshard *re, size_t from, size_t to, int64_t until_ms) {
    const struct folder *f = &re->folders[from];
    int code = 0;
    for (size_t n = from == to ? 1 : 0; code == 0 && n < journal_secret_count(f->journal); n++) {
        struct dedupe_secret secret;
        journal_secret_get(f->journal, n, &secret);
        secret.until_ms = until_ms;
        code = journal_secret_add(re->folders[to].to_journal, &secret);
    }
    return code;
}

/* Rows from another folder keep hashes made with the secrets of that folder. */
static int gather_secrets(struct reshard *re, size_t to, struct report *r) {
    int64_t until_ms = 0;
    int code = 0;
    for (size_t b = 0; b < DEDUPE_BUCKETS; b++) {
        int64_t ms = re->folders[to].to_buckets[b];
        until_ms = ms > until_ms ? ms : until_ms;
    }
    for (size_t i = 0; code == 0 && until_ms > 0 && i < re->folder_count; i++) {
        code = re->folders[i].journal == NULL ? 0 : add_secrets(re, i, to, until_ms);
    }
    if (code == ERR_LIMIT) {
        return report(r, code,
                      "%s would have the idempotency keys of more than %d stores: wait until some "
                      "have expired (store.keep_idempotency)",
                      re->folders[to].path, DEDUPE_SECRETS_MAX);
    }
    return code;
}

int reshard_begin_meta(struct reshard *re, size_t to, struct report *r) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        code = re->folders[i].journal == NULL ? 0 : map_services(re, i, to);
    }
    code = code == 0 ? make_buckets(re, to) : code;
    if (code == 0 && remains(re, to)) {
        code = gather_secrets(re, to, r);
    }
    bool told = code == 0 || (r != NULL && r->text[0] != '\0');
    return told
               ? code
               : report(r, code, "cannot write %s: %s", re->folders[to].building, error_text(code));
}

/* --- books --- */

int reshard_books(struct journal *j, const char *service, struct books *out) {
    *out = (struct books){0};
    for (uint16_t n = 0; n < journal_service_count(j); n++) {
        const char *name = journal_service_name(j, n);
        if (name != NULL && strcmp(name, service) == 0) {
            return journal_books_get(j, n, out);
        }
    }
    return 0;
}

/* False: there is less than that. */
static bool take_off(struct books *b, const struct moved *m) {
    uint64_t events = m->waiting + m->dead;
    if (b->accepted < events || b->dead < m->dead || b->needs_person < m->person) {
        return false;
    }
    b->accepted -= events;
    b->dead -= m->dead;
    b->needs_person -= m->person;
    return b->done + b->dead + b->discarded + b->expired + b->duplicates <= b->accepted;
}

static void add(struct books *b, const struct moved *m) {
    b->accepted += m->waiting + m->dead;
    b->dead += m->dead;
    b->needs_person += m->person;
}

void reshard_add_books(struct books *b, const struct books *more) {
    b->accepted += more->accepted;
    b->done += more->done;
    b->dead += more->dead;
    b->discarded += more->discarded;
    b->duplicates += more->duplicates;
    b->handed_over += more->handed_over;
    b->retries += more->retries;
    b->timeouts += more->timeouts;
    b->crashes += more->crashes;
    b->snoozes += more->snoozes;
    b->throttles += more->throttles;
    b->died += more->died;
    b->needs_person += more->needs_person;
    b->expired += more->expired;
}

/* What the folder counts for the service after its events have left: for itself, or, if it is
 * emptied, for its heir. */
static int divide_books(struct reshard *re, size_t from, uint16_t number, struct books *own,
                        struct books *rest) {
    struct books all;
    bool sound = true;
    int code = journal_books_get(re->folders[from].journal, number, &all);
    const struct moved *stays = &pair_of(re, from, from)->moved[number];
    for (size_t to = 0; to < re->folder_count; to++) {
        sound = sound && (to == from || take_off(&all, &pair_of(re, from, to)->moved[number]));
    }
    *own = *rest = (struct books){0};
    if (remains(re, from)) {
        *own = all;
    } else {
        sound = sound && take_off(&all, stays);
        add(own, stays);
        *rest = all;
    }
    return code == 0 && !sound ? ERR_CORRUPT : code;
}

static int add_books(struct reshard *re, size_t from, size_t to, uint16_t number,
                     struct books *out) {
    struct books own;
    struct books rest;
    int code = divide_books(re, from, number, &own, &rest);
    if (from == to) {
        reshard_add_books(out, &own);
    } else {
        add(out, &pair_of(re, from, to)->moved[number]);
    }
    if (!remains(re, from) && heir_of(re, from) == to) {
        reshard_add_books(out, &rest);
    }
    return code;
}

static int write_service(struct reshard *re, size_t to, uint16_t number, size_t *culprit) {
    struct books sum = {0};
    int code = 0;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        const struct journal *j = re->folders[i].journal;
        for (uint16_t n = 0; code == 0 && j != NULL && n < journal_service_count(j); n++) {
            bool same =
                journal_service_name(j, n) != NULL && pair_of(re, i, to)->numbers[n] == number;
            code = same ? add_books(re, i, to, n, &sum) : 0;
            *culprit = i;
        }
    }
    return code == 0 ? journal_books_put(re->folders[to].to_journal, number, &sum) : code;
}

static int write_books(struct reshard *re, size_t to, struct report *r) {
    struct journal *j = re->folders[to].to_journal;
    size_t culprit = 0;
    int code = 0;
    for (uint16_t n = 0; code == 0 && n < journal_service_count(j); n++) {
        code = journal_service_name(j, n) == NULL ? 0 : write_service(re, to, n, &culprit);
    }
    if (code == ERR_CORRUPT) {
        return report(r, code,
                      "the counts of %s are not those of its rows; nothing was changed: start its "
                      "host once, it puts them right",
                      re->folders[culprit].path);
    }
    return code;
}

/* --- shared by all folders --- */

static int join_flags(struct reshard *re, size_t from, size_t to) {
    const struct folder *f = &re->folders[from];
    int code = 0;
    for (uint16_t n = 0; code == 0 && n < journal_service_count(f->journal); n++) {
        const char *name = journal_service_name(f->journal, n);
        code = name == NULL ? 0 : flags_join(re->folders[to].to_journal, f->journal, name);
    }
    return code;
}

/* The mark of the host that fired it; otherwise the latest one. */
static int put_schedule(struct reshard *re, size_t from, size_t to, const char *name) {
    struct schedule_mark mark;
    struct schedule_mark known;
    struct journal *j = re->folders[to].to_journal;
    int code = journal_schedule_get(re->folders[from].journal, name, &mark);
    int there = code == 0 ? journal_schedule_get(j, name, &known) : code;
    if (code != 0 || (there != 0 && there != ERR_NOTFOUND)) {
        return code != 0 ? code : there;
    }
    struct schedule_mark owners;
    size_t owner = old_owner(re, owner_partition_of_schedule(name));
    bool owned = journal_schedule_get(re->folders[owner].journal, name, &owners) == 0;
    bool better =
        owned ? owner == from : there == ERR_NOTFOUND || mark.settled_ms > known.settled_ms;
    return better ? journal_schedule_put(j, name, &mark) : 0;
}

static int copy_schedules(struct reshard *re, size_t from, size_t to) {
    char name[NAME_BYTES_MAX + 1] = "";
    int code;
    while ((code = journal_schedule_next(re->folders[from].journal, name)) == 0) {
        code = put_schedule(re, from, to, name);
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int write_shared(struct reshard *re, size_t to) {
    struct journal *j = re->folders[to].to_journal;
    int code = journal_set_seq(j, re->last_seq);
    code = code == 0 && re->mark.engine_ms > 0 ? journal_clock_put(j, &re->mark) : code;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        if (re->folders[i].journal != NULL) {
            code = join_flags(re, i, to);
            code = code == 0 ? copy_schedules(re, i, to) : code;
        }
    }
    return code;
}

int reshard_write_meta(struct reshard *re, size_t to, struct report *r) {
    char text[32];
    bool stays = remains(re, to);
    const struct reshard_view *view = &re->folders[to].view;
    bool alone = view->own + view->disputed > 0; /* a host on its own may run the rest */
    unsigned count = stays ? re->to_count : alone ? 1 : 0;
    (void)snprintf(text, sizeof text, "%u/%zu", count, stays ? to + 1 : (size_t)count);
    int code = stays ? write_shared(re, to) : 0;
    code = code == 0 ? write_books(re, to, r) : code;
    code = code == 0
               ? journal_text_put(re->folders[to].to_journal, RESHARD_DIVISION, slice_of(text))
               : code;
    bool told = code == 0 || (r != NULL && r->text[0] != '\0');
    return told
               ? code
               : report(r, code, "cannot write %s: %s", re->folders[to].building, error_text(code));
}
