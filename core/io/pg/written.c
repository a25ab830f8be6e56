/*
 * written.c - an answer that a person wrote, for a test or a dry run, in the form of a database's.
 */
#include "io/pg/pg.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS_MAX = 1664 /* of PostgreSQL */, SQLSTATE_LEN = 5 };

/* ---- columns ---- */

static uint32_t type_of(const json_t *value) {
    return json_is_boolean(value)                          ? PG_BOOL
           : json_is_integer(value)                        ? PG_INT8
           : json_is_string(value)                         ? PG_TEXT
           : json_is_object(value) || json_is_array(value) ? PG_JSONB
                                                           : PG_FLOAT8;
}

static bool is_number(uint32_t type) {
    return type == PG_INT8 || type == PG_FLOAT8;
}

/* JSON holds values of several types. */
static uint32_t column_type(const json_t *rows, const char *name) {
    uint32_t type = 0;
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row) {
        const json_t *value = json_object_get(row, name);
        uint32_t own = value == NULL || json_is_null(value) ? type : type_of(value);
        if (type == 0 || own == type) {
            type = own;
        } else if (is_number(own) && is_number(type)) {
            type = PG_FLOAT8;
        } else {
            return PG_JSONB;
        }
    }
    return type == 0 ? PG_TEXT : type;
}

static bool has_name(const json_t *columns, const char *name) {
    size_t i;
    const json_t *column;
    json_array_foreach(columns, i, column) {
        if (strcmp(json_string_value(column), name) == 0) {
            return true;
        }
    }
    return false;
}

/* Those that are named, or those of the rows in their order; the caller's. */
static json_t *columns_of(const json_t *answer, const json_t *rows) {
    json_t *columns = json_object_get(answer, "columns");
    size_t i;
    const json_t *row;
    const char *name;
    const json_t *value;
    if (columns != NULL) {
        return json_incref(columns);
    }
    columns = json_array();
    json_array_foreach(rows, i, row) {
        json_object_foreach(row, name, value) {
            if (columns != NULL && !has_name(columns, name) &&
                json_array_append_new(columns, json_string(name)) != 0) {
                json_decref(columns);
                return NULL;
            }
        }
    }
    return columns;
}

/* ---- what is wrong with it ---- */

static int check_names(const json_t *answer, struct report *r) {
    static const char *const names[] = {"rows", "columns", "count", "sqlstate", "message"};
    const char *name;
    const json_t *value;
    json_object_foreach(answer, name, value) {
        size_t i = 0;
        while (i < sizeof names / sizeof *names && strcmp(names[i], name) != 0) {
            i++;
        }
        if (i == sizeof names / sizeof *names) {
            return report(r, ERR_INVALID,
                          "\"%s\": the answer of a database has rows, columns and count, or "
                          "sqlstate and message",
                          name);
        }
    }
    return 0;
}

/* An empty table of Lua comes as an object. */
static bool is_list(const json_t *value) {
    return value == NULL || json_is_array(value) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

static int check_rows(const json_t *answer, struct report *r) {
    const json_t *rows = json_object_get(answer, "rows");
    const json_t *columns = json_object_get(answer, "columns");
    const json_t *count = json_object_get(answer, "count");
    size_t i;
    const json_t *item;
    bool ok = is_list(rows) && is_list(columns);
    json_array_foreach(rows, i, item) {
        ok = ok && json_is_object(item);
    }
    json_array_foreach(columns, i, item) {
        ok = ok && json_is_string(item);
    }
    if (!ok) {
        return report(r, ERR_INVALID,
                      "rows is a list of rows, each with its values by column, and columns a list "
                      "of names");
    }
    if (count != NULL && (!json_is_integer(count) || json_integer_value(count) < 0)) {
        return report(r, ERR_INVALID, "count is a whole number from 0");
    }
    return 0;
}

/* Every name of a row is a column. */
static int check_columns(const json_t *columns, const json_t *rows, struct report *r) {
    size_t i;
    const json_t *row;
    const char *name;
    const json_t *value;
    json_array_foreach(rows, i, row) {
        json_object_foreach(row, name, value) {
            if (!has_name(columns, name)) {
                return report(r, ERR_INVALID, "row %zu has \"%s\", and columns does not", i + 1,
                              name);
            }
        }
    }
    return 0;
}

/* ---- as bytes ---- */

static void add_value(struct buf *out, struct buf *text, uint32_t type, const json_t *value) {
    if (value == NULL || json_is_null(value)) {
        buf_add_u8(out, 0);
        return;
    }
    buf_reset(text);
    if (type == PG_TEXT) {
        buf_add_slice(text, (struct slice){json_string_value(value), json_string_length(value)});
    } else if (type == PG_BOOL) {
        buf_add_str(text, json_is_true(value) ? "t" : "f");
    } else {
        json_write(value, text, 0);
    }
    out->failed = out->failed || text->failed;
    buf_add_u8(out, 1);
    buf_add_lv(out, buf_slice(text));
}

static void add_rows(struct call_result *to, const json_t *columns, const json_t *rows) {
    struct buf text;
    uint32_t types[COLUMNS_MAX];
    size_t count = json_array_size(columns);
    buf_init(&text, SQL_BYTES_MAX);
    buf_add_u16(&to->headers, (uint16_t)count);
    for (size_t c = 0; c < count; c++) {
        const char *name = json_string_value(json_array_get(columns, c));
        types[c] = column_type(rows, name);
        buf_add_u32(&to->headers, types[c]);
        buf_add_lv(&to->headers, slice_of(name));
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (size_t c = 0; c < count; c++) {
            const char *name = json_string_value(json_array_get(columns, c));
            add_value(&to->body, &text, types[c], json_object_get(json_array_get(rows, i), name));
        }
    }
    buf_clear(&text);
}

static int take_rows(struct call_result *to, const json_t *answer, struct report *r) {
    const json_t *rows = json_object_get(answer, "rows");
    const json_t *count = json_object_get(answer, "count");
    json_t *columns = columns_of(answer, rows);
    int code =
        columns == NULL ? report(r, ERR_MEMORY, "out of memory") : check_columns(columns, rows, r);
    if (code == 0 && json_array_size(columns) > COLUMNS_MAX) {
        code = report(r, ERR_LIMIT, "a row has at most %d columns", COLUMNS_MAX);
    }
    if (code == 0) {
        buf_add_u64(&to->headers,
                    count == NULL ? json_array_size(rows) : (uint64_t)json_integer_value(count));
        add_rows(to, columns, rows);
    }
    json_decref(columns);
    return code == 0 && (to->headers.failed || to->body.failed)
               ? report(r, ERR_LIMIT, "a result has at most %d MiB", SQL_BYTES_MAX >> 20)
               : code;
}

static int take_error(struct call_result *to, const json_t *answer, struct report *r) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *state = json_string_value(json_object_get(answer, "sqlstate"));
    const char *message = json_string_value(json_object_get(answer, "message"));
    if (state == NULL || strlen(state) != SQLSTATE_LEN || strspn(state, digits) != SQLSTATE_LEN ||
        !call_is_sqlstate(call_sqlstate(state))) {
        return report(r, ERR_INVALID,
                      "sqlstate is a text of five digits and capital letters, "
                      "such as \"23505\"");
    }
    to->status = call_sqlstate(state);
    (void)snprintf(to->error, sizeof to->error, "%s",
                   message == NULL ? "the database refuses it" : message);
    return 0;
}

int pg_written_answer(struct call_result *to, const json_t *answer, struct report *r) {
    buf_init(&to->headers, SQL_BYTES_MAX);
    buf_init(&to->body, SQL_BYTES_MAX);
    int code = check_names(answer, r);
    code = code == 0 ? check_rows(answer, r) : code;
    if (code != 0) {
        return code;
    }
    return json_object_get(answer, "sqlstate") != NULL ? take_error(to, answer, r)
                                                       : take_rows(to, answer, r);
}
