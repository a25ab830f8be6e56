/* load.c - see load.h. */
#include "load.h"

#include "memory.h"
#include "base/limits.h"
#include "base/slew.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct load_kind *const kinds[] = {
    &kind_count, //
    &kind_batch, //
    &kind_book,  //
    &kind_chain, //
    &kind_die,   //
    &kind_free,  //
    &kind_guest, //
    &kind_hold,  //
    &kind_late,  //
    &kind_loop,  //
    &kind_park,  //
    &kind_sell,  //
    &kind_steps, //
    &kind_tick,  //
    &kind_wait,  //
};

enum {
    KINDS = sizeof kinds / sizeof *kinds,
    BURST = 30,
    CROWDS = 2,
    SAID_MAX = 20000,
    PAYLOAD_MAX = 4096
};

/* --- saying --- */

/* Where engine time may have leapt. */
static unsigned boots(const struct sim *s) {
    unsigned sum = 0;
    for (unsigned i = 0; i < MACHINES_MAX * NODES_MAX; i++) {
        const struct node *n = &s->places[i / NODES_MAX][i % NODES_MAX];
        sum += n->boot + (s->traits.shared_clock ? n->starts : 0);
    }
    return sum;
}

static uint8_t choose(struct sim *s) {
    unsigned sum = 0;
    for (size_t i = 0; i < KINDS; i++) {
        sum += kinds[i]->weight;
    }
    uint64_t at = sim_below(s, sum);
    uint8_t kind = 0;
    while (at >= kinds[kind]->weight) {
        at -= kinds[kind++]->weight;
    }
    return kind;
}

static void publish_as(struct sim *s, const char *topic, const char *payload, const char *once,
                       const struct uuid *id) {
    char text[UUID_TEXT_BYTES + 1];
    struct buf properties;
    buf_init(&properties, 4096);
    property_add(&properties, slice_of("idempotency-key"), slice_of(once));
    if (id != NULL) {
        property_add(&properties, slice_of("zingq-id"), slice_of(uuid_text(id, text)));
    }
    sim_tell(s, "%s %s", topic, payload);
    broker_take(s, topic, payload, buf_slice(&properties));
    buf_clear(&properties);
}

void load_publish(struct sim *s, const char *topic, const char *payload, const char *once) {
    publish_as(s, topic, payload, once, NULL);
}

/* A UUIDv7 of when it was said, with the number in its end. */
static struct uuid id_of(const struct said *one) {
    struct uuid id = {{0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0x5a}};
    int64_t ms = NODE_WALL_START_MS + one->said_ms;
    for (int i = 0; i < 6; i++) {
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    for (int i = 0; i < 4; i++) {
        id.bytes[12 + i] = (uint8_t)(one->number >> (24 - 8 * i));
    }
    return id;
}

static struct said *add(struct sim *s, uint8_t kind) {
    struct sim_load *l = &s->load;
    if (l->count == l->cap) {
        l->cap = l->cap * 2 + 256;
        l->said = made(realloc(l->said, l->cap * sizeof *l->said));
    }
    struct said *one = &l->said[l->count];
    bool crowd = l->crowd > 0 && l->crowd++ > 0;
    bool hot = crowd || sim_chance(s, 40);
    *one = (struct said){.number = (uint32_t)l->count++,
                         .kind = crowd ? 0 : kind,
                         .key = (uint8_t)(hot ? 0 : sim_below(s, KEYS)),
                         .boots = boots(s),
                         .said_ms = s->true_ms};
    return one;
}

static struct said *compose(struct sim *s, uint8_t of, char topic[64], struct buf *payload) {
    struct said *one = add(s, of);
    const struct load_kind *kind = kinds[one->kind];
    buf_printf(payload, "{\"n\":%u,\"k\":\"k%u\",\"p\":%u", one->number, one->key,
               one->number % 12);
    if (kind->say != NULL) {
        kind->say(s, one, payload);
    }
    buf_add_str(payload, "}");
    (void)snprintf(topic, 64, "in/%s/k%u", kind->name, one->key);
    return one;
}

struct said *load_write(struct sim *s, char *topic, size_t topic_bytes, char *payload,
                        size_t payload_bytes) {
    char where[64];
    struct buf text;
    uint8_t kind = choose(s);
    while (!kinds[kind]->mortal) {
        kind = choose(s);
    }
    buf_init(&text, PAYLOAD_MAX);
    struct said *one = compose(s, kind, where, &text);
    (void)snprintf(topic, topic_bytes, "%s", where);
    (void)snprintf(payload, payload_bytes, "%s", buf_str(&text));
    buf_clear(&text);
    return one;
}

static void say_one(struct sim *s) {
    char topic[64];
    char once[32];
    struct buf payload;
    buf_init(&payload, PAYLOAD_MAX);
    struct said *one = compose(s, choose(s), topic, &payload);
    const struct load_kind *kind = kinds[one->kind];
    (void)snprintf(once, sizeof once, "%u", one->number);
    struct uuid id = id_of(one);
    one->known = kind->named && one->number % 2 == 1;
    publish_as(s, topic, buf_str(&payload), once, one->known ? &id : NULL);
    if (sim_chance(s, 5)) { /* its publisher had no PUBACK */
        publish_as(s, topic, buf_str(&payload), once, one->known ? &id : NULL);
    }
    buf_clear(&payload);
}

/* More for one key than a lane has in memory. */
static uint64_t crowd(struct sim *s) {
    s->load.crowd = s->traits.crowds && s->load.crowds < CROWDS && sim_chance(s, 5) ? 1 : 0;
    s->load.crowds += s->load.crowd;
    return s->load.crowd > 0 ? LANE_QUEUE_MAX + LANE_QUEUE_MAX / 2 : 0;
}

void load_say(struct sim *s) {
    uint64_t count = 1 + sim_below(s, 1 + sim_below(s, BURST));
    uint64_t most = s->plan->say_most;
    count += crowd(s);
    count = most > 0 && most < count ? most : count;
    for (uint64_t i = 0; i < count && s->load.count < SAID_MAX; i++) {
        say_one(s);
    }
    s->load.crowd = 0;
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i]->besides != NULL) {
            kinds[i]->besides(s);
        }
    }
}

void load_settle(struct sim *s) {
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i]->settle != NULL) {
            kinds[i]->settle(s);
        }
    }
}

/* --- hearing --- */

/* Whether a publish with this id was heard before. An announcement has the id of who died, which
 * may die again, and a key of its own. */
static bool heard_before(struct sim *s, struct slice properties, bool dies) {
    struct slice id = {"", 0};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (!property_find(properties, dies ? "idempotency-key" : "zingq-id", &id)) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        hash = (hash ^ (uint8_t)id.data[i]) * UINT64_C(0x100000001b3);
    }
    hash |= hash == 0 ? 1 : 0;
    for (size_t i = hash % HEARD_IDS;; i = (i + 1) % HEARD_IDS) {
        if (s->load.ids[i] == hash) {
            return true;
        }
        if (s->load.ids[i] == 0) {
            if (++s->load.id_count > HEARD_IDS / 2) {
                abort(); /* make it larger */
            }
            s->load.ids[i] = hash;
            return false;
        }
    }
}

struct said *load_said(struct sim *s, const char *payload) {
    const char *number = payload;
    if (payload[0] == '{') {
        number = strstr(payload, "\"n\":");
        if (number == NULL) {
            return NULL;
        }
        number += 4;
    }
    if (number[0] < '0' || number[0] > '9') {
        return NULL;
    }
    unsigned long n = strtoul(number, NULL, 10);
    return n < s->load.count ? &s->load.said[n] : NULL;
}

const struct load_kind *load_kind_of(const struct said *one) {
    return kinds[one->kind];
}

static const struct load_kind *kind_named(const char *name, size_t len) {
    for (size_t i = 0; i < KINDS; i++) {
        if (strlen(kinds[i]->name) == len && memcmp(kinds[i]->name, name, len) == 0) {
            return kinds[i];
        }
    }
    return NULL;
}

/* The one that the payload names, of the kind that the topic does. */
static struct said *named(struct sim *s, const struct load_kind *kind, const char *payload) {
    struct said *one = load_said(s, payload);
    return one != NULL && kinds[one->kind] == kind ? one : NULL;
}

int64_t load_waited_ms(const struct sim *s, const struct said *one) {
    int64_t ms = s->true_ms - one->said_ms;
    return one->boots == boots(s) ? ms + (s->traits.shared_clock ? ms / SLEW_PART : 0) : INT64_MAX;
}

/* A refused publish holds up what comes behind it of its own key, but not what was on its way with
 * it; and a batch publishes under the key of one of its events. */
static bool overtakes(const struct sim *s, const struct load_kind *kind) {
    bool crashed = false;
    for (unsigned i = 0; i < s->count; i++) {
        crashed = crashed || s->nodes[i]->killed_in_send;
    }
    return (s->traits.refuses && kind->refused) || (kind->mixed && crashed);
}

static void end_of(struct sim *s, struct said *one, const char *payload) {
    const struct load_kind *kind = kinds[one->kind];
    const char *space = strchr(payload, ' ');
    const char *text = space == NULL ? "" : space + 1;
    bool dealt_to_all = s->traits.everywhere;
    unsigned host = one->host == 0 || dealt_to_all ? 0 : one->host - 1;
    uint32_t *last = &s->load.last[host][one->kind][one->key];
    bool once = s->count == 1 || one->deals == (dealt_to_all ? s->count : 1);
    bool ordered = kind->ordered && once && !one->skipped && !overtakes(s, kind);
    if (kind->aside != NULL && kind->aside(s, one, text)) {
        return;
    }
    one->ends++;
    one->ended_ms = s->true_ms;
    s->tally->ended++;
    if (one->ends > 1 + one->reruns) {
        sim_fail(s, "%s %u has ended %u times", kind->name, one->number, one->ends);
    }
    if (ordered && *last > one->number + 1) {
        sim_fail(s, "%s %u of key k%u ends after %u, which came after it", kind->name, one->number,
                 one->key, *last - 1);
    }
    if (ordered) {
        *last = one->number + 1;
    }
    if (kind->heard != NULL) {
        kind->heard(s, one, text);
    }
}

bool load_is_fault(struct slice reason) {
    static const char memory[] = "out of memory";
    static const char store[] = "refused an operation";
    return memmem(reason.data, reason.len, memory, sizeof memory - 1) != NULL ||
           memmem(reason.data, reason.len, store, sizeof store - 1) != NULL;
}

static void death_of(struct sim *s, struct said *one, struct slice properties) {
    const struct load_kind *kind = kinds[one->kind];
    struct slice reason = {"", 0};
    (void)property_find(properties, "zingq-reason", &reason);
    one->deaths++;
    sim_tell(s, "  it died: %.*s", (int)reason.len, reason.data == NULL ? "" : reason.data);
    if (kind->died != NULL) {
        kind->died(s, one, reason);
    }
}

void load_heard(struct sim *s, const char *topic, const char *payload, struct slice properties) {
    static const char out[] = "out/";
    static const char dead[] = "dead/";
    bool ends = strncmp(topic, out, sizeof out - 1) == 0;
    bool dies = strncmp(topic, dead, sizeof dead - 1) == 0;
    if ((!ends && !dies) || heard_before(s, properties, dies)) {
        return;
    }
    const char *name = topic + (ends ? sizeof out : sizeof dead) - 1;
    size_t len = strcspn(name, "/");
    const struct load_kind *kind = kind_named(name, len);
    struct said *one = kind == NULL ? NULL : named(s, kind, payload);
    sim_tell(s, "heard: %s %s", topic, payload);
    if (ends && kind != NULL && kind->overheard != NULL) {
        kind->overheard(s, name[len] == '/' ? name + len + 1 : "", payload);
    } else if (one == NULL) {
        sim_fail(s, "on %s, of nobody: %s", topic, payload);
    } else if (dies) {
        death_of(s, one, properties);
    } else {
        end_of(s, one, payload);
    }
}

bool load_may_refuse(const char *topic) {
    static const char *const said[] = {"out/", "dead/"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        const char *name = topic + strlen(said[i]);
        if (strncmp(topic, said[i], strlen(said[i])) == 0) {
            const struct load_kind *kind = kind_named(name, strcspn(name, "/"));
            return kind != NULL && kind->refused;
        }
    }
    return strncmp(topic, "mid/", 4) == 0 || strncmp(topic, "void/", 5) == 0;
}

void load_dealt(struct sim *s, const struct node *n, const char *topic, const char *payload) {
    static const char in[] = "in/";
    const char *name = topic + sizeof in - 1;
    if (strncmp(topic, in, sizeof in - 1) != 0) {
        return;
    }
    const struct load_kind *kind = kind_named(name, strcspn(name, "/"));
    struct said *one = kind == NULL ? NULL : named(s, kind, payload);
    if (one != NULL) {
        one->host = (uint8_t)n->number;
        one->deals++;
    }
}

void load_taken(struct sim *s, const struct node *n, const char *topic, const char *payload) {
    static const char signals[] = "zingq/signal/";
    struct said *one =
        strncmp(topic, signals, sizeof signals - 1) == 0 ? load_said(s, payload) : NULL;
    if (one != NULL && kinds[one->kind]->taken != NULL) {
        kinds[one->kind]->taken(s, one, n);
    }
}

void load_killed(struct sim *s, const struct uuid *id) {
    uint32_t n = (uint32_t)id->bytes[12] << 24 | (uint32_t)id->bytes[13] << 16 |
                 (uint32_t)id->bytes[14] << 8 | id->bytes[15];
    if (n >= s->load.count) {
        return;
    }
    struct uuid own = id_of(&s->load.said[n]);
    if (uuid_equal(&own, id)) {
        s->load.said[n].kills++;
    }
}

bool load_mine(struct sim *s, const char *text) {
    static const char mine[] = "mine ";
    struct said *one =
        strncmp(text, mine, sizeof mine - 1) == 0 ? load_said(s, text + sizeof mine - 1) : NULL;
    const struct load_kind *kind = one == NULL ? NULL : kinds[one->kind];
    return kind != NULL && kind->mine != NULL && kind->mine(s, one);
}

void load_turned(struct sim *s, struct node *n) {
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i]->turned != NULL) {
            kinds[i]->turned(s, n);
        }
    }
}

/* --- in the end --- */

static void check_one(struct sim *s, const struct said *one) {
    const struct load_kind *kind = kinds[one->kind];
    bool well = one->ends == (one->gone ? 0 : 1) || (one->may_be_gone && one->ends == 0);
    if (kind->check != NULL) {
        kind->check(s, one);
    } else if (!well || one->deaths != 0) {
        sim_fail(s, "%s %u of key k%u, said at %lld ms, has ended %u times and died %u times%s",
                 kind->name, one->number, one->key, (long long)one->said_ms, one->ends, one->deaths,
                 one->gone ? ", and was discarded" : "");
    }
}

void load_check(struct sim *s) {
    for (size_t i = 0; i < s->load.count && !s->failed; i++) {
        check_one(s, &s->load.said[i]);
    }
    for (size_t i = 0; i < KINDS && !s->failed; i++) {
        if (kinds[i]->check_all != NULL) {
            kinds[i]->check_all(s);
        }
    }
}

bool load_is(const struct said *one, const struct load_kind *kind) {
    return kinds[one->kind] == kind;
}

void load_clear(struct sim *s) {
    free(s->load.said);
    memset(&s->load, 0, sizeof s->load);
}
