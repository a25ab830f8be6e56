/*
 * ahead.c - turns and slices, read row by row while the server sends them: however many are asked for,
 * only one is in memory, and there is no round trip for each.
 *
 * Rows: number, body.
 */
#include "cluster/impl.h"

#include <assert.h>

void ahead_init(struct ahead *a) {
    *a = (struct ahead){.open = false};
    buf_init(&a->plain, TURN_BYTES);
}

void ahead_clear(struct ahead *a) {
    buf_clear(&a->plain);
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
    if (row.count != 2) {
        return ERR_CORRUPT;
    }
    a->number = (uint64_t)pg_get_int(row.fields[0]);
    a->body = row.fields[1];
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

int ahead_take(struct ahead *a, struct pg_line *line, uint64_t number, struct log_turn *out) {
    out->number = number;
    if (a->number != number) {
        return ERR_NOTFOUND;
    }
    int code = unpack_turn(a->body, &a->plain, out);
    code = code == 0 ? step(a, line) : code;
    return code == ERR_NOTFOUND ? 0 : code;
}
