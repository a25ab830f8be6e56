/* reshard_world.c - see reshard_world.h. */
#include "reshard_world.h"

#include "test.h"

#include "conf/division.h"
#include "journal/move.h"
#include "journal/flags.h"
#include "journal/later.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const SERVICES[WORLD_SERVICES] = {"orders", "loose", "own", "free"};

enum { KINDS = 10, HOUR_MS = 3600000 };

static const char SCRIPT[] =
    "local s = {}\n"
    "s['in/#'] = function(e)\n"
    "  local what = e.payload:match('^%S+')\n"
    "  if what == 'retry' and e.attempt < 2 then error('not yet') end\n"
    "  if what == 'wait' then zing.wait('go', '2h') end\n"
    "  if what == 'step' then\n"
    "    zing.step('one', function() zing.publish('stepped', e.payload) return 1 end)\n"
    "    zing.sleep('10m')\n"
    "  end\n"
    "  if what == 'later' then zing.publish('late', e.payload, {after = '30m'}) end\n"
    "  if what == 'lock' then zing.lock('seat', {owner = 'ann', ttl = 1800}) end\n"
    "  if what == 'state' then zing.state.set('v', e.payload) end\n"
    "  if what == 'line' then zing.append(e.payload == 'line late' and 'late.txt' or 'a.txt', "
    "e.payload) end\n"
    "  if what == 'dead' then zing.reject('never') end\n"
    "  if what == 'count' then zing.state.incr('n') end\n"
    "  zing.publish('done', e.payload)\n"
    "end\n"
    "function s.on_lock_expired(lock) zing.publish('expired', lock.key or lock.name) end\n"
    "return s\n";

static const char *const KIND_NAMES[KINDS] = {"ok",   "retry", "wait", "step", "later",
                                              "lock", "state", "line", "dead", "ok"};

static const char CONF[] =
    "hosts { count = %u this = %zu }\n"
    "schedule \"tick\" { cron = \"0 5 * * *\" publish = \"ticked\" payload = \"x\" }\n"
    "service \"orders\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\"\n"
    "  jitter = 0 delay = \"10m\" max_delay = \"10m\" on_dead = park }\n"
    "service \"loose\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n"
    "service \"own\" { subscribe = {\"in/#\"} handler = \"h.lua\" share = no }\n"
    "service \"free\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\"\n"
    "  several_hosts = independent }\n";

const char *shards_key(size_t n, char out[8]) {
    (void)snprintf(out, 8, "k%02u", (unsigned)n);
    return out;
}

size_t shards_owner(const struct reshard_world *w, const char *service, const char *key) {
    const struct division d = {.count = w->count, .place = 1};
    uint8_t p = journal_partition(journal_lane(slice_of(service), slice_of(key)));
    return division_owner(&d, p) - 1u;
}

/* --- hosts --- */

void shards_start(struct reshard_world *w, size_t host) {
    char conf[2048];
    bool alone = host >= w->count;
    (void)snprintf(conf, sizeof conf, CONF, alone ? 1u : (unsigned)w->count, alone ? 1 : host + 1);
    fixture_conf(w->hosts[host], conf);
    fixture_start(w->hosts[host]);
}

void shards_stop(struct reshard_world *w, size_t host) {
    fixture_stop(w->hosts[host]);
}

static struct command pause_of(const char *service, enum command_kind kind) {
    return (struct command){.kind = kind, .service = slice_of(service)};
}

static void give(struct engine_fixture *f, const char *service, const char *key,
                 const char *payload) {
    char topic[32];
    (void)snprintf(topic, sizeof topic, "in/%s", key);
    offer(f, service, topic, payload, "idempotency-key", payload, NULL);
}

/* Every kind of row for the keys that this host has. */
static void fill_keys(struct reshard_world *w, size_t host) {
    struct engine_fixture *f = w->hosts[host];
    for (size_t i = 0; i < WORLD_KEYS; i++) {
        char key[8];
        char payload[64];
        (void)snprintf(payload, sizeof payload, "%s %zu", KIND_NAMES[i % KINDS], i);
        if (shards_owner(w, "orders", shards_key(i, key)) == host) {
            give(f, "orders", key, payload);
        }
    }
    run_dry(f);
    assert_int_equal(command(f, pause_of("orders", COMMAND_PAUSE)), 0);
    for (size_t i = 0; i < WORLD_KEYS; i++) {
        char key[8];
        char payload[64];
        (void)snprintf(payload, sizeof payload, "queued %zu", i);
        if (shards_owner(w, "orders", shards_key(i, key)) == host) {
            give(f, "orders", key, payload);
        }
    }
    run_dry(f);
}

/* What runs where it arrives. */
static void fill_rest(struct reshard_world *w, size_t host) {
    static const char *const services[] = {"loose", "own", "free"};
    struct engine_fixture *f = w->hosts[host];
    for (size_t s = 0; s < 3; s++) {
        char payload[64];
        give(f, services[s], "k00", "count first");
        run_dry(f);
        assert_int_equal(command(f, pause_of(services[s], COMMAND_PAUSE)), 0);
        for (size_t i = 0; i < 4; i++) {
            char key[8];
            (void)snprintf(payload, sizeof payload, "%s %zu of host %zu", services[s], i, host);
            give(f, services[s], shards_key(host * 4 + i, key), payload);
        }
        run_dry(f);
    }
    struct command publish = {.kind = COMMAND_PUBLISH,
                              .topic = slice_of("asked"),
                              .payload = slice_of("later"),
                              .qos = 1,
                              .after_ms = HOUR_MS / 2};
    char once[32];
    (void)snprintf(once, sizeof once, "once %zu", host);
    publish.once = slice_of(once);
    assert_int_equal(command(f, publish), 0);
}

static void fill(struct reshard_world *w, size_t host) {
    shards_start(w, host);
    w->hosts[host]->hold_acks = true; /* so that publishes wait, too */
    fill_keys(w, host);
    fill_rest(w, host);
    assert_true(count_rows(w->hosts[host], TABLE_OUTBOX) > 8);
    shards_stop(w, host);
    w->hosts[host]->hold_acks = false;
}

/* --- looking at the folders --- */

struct store *shards_open(struct reshard_world *w, size_t host, struct journal **journal) {
    const struct store_options options = {.path = w->paths[host], .read_only = true};
    struct store *store = NULL;
    struct report r = {""};
    int code = store_open(&store, &options, &r);
    if (code == ERR_NOTFOUND) {
        return NULL;
    }
    if (code != 0) {
        fail_msg("%s", r.text);
    }
    assert_int_equal(journal_open(journal, store, HOUR_MS, &r), 0);
    assert_int_equal(store_begin(store), 0);
    return store;
}

void shards_close(struct store *store, struct journal *journal) {
    journal_close(journal);
    store_close(store);
}

static bool find_service(struct journal *j, const char *name, uint16_t *number) {
    return journal_service_number(j, name, number) == 0;
}

static struct books sum_books(struct reshard_world *w, const char *service) {
    struct books sum = {0};
    for (size_t i = 0; i < WORLD_FOLDERS; i++) {
        struct journal *j = NULL;
        struct store *store = shards_open(w, i, &j);
        struct books b = {0};
        uint16_t number;
        if (store != NULL && find_service(j, service, &number)) {
            assert_int_equal(journal_books_get(j, number, &b), 0);
        }
        sum.accepted += b.accepted;
        sum.done += b.done;
        sum.dead += b.dead;
        sum.duplicates += b.duplicates;
        sum.died += b.died;
        sum.snoozes += b.snoozes;
        if (store != NULL) {
            shards_close(store, j);
        }
    }
    return sum;
}

static void expect_rows_here(struct reshard_world *w, size_t host, enum store_table t,
                             struct store *store, uint16_t orders) {
    struct slice key = {"", 0};
    struct slice value;
    char last[511];
    while (store_seek(store, t, key, key.len > 0, &key, &value) == 0) {
        struct row_sight sight;
        assert_int_equal(journal_row_look(t, key, value, &sight), 0);
        bool divided = sight.has_service ? sight.service == orders
                                         : t == TABLE_DELAYED || t == TABLE_CURSOR ||
                                               (t == TABLE_TIMER && sight.timer == TIMER_PUBLISH);
        if (divided && sight.partition % w->count != host) {
            char name[STORE_TABLE_NAME_BYTES];
            fail_msg("a row of %s is with host %zu of %u", store_table_name(t, name), host + 1,
                     (unsigned)w->count);
        }
        memcpy(last, key.data, key.len);
        key.data = last;
    }
}

static void expect_division(struct reshard_world *w, size_t host, struct journal *j) {
    struct slice text;
    char expected[32];
    bool one = host < w->count;
    unsigned left = host < w->filled ? 1 : 0; /* what is for every host stays */
    (void)snprintf(expected, sizeof expected, "%u/%zu", one ? w->count : left,
                   one ? host + 1 : (size_t)left);
    assert_int_equal(journal_text_get(j, "division", &text), 0);
    assert_true(slice_is(text, expected));
}

void shards_expect_divided(struct reshard_world *w) {
    for (size_t i = 0; i < WORLD_FOLDERS; i++) {
        struct journal *j = NULL;
        struct store *store = shards_open(w, i, &j);
        uint16_t orders;
        uint64_t window_ms;
        if (store == NULL) {
            assert_true(i >= w->count);
            continue;
        }
        expect_division(w, i, j);
        assert_true(find_service(j, "orders", &orders));
        assert_int_equal(flags_get(j, FLAG_WINDOW, "orders", &window_ms), 0);
        for (unsigned t = 0; t < TABLE_DEDUPE; t++) {
            if (t != TABLE_META && t != TABLE_ASIDE) {
                expect_rows_here(w, i, (enum store_table)t, store, orders);
            }
        }
        shards_close(store, j);
    }
    for (size_t s = 0; s < WORLD_SERVICES; s++) {
        struct books sum = sum_books(w, SERVICES[s]);
        assert_memory_equal(&sum, &w->books[s], sizeof sum);
    }
}

/* --- filling --- */

/* Host 1 takes what the others have for it, and what it says of that is lost. */
static void take_forwards(struct reshard_world *w) {
    shards_start(w, 0);
    shards_pass(w, false);
    shards_stop(w, 0);
    shards_lose_posts(w, true);
}

struct reshard_world *shards_new(uint16_t count) {
    struct reshard_world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->count = count;
    w->filled = count;
    for (size_t i = 0; i < WORLD_FOLDERS; i++) {
        w->hosts[i] = fixture_new();
        w->hosts[i]->unlogged = true; /* a division is no turn of an engine */
        w->hosts[i]->post = shards_post;
        w->hosts[i]->posts = w;
        w->hosts[i]->seed = i * 1000; /* their ids differ, as those of real hosts do */
        fixture_script(w->hosts[i], "h.lua", SCRIPT);
        (void)snprintf(w->paths[i], sizeof w->paths[i], "%s/data", w->hosts[i]->folder.path);
    }
    for (size_t i = 0; i < count; i++) {
        fill(w, i);
    }
    take_forwards(w);
    for (size_t s = 0; s < WORLD_SERVICES; s++) {
        w->books[s] = sum_books(w, SERVICES[s]);
        assert_true(w->books[s].accepted > 0);
    }
    return w;
}

void shards_free(struct reshard_world *w) {
    shards_lose_posts(w, false);
    for (size_t i = 0; i < WORLD_FOLDERS; i++) {
        fixture_free(w->hosts[i]);
    }
    free(w);
}

/* --- dividing --- */

static void note_disputed(struct reshard_world *w, const struct reshard *re) {
    w->disputed = 0;
    for (size_t i = 0; re != NULL && i < reshard_folders(re); i++) {
        struct reshard_view view;
        reshard_look(re, i, &view);
        w->disputed += view.disputed;
    }
}

/* The services are the same for all. */
static void write_conf(struct reshard_world *w) {
    char conf[2048];
    char whole[4096];
    char store[64] = "";
    if (w->max_size != NULL) {
        (void)snprintf(store, sizeof store, "store { max_size = \"%s\" }\n", w->max_size);
    }
    (void)snprintf(conf, sizeof conf, CONF, 1u, (size_t)1);
    (void)snprintf(whole, sizeof whole, "%s%s", store, conf);
    fixture_conf(w->hosts[0], whole);
}

int shards_reshard_folders(struct reshard_world *w, uint16_t count, const size_t *order,
                           size_t folders) {
    const char *paths[WORLD_FOLDERS];
    char name[256];
    struct conf *conf = NULL;
    struct reshard *re = NULL;
    enum reshard_left left;
    w->report = (struct report){""};
    for (size_t i = 0; i < folders; i++) {
        paths[i] = w->paths[order == NULL ? i : order[i]];
    }
    (void)snprintf(name, sizeof name, "%s/topics.conf", w->hosts[0]->folder.path);
    write_conf(w);
    assert_int_equal(conf_load(&conf, name, NULL, &w->report), 0);
    struct reshard_options options = {
        .conf = conf,
        .paths = paths,
        .path_count = folders,
        .count = count,
        .now = {.wall_ms = w->hosts[0]->now_ms,
                .boottime_ms = w->hosts[0]->now_ms,
                .boot = {.id = {1}}},
    };
    int code = reshard_settle(paths, folders, &left, &w->report);
    if (code == 0 && left != RESHARD_FINISHED) {
        code = reshard_open(&re, &options, &w->report);
        note_disputed(w, code == 0 ? re : NULL);
        code = code == 0 ? reshard_run(re, &w->report) : code;
        reshard_close(re);
    }
    conf_free(conf);
    w->count = code == 0 ? count : w->count;
    return code;
}

int shards_reshard(struct reshard_world *w, uint16_t count) {
    return shards_reshard_folders(w, count, NULL, count > w->count ? count : w->count);
}

/* --- going on --- */

/* Publishes with this payload, over all hosts, each id once; NULL: with any. */
static size_t count_ids(struct reshard_world *w, const char *topic, const char *payload) {
    const struct published *seen[4096];
    size_t count = 0;
    for (size_t i = 0; i < WORLD_FOLDERS; i++) {
        for (size_t n = 0; n < w->hosts[i]->published_count; n++) {
            const struct published *p = &w->hosts[i]->published[n];
            char id[512];
            char other[512];
            bool wanted = strcmp(p->topic, topic) == 0 &&
                          (payload == NULL || strcmp(p->payload, payload) == 0);
            (void)published_property(p, "zingq-id", id);
            for (size_t k = 0; wanted && k < count; k++) {
                wanted = strcmp(published_property(seen[k], "zingq-id", other), id) != 0;
            }
            if (wanted) {
                assert_true(count < 4096);
                seen[count++] = p;
            }
        }
    }
    return count;
}

void shards_expect_once(struct reshard_world *w, const char *topic, const char *payload) {
    size_t count = count_ids(w, topic, payload);
    if (count != 1) {
        fail_msg("%s came %zu times on %s", payload, count, topic);
    }
}

static void resume_all(struct reshard_world *w, size_t host) {
    for (size_t s = 0; s < WORLD_SERVICES; s++) {
        assert_true(service_status(w->hosts[host], SERVICES[s]).paused);
        assert_int_equal(command(w->hosts[host], pause_of(SERVICES[s], COMMAND_RESUME)), 0);
    }
}

/* Whoever waits gets its signal, what is parked is let go of. */
static void free_keys(struct reshard_world *w) {
    for (size_t i = 0; i < WORLD_KEYS; i++) {
        char key[8];
        struct command c = {.service = slice_of("orders"),
                            .key = slice_of(shards_key(i, key)),
                            .name = slice_of("go"),
                            .payload = slice_of("1")};
        struct engine_fixture *f = w->hosts[shards_owner(w, "orders", key)];
        bool parked = strcmp(KIND_NAMES[i % KINDS], "dead") == 0;
        if (parked || strcmp(KIND_NAMES[i % KINDS], "wait") == 0) {
            c.kind = parked ? COMMAND_KEY_SKIP : COMMAND_SIGNAL;
            assert_int_equal(command(f, c), 0);
        }
    }
}

static void expect_orders_once(struct reshard_world *w) {
    char text[64];
    char key[8];
    char out[512];
    for (size_t i = 0; i < WORLD_KEYS; i++) {
        const char *kind = KIND_NAMES[i % KINDS];
        (void)snprintf(text, sizeof text, "queued %zu", i);
        shards_expect_once(w, "done", text);
        (void)snprintf(text, sizeof text, "%s %zu", kind, i);
        struct engine_fixture *f = w->hosts[shards_owner(w, "orders", shards_key(i, key))];
        if (strcmp(kind, "dead") == 0) {
            assert_int_equal(state_of(f, "orders", text), EVENT_DEAD);
            continue;
        }
        shards_expect_once(w, "done", text);
        if (strcmp(kind, "step") == 0) {
            shards_expect_once(w, "stepped", text);
        } else if (strcmp(kind, "later") == 0) {
            shards_expect_once(w, "late", text);
        } else if (strcmp(kind, "lock") == 0) {
            shards_expect_once(w, "expired", key);
        } else if (strcmp(kind, "state") == 0) {
            (void)state_text(f, "orders", key, "v", out);
            assert_non_null(strstr(out, text));
        }
    }
}

/* Every message once more: each is known, to the host of its key or, without one, to all. */
static void expect_duplicates(struct reshard_world *w) {
    size_t before = count_ids(w, "done", NULL);
    char key[8];
    char text[64];
    for (size_t i = 0; i < WORLD_KEYS; i++) {
        struct engine_fixture *f = w->hosts[shards_owner(w, "orders", shards_key(i, key))];
        (void)snprintf(text, sizeof text, "%s %zu", KIND_NAMES[i % KINDS], i);
        give(f, "orders", key, text);
        (void)snprintf(text, sizeof text, "queued %zu", i);
        give(f, "orders", key, text);
    }
    for (size_t host = 0; host < w->count; host++) {
        for (size_t i = 0; i < 4; i++) { /* of host 1, which has always been there */
            (void)snprintf(text, sizeof text, "loose %zu of host 0", i);
            give(w->hosts[host], "loose", shards_key(i, key), text);
        }
        shards_pass(w, true);
    }
    assert_int_equal(count_ids(w, "done", NULL), before);
}

static void expect_rest_once(struct reshard_world *w, size_t hosts) {
    char text[64];
    for (size_t host = 0; host < hosts; host++) {
        for (size_t i = 0; i < 4; i++) {
            for (size_t s = 1; s < WORLD_SERVICES; s++) {
                (void)snprintf(text, sizeof text, "%s %zu of host %zu", SERVICES[s], i, host);
                shards_expect_once(w, "done", text);
            }
        }
    }
    assert_int_equal(count_ids(w, "asked", NULL), hosts);
}

/* An emptied folder has at most what its host alone can run. */
static void run_emptied(struct reshard_world *w, size_t host) {
    struct journal *j = NULL;
    struct store *store = shards_open(w, host, &j);
    if (store == NULL) {
        return;
    }
    shards_close(store, j);
    w->hosts[host]->only = "own";
    shards_start(w, host);
    assert_int_equal(command(w->hosts[host], pause_of("own", COMMAND_RESUME)), 0);
    run_dry(w->hosts[host]);
    assert_int_equal(status(w->hosts[host]).waiting, 0);
}

void shards_expect_to_go_on(struct reshard_world *w) {
    for (size_t i = 0; i < w->count; i++) {
        shards_start(w, i);
    }
    shards_pass(w, true);
    for (size_t i = 0; i < w->count; i++) {
        resume_all(w, i);
    }
    shards_pass(w, true);
    free_keys(w);
    shards_advance(w, HOUR_MS);
    for (size_t i = 0; i < w->count; i++) {
        assert_int_equal(status(w->hosts[i]).waiting, 0);
        assert_int_equal(count_rows(w->hosts[i], TABLE_OUTBOX), 0);
        assert_int_equal(count_rows(w->hosts[i], TABLE_FORWARD), 0);
    }
    for (size_t i = w->count; i < WORLD_FOLDERS; i++) {
        run_emptied(w, i);
    }
    expect_orders_once(w);
    expect_rest_once(w, w->filled);
    expect_duplicates(w);
}
