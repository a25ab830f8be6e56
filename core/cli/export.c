/*
 * export.c - export: everything in the store, as lines of JSON; --salvage: everything that is still
 * readable in a damaged store.
 *
 * Each line has a "kind": event (like a dead letter in `dlq export`), state, lock, publish (one
 * that waits for the broker, or for its time), append (a line for a file). A damaged store is first
 * copied without the unreadable parts, and the copy is exported.
 */
#include "cli/impl.h"

#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/temp.h"
#include "query/dead.h"
#include "query/json.h"
#include "query/life.h"
#include "query/salvage.h"
#include "query/state.h"
#include "store/folder.h"
#include "journal/event.h"
#include "journal/later.h"
#include "journal/outbox.h"
#include "journal/keyed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACE_BYTES = KEY_BYTES_MAX + STATE_NAME_BYTES_MAX };

/* ---- lines ---- */

static int print_line(struct cli *cli, const char *kind, json_t *line) {
    if (line == NULL || json_object_set_new(line, "kind", json_string(kind)) != 0) {
        json_decref(line);
        return ERR_MEMORY;
    }
    int code = cli_print_json_line(cli, line) == 0 ? 0 : ERR_MEMORY;
    return code == 0 ? cli_breathe(cli) : code;
}

static int export_event(struct cli *cli, struct event *event) {
    struct life life;
    int code = life_read(cli->journal, event, &life);
    if (code != 0) {
        return code;
    }
    bool dead = event_state_dead((enum event_state)life.event->state);
    json_t *line = dead ? dead_letter_json(cli->journal, &life) : life_json(cli->journal, &life);
    life_clear(&life);
    return print_line(cli, "event", line);
}

static int export_events(struct cli *cli) {
    struct event_place at = {0};
    struct event *event = NULL;
    int code;
    while ((code = journal_event_scan(cli->journal, &at, &event)) == 0) {
        code = export_event(cli, event);
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* Copies a cell out of the store, whose transaction ends between two lines. */
static void keep_place(struct cell *cell, char room[PLACE_BYTES]) {
    memcpy(room, cell->key.data, cell->key.len);
    memcpy(room + cell->key.len, cell->name.data, cell->name.len);
    cell->key.data = room;
    cell->name.data = room + cell->key.len;
}

static int export_cell(struct cli *cli, const struct cell *cell, bool lock) {
    struct buf text;
    struct state_item item;
    buf_init(&text, (size_t)1 << 30);
    int code = state_read(cli->journal, cell, lock, cli->now_ms, &text, &item);
    json_t *line = code == 0 ? state_item_json(&item) : NULL;
    buf_clear(&text);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code; /* expired in the meantime */
    }
    if (line != NULL && !look_json_text(line, "service", cli_service_name(cli, cell->service))) {
        json_decref(line);
        line = NULL;
    }
    return print_line(cli, lock ? "lock" : "state", line);
}

static int export_cells(struct cli *cli, enum store_table table) {
    char room[PLACE_BYTES];
    struct cell cell = {0};
    struct slice value;
    int code;
    while ((code = journal_cell_scan(cli->journal, table, &cell, &value)) == 0) {
        if (cell.key.len + cell.name.len > sizeof room) {
            return ERR_CORRUPT;
        }
        keep_place(&cell, room);
        code = export_cell(cli, &cell, table == TABLE_LOCK);
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static json_t *publish_json(const struct publication *p, int64_t due_ms) {
    char id[UUID_TEXT_BYTES + 1];
    json_t *line = json_pack("{s:s, s:i, s:b}", "id", uuid_text(&p->id, id), "qos", (int)p->qos,
                             "retain", (int)p->retain);
    bool ok = line != NULL && look_json_bytes(line, "topic", p->topic) &&
              look_json_bytes(line, "payload", p->payload) &&
              look_json_bytes(line, "key", p->key) &&
              look_json_bytes(line, "content_type", p->content_type) &&
              look_json_properties(line, p->properties) && look_json_time(line, "due_at", due_ms);
    if (!ok) {
        json_decref(line);
        return NULL;
    }
    return line;
}

static int export_outbox(struct cli *cli) {
    uint64_t seq = 0;
    struct slice record;
    int code;
    while ((code = journal_outbox_next(cli->journal, &seq, &record)) == 0) {
        struct publication p;
        code = publication_decode(record, &p);
        code = code == 0 ? print_line(cli, "publish", publish_json(&p, 0)) : code;
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int export_delayed(struct cli *cli) {
    struct uuid id = {{0}};
    struct delayed delayed;
    struct publication p;
    int code;
    while ((code = journal_delayed_next(cli->journal, &id, &delayed, &p)) == 0) {
        code = print_line(cli, "publish",
                          publish_json(&p, clock_due(delayed.due_ms, delayed.by_wall)));
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int export_appends(struct cli *cli) {
    uint8_t partition = 0;
    uint64_t seq = 0;
    struct slice file;
    struct slice text;
    int code;
    while ((code = journal_append_next(cli->journal, &partition, &seq, &file, &text)) == 0) {
        json_t *line = json_object();
        if (line != NULL &&
            !(look_json_bytes(line, "file", file) && look_json_bytes(line, "line", text))) {
            json_decref(line);
            line = NULL;
        }
        code = print_line(cli, "append", line);
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int export_all(struct cli *cli) {
    int code = cli_begin(cli);
    code = code == 0 ? export_events(cli) : code;
    code = code == 0 ? export_cells(cli, TABLE_STATE) : code;
    code = code == 0 ? export_cells(cli, TABLE_LOCK) : code;
    code = code == 0 ? export_outbox(cli) : code;
    code = code == 0 ? export_delayed(cli) : code;
    code = code == 0 ? export_appends(cli) : code;
    cli_end(cli);
    return code == 0 ? EXIT_GOOD : cli_read_failed(code);
}

/* ---- salvage ---- */

static void tell_loss(void *ctx, const char *text) {
    (void)ctx;
    (void)cli_fail(0, "lost: %s", text);
}

static void tell_found(void *ctx, const char *table, uint64_t pages) {
    (void)ctx;
    (void)cli_fail(0, "recovered below lost pages: %" PRIu64 " pages of table %s", pages, table);
}

static int make_folder(char folder[STORE_PATH_BYTES]) {
    struct report r;
    int code = temp_folder_new("salvage", folder, STORE_PATH_BYTES, &r);
    return code == 0
               ? 0
               : cli_fail(ERR_DISK, "%s; set TMPDIR to another folder, or use --into DIR", r.text);
}

static int salvage_into(struct cli *cli, const char *into) {
    struct salvage salvage = {.on_loss = tell_loss, .on_found = tell_found};
    struct report r = {""};
    int code = store_salvage(&salvage, cli->data, into, &r);
    if (code != 0) {
        (void)cli_fail(code, "%s", r.text);
        return EXIT_CANNOT_RUN;
    }
    (void)cli_fail(0, "%" PRIu64 " records saved, %" PRIu64 " lost, named above", salvage.rows,
                   salvage.lost);
    char *copy = slice_dup(slice_of(into));
    if (copy == NULL) {
        return cli_fail(ERR_MEMORY, "out of memory");
    }
    free(cli->data);
    cli->data = copy;
    int status = cli_open_store(cli);
    return status == 0 ? export_all(cli) : status;
}

static int salvage(struct cli *cli) {
    const char *into = cli_option(cli, "into");
    char folder[STORE_PATH_BYTES];
    int status = cli_find_data(cli);
    if (status != 0) {
        return status;
    }
    if (into != NULL) {
        return salvage_into(cli, into);
    }
    status = make_folder(folder);
    if (status == 0) {
        status = salvage_into(cli, folder);
        store_folder_remove(folder); /* the copied store */
    }
    return status;
}

int cli_export(struct cli *cli) {
    if (cli_flag(cli, "salvage")) {
        return salvage(cli);
    }
    if (cli_option(cli, "into") != NULL) {
        return cli_misused(cli, "--into requires --salvage");
    }
    int status = cli_open_store(cli);
    return status == 0 ? export_all(cli) : status;
}
