/*
 * hosts_world.h - several engines that divide their keys, and what is between them: messages that
 * can be lost, doubled and turned round.
 */
#ifndef TESTS_HOSTS_WORLD_H
#define TESTS_HOSTS_WORLD_H

#include "chance.h"
#include "engine_fixture.h"

enum { HOSTS_IN_WORLD = 3 };

/* A message or a receipt under way. */
struct post {
    uint16_t to;
    bool receipt;
    char *bytes;
    size_t len;
    struct post *next;
};

struct hosts_world {
    size_t count;
    struct engine_fixture *hosts[HOSTS_IN_WORLD]; /* number n at n - 1 */
    bool away[HOSTS_IN_WORLD];                    /* what is for it is lost */
    struct post *head, *tail;
    size_t messages, receipts; /* posted so far */
    unsigned loses, doubles;   /* of a hundred */
    bool shuffles;
    struct chance chance;
};

/* A service that notes what came, in order, under its key. */
#define KEYED "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" key = \"json:/k\" }\n"
#define NOTES                                                                                      \
    "return function(e)\n"                                                                         \
    "  local seen = zing.state.get('seen') or ''\n"                                                \
    "  zing.state.set('seen', seen .. e.json.v .. ' ')\n"                                          \
    "end\n"

/* `count` hosts on folders of their own, started with this topics.conf (hosts{} is added) and the
 * handler "h.lua". */
struct hosts_world *hosts_world_new(size_t count, const char *conf, const char *script);
void hosts_world_free(struct hosts_world *w);
/* The host numbered so, from 1. */
struct engine_fixture *host_at(const struct hosts_world *w, uint16_t number);
/* Delivers what is under way, and what that brings about, until nothing is. */
void hosts_pass(struct hosts_world *w);
/* The clocks of all go on, a second at a time, with everything that comes of it. */
void hosts_advance(struct hosts_world *w, int64_t ms);
/* What is under way is gone, as with a broker that was killed. */
void hosts_lose_posts(struct hosts_world *w);
/* Offers {"k": key, "v": value} to the service at that host. */
void offer_key(struct hosts_world *w, uint16_t host, const char *key, const char *value);
/* What the host has noted under the key, as JSON. */
const char *seen_at(struct hosts_world *w, uint16_t host, const char *key, char out[512]);
/* How many rows wait there for other hosts. */
uint64_t forwards_of(struct hosts_world *w, uint16_t host);
/* The number of the host that owns the key of the service. */
uint16_t owner_of(const struct hosts_world *w, const char *service, const char *key);
/* A key of the service that the host owns: the n-th of "k0", "k1"... Into `out`. */
const char *key_of(const struct hosts_world *w, const char *service, uint16_t number, unsigned n,
                   char out[16]);

#endif
