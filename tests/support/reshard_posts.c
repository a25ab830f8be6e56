/* reshard_posts.c - what is under way between the hosts of reshard_world.h. */
#include "reshard_world.h"
#include "test.h"

#include <stdlib.h>

struct shard_post {
    uint16_t to;
    bool receipt;
    char *bytes;
    size_t len;
    struct shard_post *next;
};

int shards_post(struct engine_fixture *f, uint16_t host, bool receipt, struct slice bytes) {
    struct reshard_world *w = f->posts;
    struct shard_post **last = &w->posts;
    struct shard_post *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_in_range(host, 1, WORLD_FOLDERS);
    *p = (struct shard_post){
        .to = host, .receipt = receipt, .bytes = slice_dup(bytes), .len = bytes.len};
    assert_non_null(p->bytes);
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = p;
    return 0;
}

static void free_post(struct shard_post *p) {
    free(p->bytes);
    free(p);
}

/* Takes the first one for a host that runs; NULL: there is none. */
static struct shard_post *take_post(struct reshard_world *w) {
    for (struct shard_post **at = &w->posts; *at != NULL; at = &(*at)->next) {
        struct shard_post *p = *at;
        if (w->hosts[p->to - 1]->engine != NULL) {
            *at = p->next;
            return p;
        }
    }
    return NULL;
}

static void run_all(struct reshard_world *w) {
    for (size_t i = 0; i < WORLD_FOLDERS; i++) {
        if (w->hosts[i]->engine != NULL) {
            run_dry(w->hosts[i]);
        }
    }
}

void shards_pass(struct reshard_world *w, bool receipts) {
    struct shard_post *p;
    run_all(w);
    while ((p = take_post(w)) != NULL) {
        struct engine *e = w->hosts[p->to - 1]->engine;
        struct slice bytes = {p->bytes, p->len};
        if (!p->receipt) {
            assert_int_equal(engine_offer_forward(e, bytes), 0);
        } else if (receipts) {
            engine_offer_receipt(e, bytes);
        }
        free_post(p);
        run_all(w);
    }
}

void shards_advance(struct reshard_world *w, int64_t ms) {
    enum { STEP_MS = 20000 };
    for (int64_t left = ms; left > 0; left -= STEP_MS) {
        for (size_t i = 0; i < w->count; i++) {
            advance(w->hosts[i], STEP_MS);
            engine_send_forwards(w->hosts[i]->engine);
        }
        shards_pass(w, true);
    }
}

void shards_lose_posts(struct reshard_world *w, bool receipts_alone) {
    struct shard_post **at = &w->posts;
    while (*at != NULL) {
        struct shard_post *p = *at;
        if (receipts_alone && !p->receipt) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        free_post(p);
    }
}
