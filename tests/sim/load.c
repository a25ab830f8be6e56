/* load.c - see load.h. */
#include "load.h"

#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct load_kind *const kinds[] = {&kind_count};

enum { KINDS = sizeof kinds / sizeof *kinds, BURST = 30, SAID_MAX = 20000, PAYLOAD_MAX = 4096 };

/* --- saying --- */

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

void load_publish(struct sim *s, const char *topic, const char *payload, const char *once) {
    struct buf properties;
    buf_init(&properties, 4096);
    property_add(&properties, slice_of("idempotency-key"), slice_of(once));
    sim_tell(s, "%s %s", topic, payload);
    broker_take(s, topic, payload, buf_slice(&properties));
    buf_clear(&properties);
}

static struct said *add(struct sim *s) {
    struct sim_load *l = &s->load;
    if (l->count == l->cap) {
        l->cap = l->cap * 2 + 256;
        l->said = realloc(l->said, l->cap * sizeof *l->said);
        if (l->said == NULL) {
            abort();
        }
    }
    struct said *one = &l->said[l->count];
    *one = (struct said){.number = (uint32_t)l->count++,
                         .kind = choose(s),
                         .key = (uint8_t)(sim_chance(s, 40) ? 0 : sim_below(s, KEYS)),
                         .said_ms = s->true_ms};
    return one;
}

static void say_one(struct sim *s) {
    char topic[64];
    char once[32];
    struct buf payload;
    struct said *one = add(s);
    const struct load_kind *kind = kinds[one->kind];
    buf_init(&payload, PAYLOAD_MAX);
    buf_printf(&payload, "{\"n\":%u,\"k\":\"k%u\"", one->number, one->key);
    if (kind->say != NULL) {
        kind->say(s, one, &payload);
    }
    buf_add_str(&payload, "}");
    (void)snprintf(topic, sizeof topic, "in/%s/k%u", kind->name, one->key);
    (void)snprintf(once, sizeof once, "%u", one->number);
    load_publish(s, topic, buf_str(&payload), once);
    if (sim_chance(s, 5)) {
        load_publish(s, topic, buf_str(&payload), once); /* its publisher had no PUBACK */
    }
    buf_clear(&payload);
}

void load_say(struct sim *s) {
    uint64_t count = 1 + sim_below(s, 1 + sim_below(s, BURST));
    uint64_t most = s->plan->say_most;
    count = most > 0 && most < count ? most : count;
    for (uint64_t i = 0; i < count && s->load.count < SAID_MAX; i++) {
        say_one(s);
    }
}

/* --- hearing --- */

/* Whether a publish with this id was heard before. */
static bool heard_before(struct sim *s, struct slice properties) {
    struct slice id = {"", 0};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (!property_find(properties, "zingq-id", &id)) {
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

/* The one that the payload names, of this kind; NULL when it names none. */
static struct said *named(struct sim *s, const char *kind, size_t len, const char *payload) {
    const char *number = payload[0] == '{' ? strstr(payload, "\"n\":") : payload;
    number += number != NULL && payload[0] == '{' ? 4 : 0;
    if (number == NULL || number[0] < '0' || number[0] > '9') {
        return NULL;
    }
    unsigned long n = strtoul(number, NULL, 10);
    if (n >= s->load.count) {
        return NULL;
    }
    struct said *one = &s->load.said[n];
    const char *name = kinds[one->kind]->name;
    return strlen(name) == len && memcmp(name, kind, len) == 0 ? one : NULL;
}

static void end_of(struct sim *s, struct said *one, const char *payload) {
    const struct load_kind *kind = kinds[one->kind];
    uint32_t *last = &s->load.last[one->host == 0 ? 0 : one->host - 1][one->kind][one->key];
    bool ordered = kind->ordered && (s->count == 1 || one->deals == 1);
    one->ends++;
    one->ended_ms = s->true_ms;
    s->tally->ended++;
    if (one->ends > 1) {
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
        const char *text = strchr(payload, ' ');
        kind->heard(s, one, text == NULL ? "" : text + 1);
    }
}

void load_heard(struct sim *s, const char *topic, const char *payload, struct slice properties) {
    static const char out[] = "out/";
    static const char dead[] = "dead/";
    bool ends = strncmp(topic, out, sizeof out - 1) == 0;
    bool dies = strncmp(topic, dead, sizeof dead - 1) == 0;
    if ((!ends && !dies) || heard_before(s, properties)) {
        return;
    }
    const char *kind = topic + (ends ? sizeof out : sizeof dead) - 1;
    struct said *one = named(s, kind, strcspn(kind, "/"), payload);
    sim_tell(s, "heard: %s %s", topic, payload);
    if (one == NULL) {
        sim_fail(s, "on %s, of nobody: %s", topic, payload);
    } else if (dies) {
        one->deaths++;
    } else {
        end_of(s, one, payload);
    }
}

void load_dealt(struct sim *s, const struct node *n, const char *topic, const char *payload) {
    static const char in[] = "in/";
    const char *kind = topic + sizeof in - 1;
    if (strncmp(topic, in, sizeof in - 1) != 0) {
        return;
    }
    struct said *one = named(s, kind, strcspn(kind, "/"), payload);
    if (one != NULL) {
        one->host = (uint8_t)n->number;
        one->deals++;
    }
}

/* --- in the end --- */

void load_check(struct sim *s) {
    for (size_t i = 0; i < s->load.count && !s->failed; i++) {
        const struct said *one = &s->load.said[i];
        const struct load_kind *kind = kinds[one->kind];
        if (kind->check != NULL) {
            kind->check(s, one);
        } else if (one->ends != 1 || one->deaths != 0) {
            sim_fail(s, "%s %u of key k%u, said at %lld ms, has ended %u times and died %u times",
                     kind->name, one->number, one->key, (long long)one->said_ms, one->ends,
                     one->deaths);
        }
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
