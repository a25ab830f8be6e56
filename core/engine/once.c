/*
 * once.c - requests with an idempotency key, from the front door or an operator: a repetition is
 * recognized, whichever secret the first one was hashed with.
 */
#include "engine/once.h"

#include "engine/impl.h"
#include "engine/services.h"
#include "engine/signal.h"
#include "journal/dedupe.h"

#include <string.h>

static const struct slice ONCE_SCOPE = {"\001publish", sizeof "\001publish" - 1}; /* no service */

static struct dedupe_time once_time(const struct engine *e) {
    return (struct dedupe_time){.now_ms = e->now_ms, .keep_ms = e->conf->keep_idempotency_ms};
}

/* What makes two commands the same: their key, within the subject they are about. */
static struct dedupe_hash once_hash(const struct engine *e, size_t secret, const struct command *c,
                                    struct slice about) {
    return journal_dedupe_hash_with(e->journal, secret, ONCE_SCOPE, about, c->once);
}

static struct dedupe_hash mark_of(const struct engine *e, size_t secret, const struct command *c) {
    return journal_dedupe_hash_with(e->journal, secret, ONCE_SCOPE, c->content_type, c->payload);
}

/* Searches the hashes made with secrets of other stores; *secret is the one found. */
static int find_once(struct engine *e, const struct command *c, uint8_t partition,
                     struct slice about, size_t *secret, struct dedupe_note *earlier) {
    for (*secret = 1; *secret < journal_secret_count(e->journal); ++*secret) {
        struct dedupe_hash hash = once_hash(e, *secret, c, about);
        int code = journal_dedupe_find(e->journal, once_time(e), partition, &hash, earlier);
        if (code != ERR_NOTFOUND) {
            return code;
        }
    }
    *secret = 0;
    return ERR_NOTFOUND;
}

/* True if the same was requested before. ERR_EXISTS in the command: the key was used for something
 * else. */
int engine_asked_before(struct engine *e, struct command *c, uint8_t partition, struct slice about,
                        bool *before) {
    struct dedupe_note earlier;
    size_t secret;
    int code = find_once(e, c, partition, about, &secret, &earlier);
    *before = code == 0;
    if (code == ERR_NOTFOUND) {
        struct dedupe_hash hash = once_hash(e, 0, c, about);
        struct dedupe_note note = {.id = c->made, .marked = true, .mark = mark_of(e, 0, c)};
        code = journal_dedupe_marked(e->journal, once_time(e), partition, &hash, &note, &earlier);
        *before = code == ERR_EXISTS;
    }
    if (!*before) {
        return code;
    }
    struct dedupe_hash mark = mark_of(e, secret, c);
    c->made = earlier.id;
    if (memcmp(earlier.mark.bytes, mark.bytes, sizeof mark.bytes) != 0) {
        c->code =
            report(&c->report, ERR_EXISTS, "another request came under the same idempotency key");
        return 0;
    }
    return 0;
}

int engine_signal_once(struct engine *e, struct engine_service *s, const struct signal *signal,
                       struct report *r) {
    uint8_t partition = journal_partition(journal_lane(s->origin, signal->key));
    struct command c = {.once = signal->once, .payload = signal->said};
    struct buf about;
    bool before = false;
    buf_init(&about, NAME_BYTES_MAX + signal->key.len + signal->name.len + 32);
    buf_add_lv(&about, s->origin);
    buf_add_lv(&about, signal->key);
    buf_add_lv(&about, signal->name);
    c.made = uuid_next(&e->ids, e->now_ms);
    int code = about.failed ? ERR_MEMORY
                            : engine_asked_before(e, &c, partition, buf_slice(&about), &before);
    struct dedupe_hash hash = once_hash(e, 0, &c, buf_slice(&about));
    buf_clear(&about);
    if (code == 0 && c.code != 0) {
        return report(r, c.code, "%s", c.report.text);
    }
    if (code != 0 || before) {
        return code;
    }
    code = engine_signal(e, s, signal, r);
    if (code == ERR_INVALID) {
        int forgot = journal_dedupe_forget(e->journal, once_time(e), partition, &hash);
        code = forgot == 0 ? ERR_INVALID : forgot;
    }
    return code;
}
