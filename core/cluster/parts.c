/* parts.c - the parts of a turn, or of a slice, as parameters of a statement. */
#include "cluster/impl.h"

enum { PART_BYTES = 1 << 30 /* of each array, at most */ };

void parts_init(struct parts *parts) {
    buf_init(&parts->homes, PART_BYTES);
    buf_init(&parts->bodies, PART_BYTES);
}

void parts_clear(struct parts *parts) {
    buf_clear(&parts->homes);
    buf_clear(&parts->bodies);
}

int parts_put(struct parts *parts, const struct log_turn *turn, int64_t *bytes) {
    buf_reset(&parts->homes);
    buf_reset(&parts->bodies);
    struct pg_array homes = pg_array_begin(&parts->homes, PG_INT2);
    struct pg_array bodies = pg_array_begin(&parts->bodies, PG_BYTEA);
    *bytes = 0;
    for (size_t i = 0; i < turn->count; i++) {
        const char home[2] = {0, (char)turn->parts[i].home};
        pg_array_add(&homes, (struct slice){home, sizeof home});
        pg_array_add(&bodies, turn->parts[i].body);
        *bytes += (int64_t)turn->parts[i].body.len;
    }
    pg_array_end(&homes);
    pg_array_end(&bodies);
    return parts->homes.failed || parts->bodies.failed ? ERR_MEMORY : 0;
}

void parts_add(const struct parts *parts, struct pg_params *params) {
    pg_add(params, buf_slice(&parts->homes));
    pg_add(params, buf_slice(&parts->bodies));
}
