/*
 * read.c - a data folder made of lines of JSON: see export/export.h.
 *
 * The store and its files are built in a folder of their own, as those of a backup are
 * (backup/backup.h): only when the last line has said that all is there do they take their places.
 */
#include "backup/backup.h"
#include "export/impl.h"
#include "export/record.h"
#include "store/folder.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_PER_COMMIT = 20000,
    BYTES_PER_COMMIT = 16 << 20,
    LINE_BYTES_KEPT = 1 << 20,
};

struct import {
    const struct import_options *options;
    struct export_sums *sums;
    struct report *r;

    struct buf line;
    uint64_t number; /* of the line in hand, from 1 */
    crypto_hash_sha256_state sum;

    json_t *first; /* owns the names of the services */
    const char **names;
    struct service_names services;

    struct store *store;
    struct buf key, value;
    unsigned rows; /* not committed yet */
    uint64_t bytes;
    struct export_file file;
};

/* --- lines --- */

static int wrong(const struct import *im, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A sentence about the line in hand; what was said before goes before it. */
static int wrong(const struct import *im, const char *format, ...) {
    char what[sizeof im->r->text];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return report(im->r, ERR_INVALID, "%s, line %" PRIu64 ": %s; nothing was imported",
                  im->options->name, im->number, what);
}

/* Into im->line, with its end. ERR_NOTFOUND: there is no more. ERR_LIMIT, ERR_MEMORY,
 * ERR_DISK. */
static int read_line(struct import *im) {
    int byte = EOF;
    buf_trim(&im->line, LINE_BYTES_KEPT);
    im->number++;
    while (!im->line.failed && byte != '\n' && (byte = getc_unlocked(im->options->in)) != EOF) {
        buf_add_u8(&im->line, (uint8_t)byte);
    }
    im->sums->bytes += im->line.len;
    if (im->line.failed) {
        return im->line.lacked ? ERR_MEMORY : ERR_LIMIT;
    }
    return ferror(im->options->in) ? ERR_DISK : im->line.len == 0 ? ERR_NOTFOUND : 0;
}

/* The next line as an object; NULL and *code. *code ERR_NOTFOUND: there is no more. */
static json_t *next_line(struct import *im, int *code) {
    struct report why = {""};
    *code = read_line(im);
    if (*code != 0) {
        return NULL;
    }
    bool whole = im->line.data[im->line.len - 1] == '\n';
    json_t *object = NULL;
    *code = whole ? json_read_unique(buf_slice(&im->line), "it", &object, &why) : 0;
    if (*code == ERR_MEMORY) {
        return NULL;
    }
    if (!json_is_object(object)) {
        *code = wrong(im, "%s",
                      why.text[0] != '\0' ? why.text
                      : whole             ? "it is not an object"
                                          : "it is cut off");
        json_decref(object);
        return NULL;
    }
    return object;
}

static void add_to_sum(struct import *im) {
    (void)crypto_hash_sha256_update(&im->sum, (const unsigned char *)im->line.data, im->line.len);
}

/* --- the first line --- */

static int take_services(struct import *im) {
    const json_t *list = json_object_get(im->first, "services");
    const json_t *name;
    size_t i;
    if (!json_is_array(list) || json_array_size(list) >= SERVICE_NONE) {
        return wrong(im, "field \"services\" is not a list of names");
    }
    im->names = calloc(json_array_size(list) + 1, sizeof *im->names);
    if (im->names == NULL) {
        return ERR_MEMORY;
    }
    json_array_foreach(list, i, name) {
        im->names[i] = json_string_value(name);
    }
    im->services = (struct service_names){im->names, json_array_size(list)};
    return 0;
}

static json_int_t number_of(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

static int take_first(struct import *im) {
    int code = 0;
    im->first = next_line(im, &code);
    const char *kind = json_string_value(json_object_get(im->first, "kind"));
    const char *version = json_string_value(json_object_get(im->first, "zingq"));
    if (code != 0 && code != ERR_NOTFOUND && code != ERR_INVALID) {
        return code;
    }
    if (kind == NULL || strcmp(kind, EXPORT_FIRST) != 0) {
        return wrong(im, "this is not what `zingq export` writes");
    }
    if (number_of(im->first, "format") != EXPORT_FORMAT) {
        return wrong(im, "it has format %lld, of zingq %s; this zingq knows %d: use the newer one",
                     (long long)number_of(im->first, "format"), version == NULL ? "?" : version,
                     EXPORT_FORMAT);
    }
    if (number_of(im->first, "partitions") != PARTITIONS) {
        return wrong(im, "its keys are in %lld partitions, and in %d here",
                     (long long)number_of(im->first, "partitions"), PARTITIONS);
    }
    add_to_sum(im);
    return take_services(im);
}

/* --- rows --- */

static int commit(struct import *im) {
    im->rows = 0;
    im->bytes = 0;
    return store_active(im->store) ? store_commit(im->store) : 0;
}

static int put(struct import *im, enum store_table t) {
    int code = store_active(im->store) ? 0 : store_begin(im->store);
    code = code == 0 ? store_put(im->store, t, buf_slice(&im->key), buf_slice(&im->value)) : code;
    im->rows++;
    im->bytes += im->key.len + im->value.len;
    if (code == 0 && (im->rows >= ROWS_PER_COMMIT || im->bytes >= BYTES_PER_COMMIT)) {
        code = commit(im);
    }
    return code;
}

/* A row as it was stored. */
static int take_row(struct import *im, const json_t *line, enum store_table *t,
                    struct report *why) {
    const char *table = json_string_value(json_object_get(line, "table"));
    size_t key = 0;
    size_t value = 0;
    if (table == NULL || !store_table_named(slice_of(table), t)) {
        return report(why, ERR_INVALID, "field \"table\" names none that this zingq knows");
    }
    int code = record_bytes(line, "key", &im->key, &key, why);
    code = code == 0 ? record_bytes(line, "value", &im->value, &value, why) : code;
    im->sums->damaged++;
    bool sound = im->key.len > 0 && json_object_size(line) == 2 + key + value;
    return code == 0 && !sound ? report(why, ERR_INVALID, "its fields are not key and value")
                               : code;
}

static int take_record(struct import *im, const json_t *line, const char *kind, enum store_table *t,
                       struct report *why) {
    const struct layout *l = layout_named(slice_of(kind));
    const char *version = json_string_value(json_object_get(im->first, "zingq"));
    if (l == NULL) {
        return report(
            why, ERR_INVALID,
            "kind \"%s\" is none that this zingq knows; zingq %s wrote it: use that, or a "
            "newer one",
            kind, version == NULL ? "?" : version);
    }
    int code = record_make(l, line, &im->services, t, &im->key, &im->value, why);
    code = code == 0 ? journal_check_row(*t, buf_slice(&im->key), buf_slice(&im->value)) : code;
    return code == ERR_CORRUPT ? report(why, ERR_INVALID, "its fields do not fit together") : code;
}

static int take_line(struct import *im, const json_t *line, const char *kind) {
    struct report why = {""};
    enum store_table t = TABLE_META;
    int code;
    im->sums->records++;
    if (strcmp(kind, EXPORT_FILE) == 0) {
        code = export_file_add(&im->file, line, &why);
    } else {
        buf_reset(&im->key);
        buf_reset(&im->value);
        code = strcmp(kind, EXPORT_ROW) == 0 ? take_row(im, line, &t, &why)
                                             : take_record(im, line, kind, &t, &why);
        if (code == 0 && journal_row_is_own(t, buf_slice(&im->key))) {
            code = report(&why, ERR_INVALID, "a store says that of itself: no export has it");
        }
        code = code == 0 ? put(im, t) : code;
    }
    if (code == ERR_INVALID) {
        return wrong(im, "\"%s\": %s", kind, why.text);
    }
    return code == 0 ? 0 : report(im->r, code, "%s", why.text);
}

/* --- the last line --- */

static int check_rows(struct import *im) {
    const char *name;
    const json_t *count;
    enum store_table t;
    json_object_foreach(json_object_get(im->first, "rows"), name, count) {
        bool known = store_table_named(slice_of(name), &t);
        if (!known || store_rows_kept(im->store, t) != (uint64_t)json_integer_value(count)) {
            return wrong(im, "table %s has %" PRIu64 " rows, and the first line says %lld", name,
                         known ? store_rows_kept(im->store, t) : 0,
                         (long long)json_integer_value(count));
        }
    }
    return 0;
}

static int take_last(struct import *im, const json_t *line) {
    unsigned char sum[crypto_hash_sha256_BYTES];
    char text[2 * sizeof sum + 1];
    const char *given = json_string_value(json_object_get(line, "sha256"));
    (void)crypto_hash_sha256_final(&im->sum, sum);
    (void)sodium_bin2hex(text, sizeof text, sum, sizeof sum);
    if (number_of(line, "records") != (json_int_t)im->sums->records) {
        return wrong(im, "there are %" PRIu64 " records, and it says %lld", im->sums->records,
                     (long long)number_of(line, "records"));
    }
    if (given == NULL || strcmp(given, text) != 0) {
        return wrong(im, "its checksum is not that of the lines before it: they were changed");
    }
    if (getc(im->options->in) != EOF) {
        return wrong(im, "more follows it, though it is the last one");
    }
    int code = commit(im);
    return code == 0 ? check_rows(im) : code;
}

static int take_lines(struct import *im) {
    int code = 0;
    for (bool last = false; code == 0 && !last;) {
        json_t *line = next_line(im, &code);
        if (code == ERR_NOTFOUND) {
            return wrong(im, "the end is missing: it was cut off");
        }
        const char *kind = json_string_value(json_object_get(line, "kind"));
        last = kind != NULL && strcmp(kind, EXPORT_LAST) == 0;
        if (line != NULL) {
            code = kind == NULL ? wrong(im, "field \"kind\" is missing")
                   : last       ? take_last(im, line)
                                : take_line(im, line, kind);
        }
        if (line != NULL && !last) {
            add_to_sum(im);
        }
        json_decref(line);
    }
    return code;
}

/* --- the store --- */

/* Gives the new store what it has of its own, before rows say otherwise. */
static int open_new(struct import *im, const char *building) {
    const struct store_options options = {.path = building, .max_bytes = im->options->max_bytes};
    struct journal *j = NULL;
    int code = store_open(&im->store, &options, im->r);
    code = code == 0 ? journal_open(&j, im->store, 0, im->r) : code;
    journal_close(j);
    return code;
}

static int tell(const struct import *im, int code) {
    if (code == 0 || im->r->text[0] != '\0') {
        return code;
    }
    const char *help =
        code == ERR_FULL ? ": a larger store.max_size, or disk, has room for it" : "";
    return report(im->r, code, "cannot import %s, line %" PRIu64 ": %s%s; nothing was imported",
                  im->options->name, im->number, error_text(code), help);
}

/* A backup_maker. */
static int build(void *ctx, const char *building, const struct backup_owner *owner,
                 struct report *r) {
    struct import *im = ctx;
    im->r = r;
    im->file = (struct export_file){.folder = building, .owner = owner, .fd = -1};
    int code = open_new(im, building);
    code = code == 0 ? take_lines(im) : code;
    int closed = export_file_close(&im->file, code == 0 ? r : NULL);
    store_close(im->store);
    return tell(im, code != 0 ? code : closed);
}

int export_read(const struct import_options *options, struct export_sums *sums, struct report *r) {
    struct import im = {.options = options, .sums = sums, .r = r};
    *sums = (struct export_sums){0};
    buf_init(&im.line, EXPORT_LINE_BYTES_MAX);
    buf_init(&im.key, STORE_KEY_BYTES_MAX);
    buf_init(&im.value, EXPORT_LINE_BYTES_MAX);
    (void)crypto_hash_sha256_init(&im.sum);
    int code = tell(&im, take_first(&im));
    code = code == 0 ? backup_make(options->folder, build, &im, r) : code;
    buf_clear(&im.key);
    buf_clear(&im.value);
    json_decref(im.first);
    buf_clear(&im.line);
    free(im.names);
    return code;
}
