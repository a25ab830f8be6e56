/* write.c - a store as lines of JSON: see export/export.h. */
#include "export/impl.h"
#include "export/record.h"
#include "query/json.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- the first line and the last --- */

static json_t *services_json(const struct journal *j) {
    json_t *list = json_array();
    for (uint16_t i = 0; list != NULL && i < journal_service_count(j); i++) {
        const char *name = journal_service_name(j, i);
        if (json_array_append_new(list, name == NULL ? json_null() : json_string(name)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

/* The rows of each table, but of meta. */
static json_t *rows_json(struct store *store) {
    char name[STORE_TABLE_NAME_BYTES];
    json_t *rows = json_object();
    for (unsigned t = TABLE_META + 1; rows != NULL && t < TABLE_COUNT; t++) {
        uint64_t count = store_rows(store, (enum store_table)t);
        if (count > 0 &&
            !look_json_count(rows, store_table_name((enum store_table)t, name), count)) {
            json_decref(rows);
            rows = NULL;
        }
    }
    return rows;
}

static int write_first(struct export_writer *w, struct journal *j) {
    uint32_t schema = 0;
    int code = store_schema(journal_store(j), &schema);
    if (code != 0) {
        return code;
    }
    code = export_line(w, json_pack("{s:s, s:i, s:s, s:i, s:i, s:o, s:o}", "kind", EXPORT_FIRST,
                                    "format", EXPORT_FORMAT, "zingq", ZINGQ_VERSION, "schema",
                                    (int)schema, "partitions", PARTITIONS, "services",
                                    services_json(j), "rows", rows_json(journal_store(j))));
    w->sums->records = 0;
    return code;
}

static int write_last(struct export_writer *w) {
    unsigned char sum[crypto_hash_sha256_BYTES];
    char text[2 * sizeof sum + 1];
    uint64_t records = w->sums->records;
    (void)crypto_hash_sha256_final(&w->sum, sum);
    int code = export_line(w, json_pack("{s:s, s:I, s:s}", "kind", EXPORT_LAST, "records",
                                        (json_int_t)records, "sha256",
                                        sodium_bin2hex(text, sizeof text, sum, sizeof sum)));
    w->sums->records = records;
    return code;
}

/* --- rows --- */

/* One that cannot be read: it will be found damaged where it is imported, too. */
static json_t *row_as_stored(struct export_writer *w, enum store_table t, struct slice key,
                             struct slice value) {
    char name[STORE_TABLE_NAME_BYTES];
    json_t *object =
        json_pack("{s:s, s:s}", "kind", EXPORT_ROW, "table", store_table_name(t, name));
    bool ok = object != NULL && look_json_bytes(object, "key", key) &&
              look_json_bytes(object, "value", value);
    w->sums->damaged++;
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static int write_row(struct export_writer *w, enum store_table t, struct slice key,
                     struct slice value, const struct service_names *services) {
    if (journal_row_is_own(t, key)) {
        return 0;
    }
    const struct layout *l = layout_of(t, key);
    int code = journal_check_row(t, key, value);
    if (code != 0 && code != ERR_CORRUPT) {
        return code;
    }
    json_t *object = NULL;
    if (code == 0 && l != NULL) {
        object = record_show(l, t, key, value, services, &code);
    }
    if (object == NULL && code != ERR_MEMORY) {
        object = row_as_stored(w, t, key, value);
    }
    return export_line(w, object);
}

static int write_table(struct export_writer *w, struct store *store, enum store_table t,
                       const struct service_names *services) {
    char bytes[STORE_KEY_BYTES_MAX];
    struct slice at = {bytes, 0};
    struct slice key;
    struct slice value;
    int code;
    while ((code = store_seek(store, t, at, at.len > 0, &key, &value)) == 0) {
        code = key.len > sizeof bytes ? ERR_CORRUPT : write_row(w, t, key, value, services);
        if (code != 0) {
            return code;
        }
        memcpy(bytes, key.data, key.len);
        at.len = key.len;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int write_rows(struct export_writer *w, struct journal *j) {
    const char **names = calloc((size_t)journal_service_count(j) + 1, sizeof *names);
    struct service_names services = {.names = names};
    if (names == NULL) {
        return ERR_MEMORY;
    }
    while (services.count < journal_service_count(j)) {
        names[services.count] = journal_service_name(j, (uint16_t)services.count);
        services.count++;
    }
    int code = write_first(w, j);
    for (unsigned t = 0; code == 0 && t < TABLE_COUNT; t++) {
        code = write_table(w, journal_store(j), (enum store_table)t, &services);
    }
    free(names);
    return code;
}

static int told(const struct export_writer *w, int code, struct report *r) {
    if (w->error != 0) {
        return report(r, code, "cannot write the export: %s", strerror(w->error));
    }
    bool silent = code != 0 && (r == NULL || r->text[0] == '\0');
    return silent ? report(r, code, "cannot read the store: %s", error_text(code)) : code;
}

int export_write(struct journal *j, const struct export_options *options, struct export_sums *sums,
                 struct report *r) {
    struct export_writer w = {
        .out = options->out, .how = options->ascii ? JSON_ASCII : 0, .sums = sums};
    *sums = (struct export_sums){0};
    buf_init(&w.line, EXPORT_LINE_BYTES_MAX);
    (void)crypto_hash_sha256_init(&w.sum);
    int code = store_begin(journal_store(j));
    if (code == 0) {
        code = write_rows(&w, j);
        store_abort(journal_store(j));
    }
    code = code == 0 && options->folder != NULL ? export_files(&w, options->folder, r) : code;
    code = code == 0 ? write_last(&w) : code;
    if (code == 0 && fflush(options->out) != 0) {
        w.error = errno;
        code = ERR_DISK;
    }
    buf_clear(&w.line);
    return told(&w, code, r);
}
