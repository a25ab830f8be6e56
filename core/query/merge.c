/*
 * merge.c - see query/merge.h.
 */
#include "query/merge.h"

#include <stdlib.h>
#include <string.h>

const struct merge_order merge_events = {.by = "id", .down = true};
const struct merge_order merge_letters = {.by = "dead_at", .down = true};
const struct merge_order merge_groups = {.by = "newest_at", .down = true, .groups = true};
const struct merge_order merge_changes = {.by = "at", .down = true};
const struct merge_order merge_by_host = {.by = NULL};

static const char *text_of(const json_t *row, const char *name) {
    const char *text = json_string_value(json_object_get(row, name));
    return text == NULL ? "" : text;
}

/* ---- row by row ---- */

static json_t *head_of(const struct merge_part *part) {
    return json_array_get(part->rows, part->taken);
}

static bool comes_first(const struct merge_order *order, const json_t *a, const json_t *b) {
    int cmp = strcmp(text_of(a, order->by), text_of(b, order->by));
    return order->down ? cmp > 0 : cmp < 0;
}

/* The part that has the next row; NULL: none has, or which one is not known. */
static struct merge_part *find_next(struct merge_part *parts, size_t count,
                                    const struct merge_order *order) {
    struct merge_part *next = NULL;
    for (size_t i = 0; i < count; i++) {
        const json_t *head = head_of(&parts[i]);
        if (head == NULL && parts[i].more) {
            return NULL;
        }
        if (head != NULL && order->by == NULL) {
            return &parts[i];
        }
        if (head != NULL && (next == NULL || comes_first(order, head, head_of(next)))) {
            next = &parts[i];
        }
    }
    return next;
}

static int take(json_t *out, struct merge_part *part) {
    json_t *row = head_of(part);
    part->taken++;
    return json_object_set_new(row, "host", json_integer(part->host)) == 0
               ? json_array_append(out, row)
               : -1;
}

/* ---- groups ---- */

json_int_t merge_add(json_int_t a, json_int_t b) {
    json_int_t x = a > 0 ? a : 0;
    json_int_t y = b > 0 ? b : 0;
    return x > INT64_MAX - y ? INT64_MAX : x + y;
}

/* A group as one host has it. */
struct share {
    json_t *row;
    uint16_t host;
};

static int by_group(const void *a, const void *b) {
    const struct share *x = a;
    const struct share *y = b;
    int cmp = strcmp(text_of(x->row, "service"), text_of(y->row, "service"));
    cmp = cmp != 0 ? cmp : strcmp(text_of(x->row, "group"), text_of(y->row, "group"));
    return cmp != 0 ? cmp : x->host - y->host;
}

static int largest_first(const void *a, const void *b) {
    const struct share *x = a;
    const struct share *y = b;
    json_int_t left = json_integer_value(json_object_get(x->row, "count"));
    json_int_t right = json_integer_value(json_object_get(y->row, "count"));
    return left < right ? 1 : left > right ? -1 : by_group(a, b);
}

/* Adds a host's share to what is known of the group: the newest letter is its example. */
static int add_share(json_t *group, const struct share *share) {
    static const char *const newest[] = {"newest_at", "example", "reason", "reason_base64"};
    json_int_t count = merge_add(json_integer_value(json_object_get(group, "count")),
                                 json_integer_value(json_object_get(share->row, "count")));
    bool newer = comes_first(&merge_groups, share->row, group);
    int code = json_object_set_new(group, "count", json_integer(count));
    for (size_t i = 0; newer && i < sizeof newest / sizeof *newest; i++) {
        json_t *value = json_object_get(share->row, newest[i]);
        code = code == 0 && value != NULL ? json_object_set(group, newest[i], value) : code;
    }
    return code != 0
               ? code
               : json_array_append_new(json_object_get(group, "hosts"), json_integer(share->host));
}

static int begin_group(const struct share *share) {
    return json_object_set_new(share->row, "hosts", json_pack("[i]", (int)share->host));
}

/* Leaves the groups in the first shares; returns how many there are, or -1. */
static long fold(struct share *shares, size_t count) {
    size_t groups = 0;
    int code = 0;
    qsort(shares, count, sizeof *shares, by_group);
    for (size_t i = 0; i < count && code == 0; i++) {
        struct share *last = groups == 0 ? NULL : &shares[groups - 1];
        bool same = last != NULL &&
                    strcmp(text_of(last->row, "service"), text_of(shares[i].row, "service")) == 0 &&
                    strcmp(text_of(last->row, "group"), text_of(shares[i].row, "group")) == 0;
        code = same ? add_share(last->row, &shares[i]) : begin_group(&shares[i]);
        if (!same) {
            shares[groups++] = shares[i];
        }
    }
    return code == 0 ? (long)groups : -1;
}

static int merge_all_groups(struct merge_part *parts, size_t count, uint64_t limit, json_t *out) {
    size_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        rows += json_array_size(parts[i].rows);
    }
    struct share *shares = calloc(rows + 1, sizeof *shares);
    if (shares == NULL) {
        return -1;
    }
    rows = 0;
    for (size_t i = 0; i < count; i++) {
        for (; head_of(&parts[i]) != NULL; parts[i].taken++) {
            shares[rows++] = (struct share){head_of(&parts[i]), parts[i].host};
        }
    }
    long groups = fold(shares, rows);
    int code = groups < 0 ? -1 : 0;
    if (code == 0) {
        qsort(shares, (size_t)groups, sizeof *shares, largest_first);
    }
    for (long i = 0; i < groups && (uint64_t)i < limit && code == 0; i++) {
        code = json_array_append(out, shares[i].row);
    }
    free(shares);
    return code;
}

json_t *merge_parts(struct merge_part *parts, size_t count, const struct merge_order *order,
                    uint64_t limit) {
    json_t *out = json_array();
    int code = out == NULL ? -1 : order->groups ? merge_all_groups(parts, count, limit, out) : 0;
    struct merge_part *next = NULL;
    while (code == 0 && !order->groups && json_array_size(out) < limit &&
           (next = find_next(parts, count, order)) != NULL) {
        code = take(out, next);
    }
    if (code != 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}

/* ---- places ---- */

static const char ENDED[] = "-";

bool merge_is_place(const char *text) {
    size_t len = text == NULL ? 0 : strlen(text);
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '}') { /* "~" comes after it */
            return false;
        }
    }
    return len > 0 && len < MERGE_PLACE_BYTES && strcmp(text, ENDED) != 0;
}

void merge_write_places(const struct merge_place *places, size_t count, struct buf *out) {
    for (size_t i = 0; i < count; i++) {
        const char *at = json_string_value(places[i].at);
        buf_add_str(out, i == 0 ? "" : "~");
        buf_add_str(out, places[i].ended ? ENDED : at == NULL ? "" : at);
    }
}

bool merge_all_ended(const struct merge_place *places, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!places[i].ended) {
            return false;
        }
    }
    return true;
}

bool merge_read_places(const char *text, struct merge_place *places, size_t count) {
    bool several = strchr(text, '~') != NULL;
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        struct slice at = {text, strcspn(text, "~")};
        bool written = !several || at.len > 0;
        places[i].ended = several && slice_is(at, ENDED);
        places[i].at = written ? json_stringn(at.data, at.len) : NULL;
        if ((written && places[i].at == NULL) || (several && (text[at.len] == '~') == last)) {
            return false;
        }
        text += several && !last ? at.len + 1 : 0;
    }
    return true;
}

/* ---- answers ---- */

bool merge_is_listed(const json_t *answer, bool paged) {
    size_t i;
    const json_t *item;
    json_array_foreach(answer, i, item) {
        const json_t *row = paged ? json_object_get(item, "row") : item;
        const char *at = json_string_value(json_object_get(item, "at"));
        if (!json_is_object(row) || (paged && !merge_is_place(at))) {
            return false;
        }
    }
    return json_is_array(answer);
}

json_t *merge_rows(json_t *answer, bool paged) {
    json_t *rows = paged ? json_array() : json_incref(answer);
    size_t i;
    const json_t *item;
    if (!paged) {
        return rows;
    }
    json_array_foreach(answer, i, item) {
        if (rows == NULL || json_array_append(rows, json_object_get(item, "row")) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}
