/*
 * status.c - what a host of a cluster says of itself with each beat: for `zingq cluster status`, and for hosts
 * that leave it shards once it has copies of them (cluster/view.c).
 */
#include "host/fleet/impl.h"

#include "base/clock.h"

#include <inttypes.h>

enum { STATUS_BYTES_MAX = 8192 };

/* What is followed, and how long ago each had all of its log. */
static void write_followers(const struct fleet *f, struct buf *out) {
    const char *comma = "";
    int64_t now_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < f->count; i++) {
        const struct fleet_follower *follower = &f->hosts[i].follower;
        if (!follower->wanted) {
            continue;
        }
        buf_printf(out, "%s{\"shard\":%u", comma, f->hosts[i].number);
        if (follower->level_ms != 0) {
            buf_printf(out, ",\"turn\":%" PRIu64 ",\"age_ms\":%" PRId64, follower->turn,
                       now_ms - follower->level_ms);
        }
        buf_add_str(out, follower->failed ? ",\"failed\":true}" : "}");
        comma = ",";
    }
}

/* The numbers of those that run, or that start. */
static void write_numbers(const struct fleet *f, struct buf *out, bool starts) {
    const char *comma = "";
    for (unsigned i = 0; i < f->count; i++) {
        if (!fleet_is_free(&f->hosts[i]) && fleet_starts(&f->hosts[i]) == starts) {
            buf_printf(out, "%s%u", comma, f->hosts[i].number);
            comma = ",";
        }
    }
}

void fleet_write_status(const struct fleet *f, struct buf *out) {
    buf_init(out, STATUS_BYTES_MAX);
    buf_add_str(out, "{\"version\":\"" ZINGQ_VERSION "\",\"running\":[");
    write_numbers(f, out, false);
    buf_add_str(out, "],\"starting\":[");
    write_numbers(f, out, true);
    buf_add_str(out, "]");
    if (f->conf->cluster.followers > 0) {
        buf_add_str(out, ",\"following\":[");
        write_followers(f, out);
        buf_add_str(out, "]");
    }
    buf_add_str(out, "}");
}
