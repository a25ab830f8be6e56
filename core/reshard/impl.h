/*
 * impl.h - what the files of reshard share; nobody else includes it.
 *
 *   reshard/reshard.c         the folders are opened, the whole is run
 *   reshard/adopt.c   a host's folder becomes that of the first of several
 *   reshard/plan.c    which folder has which number; what the services' rules mean
 *   reshard/route.c   where a row goes
 *   reshard/survey.c  all rows are looked at: what moves, what gets new numbers, what is disputed
 *   reshard/build.c   the new stores are written
 *   reshard/meta.c    their meta rows: books, clock, secrets
 *   reshard/check.c   they are compared with the old ones
 *   reshard/numbers.c sets of numbers
 *   reshard/switch.c  they take the places of the old ones
 */
#ifndef ZINGQ_RESHARD_IMPL_H
#define ZINGQ_RESHARD_IMPL_H

#include "journal/move.h"
#include "reshard/reshard.h"
#include "store/folder.h"

/* The text in which a store keeps which host's it is. */
#define RESHARD_DIVISION "division"

enum keeping {
    BY_KEY,    /* each row with the host of its partition */
    BY_CHANCE, /* the same, but what has no key is where it arrived */
    ANYWHERE,  /* several_hosts = independent */
    OWN,       /* share = no */
};

struct service_rule {
    enum keeping keeping;
    bool ordered;
    uint8_t keyless; /* the partition of the empty key */
};

struct moved {
    uint64_t waiting, dead, person; /* events; person: of the dead */
};

/* From one folder to another, by the services' numbers in the first. */
struct pair {
    uint16_t *numbers; /* of the services in the second; while it is built */
    struct moved *moved;
};

/* A sorted set of numbers, each there once. */
struct numbers {
    uint64_t *at;
    size_t count, room;
};

struct folder {
    const char *path;
    bool has_store;
    int lock_fd; /* of a folder without a store; -1 = none */

    /* as it is; NULL without a store */
    struct store *store;
    struct journal *journal;
    struct service_rule *rules; /* by service number */
    struct uuid host;
    int64_t buckets[DEDUPE_BUCKETS];
    struct numbers
        pending;           /* hashes of idempotency keys, of signals still on their way to others */
    struct numbers strays; /* arrival numbers that are replaced, */
    uint64_t base;         /* by this and those that follow */

    /* as it will be */
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
    struct pair *pairs;        /* folder_count squared */
    struct clock_mark mark;    /* of the folder whose engine time is the latest, */
    int64_t now_ms;            /* and what it is now */
    uint64_t last_seq;         /* the highest arrival number of all folders; then of the new ones */
    bool independents;         /* there are services with several_hosts = independent */
    bool to_all[PARTITIONS];   /* their idempotency keys are for all folders */
    bool misplaced;            /* rows of keys are with hosts that had not their partition */
    struct numbers stray_keys; /* as reshard_key_of has them, / PARTITIONS */
    struct numbers keys_seen;  /* of these, * PARTITIONS + the folder that has it */
    struct numbers disputed_keys; /* that several have, / PARTITIONS */
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

/* The folder itself, or who takes what an emptied one must not keep. */
static inline size_t heir_of(const struct reshard *re, size_t folder) {
    return folder % re->to_count;
}

/* reshard/plan.c */
/* The numbers of the folders, checked. After the rules. ERR_INVALID. */
int reshard_plan(struct reshard *re, struct report *r);
/* What topics.conf says of the services that the stores know. ERR_MEMORY. */
int reshard_read_rules(struct reshard *re);

/* What a store says of itself: "3/1", number 1 of 3; "0/0" when a reshard emptied it. One that says
 * nothing is of a host alone. Within a transaction. */
int reshard_read_division(struct journal *j, const char *path, struct division *out,
                          struct report *r);

/* reshard/route.c */
struct route {
    size_t to;
    bool stray;    /* it comes among others: a new arrival number */
    bool gone;     /* the owner has it: it goes nowhere */
    bool disputed; /* it would go elsewhere, but for what is there */
};

/* Not for meta rows and idempotency keys. ERR_CORRUPT. */
int reshard_route(struct reshard *re, size_t from, enum store_table t, struct slice key,
                  struct slice value, struct row_sight *sight, struct route *out);
/* Where an idempotency key goes, or what became of a publish. */
struct targets {
    uint64_t folders; /* a bit each */
    bool renumbered;  /* the outbox row that it names has a new number there */
};

int reshard_note_targets(struct reshard *re, size_t from, struct slice key,
                         const struct row_sight *sight, struct targets *out);
/* A signal that waits for its host, and came under an idempotency key, is known by it here: but
 * there it must not be taken for one that has come already. ERR_MEMORY. */
int reshard_note_pending(struct reshard *re, size_t from, struct slice record);
/* What tells the row's key from all others, for rows that must not meet those of the same key:
 * state, locks, and where an ordered service's events wait. False: it is no such row. */
bool reshard_key_of(const struct reshard *re, size_t from, enum store_table t,
                    const struct row_sight *sight, uint64_t *hash);

/* Is given each row of a folder's table. */
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

/* What is done with rows of each kind, on their way to the folder that they are routed to. */
struct row_visitor {
    reshard_visit *note; /* an idempotency key, which may go to several */
    int (*aside)(struct folder *to, enum store_table t, struct slice key, struct slice value);
    int (*cursor)(struct folder *to, const struct row_sight *sight, struct slice value);
    int (*row)(struct reshard *re, const struct routed_row *row); /* any other but meta rows */
};

/* Routes the row of folder `from` and hands it to the visitor. ERR_CORRUPT, or the visitor's error. */
int reshard_visit_row(struct reshard *re, size_t from, enum store_table t, struct slice key,
                      struct slice value, const struct row_visitor *visitor);

/* reshard/numbers.c */
/* The arrival number that takes the place of this one, or itself. */
uint64_t reshard_seq(const struct folder *f, uint64_t seq);
/* ERR_MEMORY. To be sorted before it is asked. */
int numbers_add(struct numbers *n, uint64_t number);
void numbers_sort(struct numbers *n);
bool numbers_have(const struct numbers *n, uint64_t number);

/* reshard/survey.c */
/* Calls visit for each row of the folder, and of all folders. */
int reshard_walk_folder(struct reshard *re, size_t from, reshard_visit *visit);
int reshard_walk(struct reshard *re, reshard_visit *visit);
int reshard_survey(struct reshard *re, struct report *r);

/* reshard/build.c */
int reshard_build(struct reshard *re, struct report *r);
/* The row as it is to be in the other folder, into re->key and re->value. */
int reshard_rewrite(struct reshard *re, size_t from, size_t to, enum store_table t,
                    struct slice key, struct slice value, const struct row_sight *sight,
                    bool stray);

/* reshard/meta.c */
/* What the rows that come need of the new store: numbers, buckets. Within its transaction, as the
 * next. */
int reshard_begin_meta(struct reshard *re, size_t to, struct report *r);
int reshard_write_meta(struct reshard *re, size_t to, struct report *r);
/* What the folder's own store has counted, or will have. */
int reshard_books(struct journal *j, const char *service, struct books *out);
void reshard_add_books(struct books *b, const struct books *more);

/* reshard/check.c */
int reshard_check(struct reshard *re, struct report *r);

/* reshard/switch.c */
/* The new stores, closed, take the places of the old ones. */
int reshard_switch(struct reshard *re, struct report *r);
/* Removes what was built. */
void reshard_drop(struct reshard *re);

#endif
