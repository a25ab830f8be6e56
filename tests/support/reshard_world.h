/*
 * reshard_world.h - the data folders of several hosts that divide keys, filled by real engines with
 * every kind of row, and what must be true of them however they are divided.
 *
 * Services: "orders" with keys, in order, parks what dies; "loose" without keys; "own" with share =
 * no; "free" with keys and several_hosts = independent.
 */
#ifndef ZINGQ_TEST_RESHARD_WORLD_H
#define ZINGQ_TEST_RESHARD_WORLD_H

#include "engine_fixture.h"
#include "reshard/reshard.h"

enum { WORLD_FOLDERS = 5, WORLD_KEYS = 40, WORLD_SERVICES = 4 };

struct shard_post;

struct reshard_world {
    struct engine_fixture *hosts[WORLD_FOLDERS]; /* each with a folder of its own */
    uint16_t count;                              /* hosts that divide the keys now */
    size_t filled;                               /* the first of them were hosts at first */
    char paths[WORLD_FOLDERS][128];              /* of the data folders */
    struct shard_post *posts;                    /* what the broker has for hosts */
    struct books books[WORLD_SERVICES];          /* of all folders, when they were filled */
    const char *max_size;                        /* store.max_size for reshard; NULL = as it is */
    uint64_t disputed;                           /* rows, of the last reshard */
    struct report report;                        /* of the last reshard */
};

/* Fills the folders of `count` hosts; they are stopped then. */
struct reshard_world *shards_new(uint16_t count);
void shards_free(struct reshard_world *w);

/* Starts and stops one of the division's hosts, or one that is alone. Messages between hosts wait for one that is stopped,
 * as in its session at the broker. */
void shards_start(struct reshard_world *w, size_t host);
void shards_stop(struct reshard_world *w, size_t host);
/* reshard_posts.c: what is under way arrives where a host runs, and what that brings about, until
 * nothing is; without `receipts` those are lost. */
void shards_pass(struct reshard_world *w, bool receipts);
/* The clocks of all hosts go on, with everything that comes of it. */
void shards_advance(struct reshard_world *w, int64_t ms);
/* All, or the receipts alone. */
void shards_lose_posts(struct reshard_world *w, bool receipts_alone);
/* For a fixture's `post`; its `posts` is the world. */
int shards_post(struct engine_fixture *f, uint16_t host, bool receipt, struct slice bytes);

/* Divides for `count` hosts with all the folders it takes, or with these. Its code. */
int shards_reshard(struct reshard_world *w, uint16_t count);
int shards_reshard_folders(struct reshard_world *w, uint16_t count, const size_t *order,
                           size_t folders);

/* The key by its number, "k07"; which host has it. */
const char *shards_key(size_t n, char out[8]);
size_t shards_owner(const struct reshard_world *w, const char *service, const char *key);

/* Each key's rows are with its host, and the books of all folders together are what they were when
 * they were filled. */
void shards_expect_divided(struct reshard_world *w);
/* All hosts run until nothing is left to do: everything ends once, nothing comes twice. */
void shards_expect_to_go_on(struct reshard_world *w);

/* The publish left once, whichever host sent it, however often. */
void shards_expect_once(struct reshard_world *w, const char *topic, const char *payload);

/* The folder's store, to look at: within a transaction, and closed. NULL: there is none. */
struct store *shards_open(struct reshard_world *w, size_t host, struct journal **journal);
void shards_close(struct store *store, struct journal *journal);

#endif
