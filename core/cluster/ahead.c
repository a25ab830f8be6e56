/*
 * ahead.c - turns and slices, read row by row while the server sends them: however many are asked for,
 * only one is in memory, and there is no round trip for each.
 *
 * Rows: number, home, body.
 */
#include "cluster/impl.h"

#include <assert.h>

enum { TURN_BYTES = 1 << 30 /* of the bodies of a turn, at most: a statement has no more */ };

void ahead_init(struct ahead *a) {
    *a = (struct ahead){.open = false};
    buf_init(&a->bodies, TURN_BYTES);
}

void ahead_clear(struct ahead *a) {
    buf_clear(&a->bodies);
}

void ahead_stop(struct ahead *a, struct pg_line *line) {
    if (a->open) {
        pg_line_close(line);
    }
    a->open = false;
    a->number = 0;
}

/* The next row in hand. ERR_NOTFOUND: there is none, and the statement has ended. */
static int step(struct ahead *a, struct pg_line *line) {
    struct pg_row row;
    int code = pg_line_row(line, &row);
    a->number = 0;
    if (code != 0) {
        a->open = false;
        return cluster_again(code);
    }
    int64_t home = row.count == 3 ? pg_get_int(row.fields[1]) : -1;
    if (home < 0 || home >= HOMES) {
        return ERR_CORRUPT;
    }
    a->number = (uint64_t)pg_get_int(row.fields[0]);
    a->row = (struct log_part){.home = (uint8_t)home, .body = row.fields[2]};
    return 0;
}

int ahead_start(struct ahead *a, struct pg_line *line, const struct pg_statement *statement,
                const struct pg_params *params) {
    assert(!a->open);
    int code = pg_line_send(line, statement, params);
    if (code != 0) {
        return cluster_again(code);
    }
    a->open = true;
    code = step(a, line);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* The bodies lie one behind the other: where, is known when the last of them is there. */
static void point_at_bodies(const struct ahead *a, struct log_turn *out) {
    const char *at = a->bodies.data;
    for (size_t i = 0; i < out->count; i++) {
        out->parts[i].body.data = at;
        at += out->parts[i].body.len;
    }
}

int ahead_take(struct ahead *a, struct pg_line *line, uint64_t number, struct log_turn *out) {
    int code = 0;
    out->number = number;
    out->count = 0;
    buf_reset(&a->bodies);
    while (code == 0 && a->number == number) {
        if (out->count == HOMES) {
            return ERR_CORRUPT;
        }
        out->parts[out->count++] = a->row;
        buf_add_slice(&a->bodies, a->row.body);
        code = step(a, line);
    }
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    if (a->bodies.failed) {
        return ERR_MEMORY;
    }
    point_at_bodies(a, out);
    return out->count == 0 ? ERR_NOTFOUND : 0;
}
