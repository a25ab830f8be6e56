/* parts.c - the parts of a turn, or of a slice, as parameters of a statement. */
#include "cluster/impl.h"

int64_t cluster_put_parts(const struct log_turn *turn, struct buf *homes, struct buf *bodies) {
    int64_t bytes = 0;
    buf_reset(homes);
    buf_reset(bodies);
    struct pg_array of_homes = pg_array_begin(homes, PG_INT2);
    struct pg_array of_bodies = pg_array_begin(bodies, PG_BYTEA);
    for (size_t i = 0; i < turn->count; i++) {
        const char home[2] = {0, (char)turn->parts[i].home};
        pg_array_add(&of_homes, (struct slice){home, sizeof home});
        pg_array_add(&of_bodies, turn->parts[i].body);
        bytes += (int64_t)turn->parts[i].body.len;
    }
    pg_array_end(&of_homes);
    pg_array_end(&of_bodies);
    return bytes;
}
