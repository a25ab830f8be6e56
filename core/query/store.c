/*
 * store.c - see query/store.h.
 */
#include "query/store.h"

#include "base/buf.h"
#include "event/event.h"
#include "journal/event.h"
#include "journal/letter.h"
#include "query/json.h"
#include "store/store.h"
#include "store/pages.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES_MAX = 8192 };

static const char *const mend_pages = "restore a complete copy of the data folder, or save what is "
                                      "readable: `zingq export --salvage`";
static const char *const mend_record = "nothing to do: the host sets it aside when it reads it";
static const char *const mend_kept =
    "each read of it fails, in this key only, until a handler overwrites it";
static const char *const mend_aside =
    "nothing to do: its bytes are kept until `zingq compact --drop-aside`";
static const char *const mend_lists =
    "`zingq export --salvage` makes a store whose first start puts it there again";
static const char *const mend_restart = "restart the host: it repairs this when it loads the store";

struct look {
    struct store_exam *exam;
    struct journal *journal; /* NULL = the store cannot be opened */
    bool failed;             /* out of memory */
};

static int find(struct look *look, const char *where, const char *what, const char *mend) {
    struct store_exam *exam = look->exam;
    if (exam->count++ >= STORE_FINDINGS_MAX) {
        return 0;
    }
    json_t *one = json_object();
    bool ok = one != NULL && look_json_bytes(one, "where", slice_of(where)) &&
              look_json_text(one, "what", what) && look_json_text(one, "mend", mend);
    if (!ok || json_array_append(exam->findings, one) != 0) {
        look->failed = true;
    }
    json_decref(one);
    return look->failed ? ERR_MEMORY : 0;
}

static int find_row(struct look *look, enum store_table t, struct slice key, const char *what,
                    const char *mend) {
    struct buf where;
    buf_init(&where, TEXT_BYTES_MAX);
    journal_key_text(look->journal, t, key, &where);
    int code = find(look, buf_str(&where), what, mend);
    buf_clear(&where);
    return code;
}

static int find_event(struct look *look, const char *kind, const struct uuid *id, uint16_t service,
                      const char *what, const char *mend) {
    char text[UUID_TEXT_BYTES + 1];
    struct buf where;
    buf_init(&where, TEXT_BYTES_MAX);
    buf_printf(&where, "%s %s of service \"%s\"", kind, uuid_text(id, text),
               look_service_name(look->journal, service));
    int code = find(look, buf_str(&where), what, mend);
    buf_clear(&where);
    return code;
}

/* --- pages and records --- */

static bool is_kept(enum store_table t) {
    return t == TABLE_STATE || t == TABLE_LOCK || t == TABLE_STEP;
}

static int on_row(void *ctx, struct slice table, struct slice key, struct slice value) {
    struct look *look = ctx;
    enum store_table t;
    char name[STORE_TABLE_NAME_BYTES];
    if (!store_table_named(table, &t)) {
        return 0; /* of a newer version */
    }
    (void)store_table_name(t, name);
    json_int_t rows = json_integer_value(json_object_get(look->exam->rows, name));
    if (json_object_set_new(look->exam->rows, name, json_integer(rows + 1)) != 0) {
        return ERR_MEMORY;
    }
    int code = journal_check_row(t, key, value);
    if (code == ERR_CORRUPT) {
        return find_row(look, t, key, "cannot be read", is_kept(t) ? mend_kept : mend_record);
    }
    return code;
}

static int on_flaw(void *ctx, struct slice table, const char *text) {
    struct look *look = ctx;
    struct buf where;
    look->exam->pages_sound = false;
    buf_init(&where, TEXT_BYTES_MAX);
    buf_add_str(&where, table.len == 0 ? "the list of tables" : "table ");
    buf_add_slice(&where, table);
    int code = find(look, buf_str(&where), text, mend_pages);
    buf_clear(&where);
    return code;
}

/* --- consistency between tables --- */

static int check_aside(struct look *look) {
    struct aside_row row = {.number = 0};
    int code;
    while ((code = journal_aside_next(look->journal, &row)) == 0) {
        enum store_table t;
        if (store_table_named(row.table, &t)) {
            code = find_row(look, t, row.key, "could not be read and was set aside", mend_aside);
        }
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* A row of another table that represents an event. */
static int check_stand_in(struct look *look, const char *kind, uint8_t partition,
                          const struct uuid *id, uint16_t service, bool dead) {
    struct event *event = NULL;
    int code = journal_event_get(look->journal, partition, id, service, &event);
    if (code == ERR_NOTFOUND) {
        return find_event(look, kind, id, service, "refers to an event that does not exist",
                          dead ? "nothing: listings pass it over"
                               : "nothing to do: the host drops it when its turn comes");
    }
    bool sound = code != 0 || event_state_dead((enum event_state)event->state) == dead ||
                 (!dead && event->parked);
    event_free(event);
    return sound ? code
                 : find_event(look, kind, id, service, "refers to an event in another state",
                              "report it: that is a fault of zingq");
}

/* Whether lists by time have the letter, where they go by rows of their own. */
static int check_listed(struct look *look, const struct dead_row *dead) {
    bool all = false;
    int code = journal_letters_all(look->journal, &all);
    if (code != 0 || !all) {
        return code;
    }
    code = ERR_NOTFOUND;
    for (uint8_t kind = 0; code == ERR_NOTFOUND && kind < LETTER_KINDS; kind++) {
        struct letter_row row = {.partition = dead->partition,
                                 .service = dead->service,
                                 .kind = kind,
                                 .dead_ms = dead->dead_ms,
                                 .id = dead->id};
        code = journal_letter_get(look->journal, &row);
    }
    return code != ERR_NOTFOUND ? code
                                : find_event(look, "dead letter", &dead->id, dead->service,
                                             "is missing in the lists by time", mend_lists);
}

static int check_rows(struct look *look) {
    struct row ready = {0};
    struct row lane = {0};
    struct dead_row dead = {0};
    int code = 0;
    while (code == 0 && (code = journal_ready_scan(look->journal, &ready)) == 0) {
        code = check_stand_in(look, "ready row", ready.partition, &ready.id, ready.service, false);
    }
    code = code == ERR_NOTFOUND ? 0 : code;
    while (code == 0 && (code = journal_lane_scan(look->journal, &lane)) == 0) {
        code = check_stand_in(look, "lane row", lane.partition, &lane.id, lane.service, false);
    }
    code = code == ERR_NOTFOUND ? 0 : code;
    while (code == 0 && (code = journal_dead_next(look->journal, &dead)) == 0) {
        code = check_stand_in(look, "dead letter", dead.partition, &dead.id, dead.service, true);
        code = code == 0 ? check_listed(look, &dead) : code;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* How many events of a service are waiting, and dead. */
struct tally {
    uint64_t waiting, dead;
};

static int check_event(struct look *look, const struct event *event, struct tally *tally) {
    bool waits = !event_state_ended((enum event_state)event->state);
    bool placed = false;
    tally->waiting += waits ? 1 : 0;
    tally->dead += event_state_dead((enum event_state)event->state) ? 1 : 0;
    int code = waits || event->parked ? journal_event_placed(look->journal, event, &placed) : 0;
    if (code != 0 || placed || !(waits || event->parked)) {
        return code;
    }
    return find_event(look, "event", &event->id, event->service,
                      "waits, but no row gives its position", mend_restart);
}

static int check_events(struct look *look, struct tally *tallies, size_t count) {
    struct event_place at = {0};
    struct event *event = NULL;
    struct tally other = {0};
    int code;
    while ((code = journal_event_scan(look->journal, &at, &event)) == 0) {
        code = check_event(look, event, at.service < count ? &tallies[at.service] : &other);
        event_free(event);
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int check_books(struct look *look, const struct tally *tallies, size_t count) {
    for (uint16_t i = 0; i < count; i++) {
        struct books books;
        char where[64 + NAME_BYTES_MAX];
        char what[256];
        int code = journal_books_get(look->journal, i, &books);
        if (code != 0) {
            return code;
        }
        if (books_waiting(&books) == tallies[i].waiting && books.dead == tallies[i].dead) {
            continue;
        }
        (void)snprintf(where, sizeof where, "books of service \"%s\"",
                       look_service_name(look->journal, i));
        (void)snprintf(what, sizeof what,
                       "say that %llu events wait and %llu are dead; %llu and %llu are",
                       (unsigned long long)books_waiting(&books), (unsigned long long)books.dead,
                       (unsigned long long)tallies[i].waiting, (unsigned long long)tallies[i].dead);
        code = find(look, where, what, mend_restart);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

static int check_tables(struct look *look, struct store *store) {
    size_t count = journal_service_count(look->journal);
    struct tally *tallies = calloc(count + 1, sizeof *tallies);
    if (tallies == NULL) {
        return ERR_MEMORY;
    }
    int code = store_begin(store);
    if (code == 0) {
        code = check_aside(look);
        code = code == 0 ? check_rows(look) : code;
        code = code == 0 ? check_events(look, tallies, count) : code;
        code = code == 0 ? check_books(look, tallies, count) : code;
        store_abort(store);
    }
    free(tallies);
    return code;
}

/* --- the whole examination --- */

/* Nothing but what opening it has written. */
static bool is_empty(const struct store_exam *exam) {
    char meta[STORE_TABLE_NAME_BYTES];
    (void)store_table_name(TABLE_META, meta);
    return exam->count == 0 &&
           json_object_size(exam->rows) == (json_object_get(exam->rows, meta) == NULL ? 0 : 1);
}

/* *out NULL when it cannot be opened, which is a finding; ERR_BUSY: it can be later; ERR_NOTFOUND: there
 * is nothing in it yet. */
static int open_store(struct look *look, const char *folder, struct store **out, struct report *r) {
    const struct store_options options = {.path = folder, .read_only = true};
    int code = store_open(out, &options, r);
    if (code == 0) {
        code = journal_open(&look->journal, *out, 0, r);
        if (code != 0) {
            store_close(*out);
        }
    }
    if (code == 0) {
        return 0;
    }
    *out = NULL;
    if (code == ERR_BUSY) {
        return code;
    }
    if (code == ERR_NOTFOUND && is_empty(look->exam)) {
        return report(r, code,
                      "the store at %s is empty: its host was ended before it had begun; the next "
                      "start makes it, or fills it from its log (store.url)",
                      folder);
    }
    look->exam->pages_sound = false;
    (void)find(look, "the store", r->text, mend_pages);
    return 0;
}

int store_examine(struct store_exam *exam, const char *folder, struct report *r) {
    *exam =
        (struct store_exam){.findings = json_array(), .rows = json_object(), .pages_sound = true};
    struct look look = {.exam = exam};
    const struct store_survey survey = {
        .on_row = on_row, .on_flaw = on_flaw, .fits = journal_row_fits, .ctx = &look};
    if (exam->findings == NULL || exam->rows == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    int code = store_survey(folder, &survey, r);
    struct store *store = NULL;
    code = code == 0 ? open_store(&look, folder, &store, r) : code;
    if (store != NULL && exam->pages_sound) {
        code = check_tables(&look, store);
        code = code == 0 ? 0 : report(r, code, "reading the store failed: %s", error_text(code));
    }
    journal_close(look.journal);
    store_close(store);
    return look.failed ? report(r, ERR_MEMORY, "out of memory") : code;
}

void store_exam_clear(struct store_exam *exam) {
    json_decref(exam->findings);
    json_decref(exam->rows);
}
