/*
 * impl.h - what the files of reshard share; nobody else includes it.
 *
 *   reshard/reshard.c opens the folders, runs everything
 *   reshard/adopt.c   makes the folder of a single host that of the first of several
 *   reshard/plan.c    the number of each folder; what the services' rules imply
 *   reshard/route.c   where a row goes
 *   reshard/survey.c  examines all rows: what moves, what gets new numbers, what is disputed
 *   reshard/build.c   writes the new stores
 *   reshard/meta.c    their meta rows: books, clock, secrets
 *   reshard/check.c   compares them with the old ones
 *   reshard/numbers.c sets of numbers
 *   reshard/switch.c  puts them in the places of the old ones
 */
#ifndef ZINGQ_RESHARD_IMPL_H
#define ZINGQ_RESHARD_IMPL_H

#include "journal/move.h"
#include "reshard/reshard.h"
#include "store/folder.h"

/* The text in which a store keeps which host it belongs to. */
#define RESHARD_DIVISION "division"

enum keeping {
    BY_KEY,    /* each row belongs to the host of its partition */
    BY_CHANCE, /* the same, but rows without a key stay where they arrived */
    ANYWHERE,  /* several_hosts = independent */
    OWN,       /* share = no */
};

struct service_rule {
    enum keeping keeping;
    bool ordered;
    uint8_t keyless; /* the partition of the empty key */
};

struct moved {
    uint64_t waiting, dead, person; /* events; `person` counts some of the dead */
};

/* What moves from one folder to another, by the service numbers of the first. */
struct pair {
    uint16_t *numbers; /* of the same services in the second; during the build */
    struct moved *moved;
};

/* A sorted set of numbers without duplicates. */
struct numbers {
    uint64_t *at;
    size_t count, room;
};

struct folder {
    const char *path;
    bool has_store;
    int lock_fd; /* of a folder without a store; -1 = none */

    /* the old store; NULL if there is none */
    struct store *store;
    struct journal *journal;
    struct service_rule *rules; /* by service number */
    struct uuid host;
    int64_t buckets[DEDUPE_BUCKETS];
    struct numbers pending; /* hashes of idempotency keys, for signals not yet forwarded */
    struct numbers strays;  /* arrival numbers that are replaced */
    uint64_t base;          /* by this one and the following */

    /* the new store */
    char building[STORE_PATH_BYTES]; /* the folder of the new file */
    struct store *to;
    struct journal *to_journal;
    int64_t to_buckets[DEDUPE_BUCKETS];
    unsigned uncommitted;          /* rows */
    uint64_t written[TABLE_COUNT]; /* rows */

    struct reshard_view view;
};

struct reshard {
    const struct conf *conf;
    uint16_t from_count, to_count;
    struct folder *folders;
    size_t folder_count;
    struct pair *pairs;      /* folder_count squared */
    struct clock_mark mark;  /* of the folder with the latest engine time */
    int64_t now_ms;          /* engine time now */
    uint64_t last_seq;       /* the highest arrival number of all folders; later, of the new ones */
    bool independents;       /* some services have several_hosts = independent */
    bool to_all[PARTITIONS]; /* partitions whose idempotency keys go to all folders */
    bool misplaced;          /* rows with keys are at hosts that did not own their partition */
    struct numbers stray_keys;    /* values of reshard_key_of, divided by PARTITIONS */
    struct numbers keys_seen;     /* of these, times PARTITIONS plus the folder that has it */
    struct numbers disputed_keys; /* keys that several folders have, divided by PARTITIONS */
    uint64_t moves;
    struct buf key, value; /* of the row being written */
    struct buf damaged;    /* the first row that cannot be read */
};

static inline struct pair *pair_of(const struct reshard *re, size_t from, size_t to) {
    return &re->pairs[from * re->folder_count + to];
}

static inline size_t old_owner(const struct reshard *re, uint8_t partition) {
    return partition % re->from_count;
}

static inline size_t new_owner(const struct reshard *re, uint8_t partition) {
    return partition % re->to_count;
}

static inline bool remains(const struct reshard *re, size_t folder) {
    return folder < re->to_count;
}

/* The folder itself, or the one that takes what an emptied folder must not keep. */
static inline size_t heir_of(const struct reshard *re, size_t folder) {
    return folder % re->to_count;
}

/* reshard/plan.c */
/* Determines and checks the numbers of the folders. After the rules. ERR_INVALID. */
int reshard_plan(struct reshard *re, struct report *r);
/* What topics.conf says about the services that the stores know. ERR_MEMORY. */
int reshard_read_rules(struct reshard *re);

/* What a store says about itself: "3/1", number 1 of 3; "0/0" if a reshard emptied it. A store that
 * says nothing belongs to a single host. Within a transaction. */
int reshard_read_division(struct journal *j, const char *path, struct division *out,
                          struct report *r);

/* reshard/route.c */
struct route {
    size_t to;
    bool stray;    /* it joins others, so it gets a new arrival number */
    bool gone;     /* its owner has it: it goes nowhere */
    bool disputed; /* it should move, but a row is already there */
};

/* Not for meta rows and idempotency keys. ERR_CORRUPT. */
int reshard_route(struct reshard *re, size_t from, enum store_table t, struct slice key,
                  struct slice value, struct row_sight *sight, struct route *out);
/* Where an idempotency key goes, or the result of a publish. */
struct targets {
    uint64_t folders; /* one bit each */
    bool renumbered;  /* the outbox row that it names gets a new number there */
};

int reshard_note_targets(struct reshard *re, size_t from, struct slice key,
                         const struct row_sight *sight, struct targets *out);
/* A signal that waits for its host and came under an idempotency key is known by that key here, but
 * there it must not be taken for a duplicate. ERR_MEMORY. */
int reshard_note_pending(struct reshard *re, size_t from, struct slice record);
/* A number that identifies the row's key, for rows that must not be merged with those of the same
 * key: state, locks, and where events of ordered services wait. False: not such a row. */
bool reshard_key_of(const struct reshard *re, size_t from, enum store_table t,
                    const struct row_sight *sight, uint64_t *hash);

/* Called with each row of a folder's table. */
typedef int reshard_visit(struct reshard *re, size_t from, enum store_table t, struct slice key,
                          struct slice value);

/* A row of a table that is routed, and where it goes. */
struct routed_row {
    size_t from;
    enum store_table table;
    struct slice key, value;
    struct row_sight sight;
    struct route route;
};

/* How to handle rows of each kind on their way to their folder. */
struct row_visitor {
    reshard_visit *note; /* an idempotency key, which may go to several folders */
    int (*aside)(struct folder *to, enum store_table t, struct slice key, struct slice value);
    int (*cursor)(struct folder *to, const struct row_sight *sight, struct slice value);
    int (*row)(struct reshard *re, const struct routed_row *row); /* all others except meta rows */
};

/* Routes the row of folder `from` and passes it to the visitor. ERR_CORRUPT, or the visitor's
 * error. */
int reshard_visit_row(struct reshard *re, size_t from, enum store_table t, struct slice key,
                      struct slice value, const struct row_visitor *visitor);

/* reshard/numbers.c */
/* The arrival number that replaces this one, or this one itself. */
uint64_t reshard_seq(const struct folder *f, uint64_t seq);
/* ERR_MEMORY. Sort it before searching. */
int numbers_add(struct numbers *n, uint64_t number);
void numbers_sort(struct numbers *n);
bool numbers_have(const struct numbers *n, uint64_t number);

/* reshard/survey.c */
/* Calls visit for each row of the folder; of all folders. */
int reshard_walk_folder(struct reshard *re, size_t from, reshard_visit *visit);
int reshard_walk(struct reshard *re, reshard_visit *visit);
int reshard_survey(struct reshard *re, struct report *r);

/* reshard/build.c */
int reshard_build(struct reshard *re, struct report *r);
/* Puts the row for the other folder into re->key and re->value. */
int reshard_rewrite(struct reshard *re, size_t from, size_t to, enum store_table t,
                    struct slice key, struct slice value, const struct row_sight *sight,
                    bool stray);

/* reshard/meta.c */
/* Prepares the new store for incoming rows: service numbers, buckets. Within its transaction, like
 * the next function. */
int reshard_begin_meta(struct reshard *re, size_t to, struct report *r);
int reshard_write_meta(struct reshard *re, size_t to, struct report *r);
/* What the folder's own store counts, or will count. */
int reshard_books(struct journal *j, const char *service, struct books *out);
void reshard_add_books(struct books *b, const struct books *more);

/* reshard/check.c */
int reshard_check(struct reshard *re, struct report *r);

/* reshard/switch.c */
/* Puts the new stores, which are closed, in the places of the old ones. */
int reshard_switch(struct reshard *re, struct report *r);
/* Removes the new files. */
void reshard_drop(struct reshard *re);

#endif
