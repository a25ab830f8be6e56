/*
 * audit.c - audit: who changed what on the host, and when; read from the data folder.
 */
#include "cli/audit.h"

#include "base/json.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/table.h"
#include "cli/tell.h"
#include "cli/time.h"
#include "web/admin/audit.h"

#include <inttypes.h>

enum { CELL_BYTES_MAX = 1 << 16 };

static const struct table_column columns[] = {
    {"AT", false}, {"WHO", false}, {"FROM", false}, {"STATUS", true}, {"WHAT", false}};

struct changes {
    struct table *table;
    json_t *list; /* with --json */
    size_t count;
};

static void add_text(struct buf *text, const json_t *record, const char *name) {
    const char *value = json_string_value(json_object_get(record, name));
    text_add_safe(text, slice_of(value));
}

/* Ids in it are short. */
static void add_path(struct buf *text, const char *path) {
    while (path != NULL && *path != '\0') {
        struct slice part = {path, strcspn(path, "/")};
        text_add_id(text, part);
        path += part.len;
        if (*path == '/') {
            buf_add_u8(text, '/');
            path++;
        }
    }
}

void cli_add_change(struct buf *text, const json_t *record) {
    const char *name;
    json_t *value;
    char before = '?';
    add_text(text, record, "method");
    buf_add_u8(text, ' ');
    add_path(text, json_string_value(json_object_get(record, "path")));
    json_object_foreach(json_object_get(record, "query"), name, value) {
        buf_add_u8(text, (uint8_t)before);
        text_add_safe(text, slice_of(name));
        buf_add_u8(text, '=');
        text_add_safe(text, slice_of(json_string_value(value)));
        before = '&';
    }
}

static bool add_change(void *ctx, json_t *record) {
    static const char *const cells[] = {"at", "who", "from"};
    struct changes *changes = ctx;
    struct buf text;
    changes->count++;
    if (changes->list != NULL) {
        return json_array_append(changes->list, record) == 0;
    }
    buf_init(&text, CELL_BYTES_MAX);
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        add_text(&text, record, cells[i]);
        table_take(changes->table, STYLE_PLAIN, &text);
    }
    const json_t *status = json_object_get(record, "status");
    if (status == NULL) {
        buf_add_u8(&text, '?');
    } else {
        buf_printf(&text, "%" PRId64, (int64_t)json_integer_value(status));
    }
    table_take(changes->table, STYLE_PLAIN, &text);
    cli_add_change(&text, record);
    table_take(changes->table, STYLE_PLAIN, &text);
    buf_clear(&text);
    return true;
}

static int print_changes(struct cli *cli, struct changes *changes) {
    if (changes->list != NULL) {
        return cli_print_json(json_incref(changes->list));
    }
    if (changes->count == 0) {
        (void)printf("nothing was changed\n");
        return 0;
    }
    int code = table_print(changes->table, stdout, cli->colour, table_terminal_width());
    return code == 0 ? 0 : cli_fail(code, "%s", error_text(code));
}

int cli_changed_since(const struct cli *cli, int64_t *ms) {
    const char *since = cli_option(cli, "since");
    struct report r = {""};
    *ms = 0;
    if (since != NULL && time_parse(since, cli->now_ms, ms, &r) != 0) {
        return cli_misused(cli, "--since: %s", r.text);
    }
    return 0;
}

/* Newest first, as lists of several hosts become one. */
static bool gather_change(void *ctx, json_t *record) {
    return json_array_insert(ctx, 0, record) == 0;
}

int cli_audit(struct cli *cli) {
    struct report r = {""};
    bool whole;
    int64_t since_ms = 0;
    int status = cli_changed_since(cli, &since_ms);
    status = status == 0 ? cli_find_data(cli) : status;
    if (status != 0) {
        return status;
    }
    if (cli->gathered != NULL) {
        int code = audit_read(cli->data, since_ms, 0, &whole, cli->gathered, gather_change, &r);
        return code == 0 ? 0 : cli_fail(code, "%s", r.text);
    }
    struct changes changes = {.table = table_new(columns, sizeof columns / sizeof *columns),
                              .list = cli->json ? json_array() : NULL};
    if (changes.table == NULL || (cli->json && changes.list == NULL)) {
        status = cli_fail(ERR_MEMORY, "out of memory");
    } else {
        int code = audit_read(cli->data, since_ms, 0, &whole, &changes, add_change, &r);
        status = code == 0 ? print_changes(cli, &changes) : cli_fail(code, "%s", r.text);
    }
    table_free(changes.table);
    json_decref(changes.list);
    return status;
}
