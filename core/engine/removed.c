/*
 * removed.c - services that topics.conf no longer has. Their events, dead letters and state are
 * still in the store, and the broker may still deliver messages for their subscriptions.
 *
 * Each is a service of this host like one that another host runs: what arrives for it is accepted
 * and waits, an operator can look at its events and end them, but nothing runs. Its rules for keys
 * are those that the store noted (engine/rules.c); everything else has the defaults of topics.conf.
 */
#include "engine/removed.h"

#include "base/limits.h"
#include "engine/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct removed {
    struct service_conf *of; /* one for each */
    size_t count;
};

/* --- the rules it had --- */

/* "key K, idempotency I", as engine/rules.c writes them. What cannot be read is no rule. */
static int read_rules(struct engine *e, struct service_conf *s) {
    static const char before[] = "key ";
    static const char between[] = ", idempotency ";
    char name[sizeof "rules/" + NAME_BYTES_MAX];
    struct slice text;
    struct report ignored;
    (void)snprintf(name, sizeof name, "rules/%s", s->name);
    int code = journal_text_get(e->journal, name, &text);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    char *rules = slice_dup(text);
    if (rules == NULL) {
        return ERR_MEMORY;
    }
    char *second = strstr(rules, between);
    if (strncmp(rules, before, sizeof before - 1) == 0 && second != NULL) {
        *second = '\0';
        code = rule_parse(rules + sizeof before - 1, &s->key, &ignored);
        code = code == ERR_MEMORY
                   ? code
                   : rule_parse(second + sizeof between - 1, &s->idempotency, &ignored);
    }
    free(rules);
    return code == ERR_MEMORY ? code : 0;
}

static int describe(struct engine *e, const char *name, struct service_conf *s) {
    struct buf topic;
    *s = (struct service_conf){.name = slice_dup(slice_of(name)),
                               .share = true,
                               .concurrency = 1,
                               .batch = 1,
                               .timeout_ms = 1,
                               .idempotency_window_ms = INT64_MAX / 2};
    buf_init(&topic, TOPIC_BYTES_MAX);
    buf_printf(&topic, "zingq/dlq/%s", name);
    s->dead_topic = topic.failed ? NULL : slice_dup(buf_slice(&topic));
    buf_clear(&topic);
    if (s->name == NULL || s->dead_topic == NULL) {
        return ERR_MEMORY;
    }
    int code = read_rules(e, s);
    s->ordered = s->key.kind != RULE_NONE;
    return code;
}

/* --- finding them --- */

static int find(struct engine *e, struct removed *r) {
    uint16_t count = journal_service_count(e->journal);
    int code = 0;
    for (uint16_t n = 0; code == 0 && n < count && r->count < SERVICES_MAX; n++) {
        const char *name = journal_service_name(e->journal, n);
        if (name != NULL && !conf_has_service(e->conf, name)) {
            code = describe(e, name, &r->of[r->count++]);
        }
    }
    return code;
}

int engine_find_removed(struct engine *e) {
    struct removed *r = calloc(1, sizeof *r);
    e->removed = r;
    if (r == NULL || (r->of = calloc(SERVICES_MAX, sizeof *r->of)) == NULL) {
        return ERR_MEMORY;
    }
    int code = store_begin(journal_store(e->journal));
    if (code == 0) {
        code = find(e, r);
        store_abort(journal_store(e->journal));
    }
    return code;
}

void engine_free_removed(struct engine *e) {
    struct removed *r = e->removed;
    for (size_t i = 0; r != NULL && i < r->count; i++) {
        free(r->of[i].name);
        free(r->of[i].dead_topic);
        rule_clear(&r->of[i].key);
        rule_clear(&r->of[i].idempotency);
    }
    if (r != NULL) {
        free(r->of);
    }
    free(r);
    e->removed = NULL;
}

const struct service_conf *engine_removed(const struct engine *e, size_t n) {
    return n < e->removed->count ? &e->removed->of[n] : NULL;
}

bool engine_refuse_removed(const struct engine_service *s, struct command *c) {
    if (s->removed) {
        c->code = report(&c->report, ERR_INVALID,
                         "service \"%s\" is no longer in topics.conf, so nothing runs its events: "
                         "`zingq move --from %s --to SERVICE` gives them to another service",
                         s->conf->name, s->conf->name);
    }
    return s->removed;
}
