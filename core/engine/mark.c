/*
 * mark.c - marks, made and checked.
 *
 * A mark is a keyed BLAKE2b of 16 bytes, in hex, over the lengths and bytes of some texts: of an
 * event four, of a message between hosts three. A host marks with the first of hosts.secret, and
 * believes the marks of each of them; those on events also if they are of its own store, because
 * hosts.secret may be set while messages are on their way. Without hosts.secret it marks with the
 * secret of its store.
 */
#include "engine/mark.h"

#include "engine/impl.h"
#include "journal/move.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static const char MARK[] = "zingq-mark";

enum { KEY_BYTES = crypto_generichash_KEYBYTES, DIGEST_BYTES = 16 };

static_assert(ENGINE_MARK_NAME_BYTES == 2 * DIGEST_BYTES + 1, "hex");

struct marks {
    uint8_t own[KEY_BYTES];                 /* of the store's secret */
    uint8_t common[SECRETS_MAX][KEY_BYTES]; /* of hosts.secret; without one, `own` */
    size_t count;                           /* of these, at least 1; the first marks */
    bool trusts;                            /* other hosts' marks cannot be checked */
};

int engine_make_marks(struct engine *e) {
    e->marks = calloc(1, sizeof *e->marks);
    return e->marks == NULL ? ERR_MEMORY : 0;
}

void engine_free_marks(struct engine *e) {
    free(e->marks);
}

static void derive(uint8_t key[KEY_BYTES], const void *secret, size_t len) {
    static const uint8_t purpose[] = "zingq mark"; /* the store's secret has another one */
    int failed = crypto_generichash(key, KEY_BYTES, secret, len, purpose, sizeof purpose);
    static_assert(sizeof purpose <= crypto_generichash_KEYBYTES_MAX, "a key");
    assert(failed == 0);
}

void engine_load_marks(struct engine *e) {
    struct dedupe_secret secret;
    const struct hosts_conf *hosts = &e->conf->hosts;
    struct marks *marks = e->marks;
    journal_secret_get(e->journal, 0, &secret);
    derive(marks->own, secret.bytes, sizeof secret.bytes);
    memcpy(marks->common[0], marks->own, KEY_BYTES);
    assert(hosts->secret_count <= SECRETS_MAX);
    for (size_t i = 0; i < hosts->secret_count; i++) {
        derive(marks->common[i], hosts->secrets[i], strlen(hosts->secrets[i]));
    }
    marks->count = hosts->secret_count == 0 ? 1 : hosts->secret_count;
    marks->trusts =
        !hosts_are_proven(hosts) && (hosts->believes_any || division_is_divided(&hosts->share));
}

void engine_trust_hosts(struct engine *e, bool trusts) {
    assert(!trusts || !hosts_are_proven(&e->conf->hosts));
    e->marks->trusts = trusts;
}

static void add_text(crypto_generichash_state *hash, struct slice text) {
    uint8_t len[4]; /* a packet is far shorter */
    for (size_t i = 0; i < sizeof len; i++) {
        len[i] = (uint8_t)(text.len >> (8 * i));
    }
    (void)crypto_generichash_update(hash, len, sizeof len);
    if (text.len > 0) {
        (void)crypto_generichash_update(hash, (const uint8_t *)text.data, text.len);
    }
}

static void digest(const uint8_t key[KEY_BYTES], const struct slice *texts, size_t count,
                   char out[ENGINE_MARK_NAME_BYTES]) {
    crypto_generichash_state hash;
    uint8_t bytes[DIGEST_BYTES];
    int failed = crypto_generichash_init(&hash, key, KEY_BYTES, sizeof bytes);
    assert(failed == 0);
    for (size_t i = 0; i < count; i++) {
        add_text(&hash, texts[i]);
    }
    failed = crypto_generichash_final(&hash, bytes, sizeof bytes);
    assert(failed == 0);
    (void)sodium_bin2hex(out, ENGINE_MARK_NAME_BYTES, bytes, sizeof bytes);
}

void engine_mark_name(const struct engine *e, char out[ENGINE_MARK_NAME_BYTES]) {
    const struct slice what = slice_of("name");
    digest(e->marks->common[0], &what, 1, out);
}

void engine_add_marked(const struct engine *e, struct slice topic, const struct uuid *id,
                       const char *name, struct slice value, struct buf *properties) {
    char text[UUID_TEXT_BYTES + 1];
    char mark[ENGINE_MARK_NAME_BYTES];
    const struct slice texts[] = {topic, slice_of(uuid_text(id, text)), slice_of(name), value};
    digest(e->marks->common[0], texts, sizeof texts / sizeof *texts, mark);
    property_add(properties, slice_of(name), value);
    property_add(properties, slice_of(MARK), slice_of(mark));
}

static bool has_mark(struct slice properties, const char *mark) {
    struct slice name;
    struct slice value;
    size_t at = 0;
    while (property_next(properties, &at, &name, &value)) {
        if (slice_is(name, MARK) && value.len == ENGINE_MARK_NAME_BYTES - 1 &&
            sodium_memcmp(value.data, mark, value.len) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether the properties have the mark that one of the hosts' secrets makes of these texts. */
static bool is_marked(const struct engine *e, const struct slice *texts, size_t count,
                      struct slice properties) {
    char mark[ENGINE_MARK_NAME_BYTES];
    struct slice any;
    bool has_one = property_find(properties, MARK, &any); /* hashing takes time */
    for (size_t i = 0; i < e->marks->count && has_one; i++) {
        digest(e->marks->common[i], texts, count, mark);
        if (has_mark(properties, mark)) {
            return true;
        }
    }
    return false;
}

/* --- between hosts --- */

void engine_mark_message(const struct engine *e, struct slice topic, struct slice correlation,
                         struct slice payload, struct buf *properties) {
    char mark[ENGINE_MARK_NAME_BYTES];
    const struct slice texts[] = {topic, correlation, payload};
    digest(e->marks->common[0], texts, sizeof texts / sizeof *texts, mark);
    property_add(properties, slice_of(MARK), slice_of(mark));
}

bool engine_believes_message(const struct engine *e, struct slice topic, struct slice correlation,
                             struct slice payload, struct slice properties) {
    const struct slice texts[] = {topic, correlation, payload};
    return e->marks->trusts || is_marked(e, texts, sizeof texts / sizeof *texts, properties);
}

bool engine_believes_presence(const struct engine *e, struct slice topic, struct slice payload,
                              struct slice properties) {
    const struct slice texts[] = {topic, {"", 0}, payload};
    return !hosts_are_proven(&e->conf->hosts) ||
           is_marked(e, texts, sizeof texts / sizeof *texts, properties);
}

/* --- of events --- */

bool engine_believes(const struct engine *e, struct slice topic, struct slice properties,
                     const char *name, struct slice value) {
    char mark[ENGINE_MARK_NAME_BYTES];
    struct slice id = {"", 0};
    if (e->marks->trusts) {
        return true;
    }
    (void)property_find(properties, "zingq-id", &id);
    const struct slice texts[] = {topic, id, slice_of(name), value};
    if (is_marked(e, texts, sizeof texts / sizeof *texts, properties)) {
        return true;
    }
    digest(e->marks->own, texts, sizeof texts / sizeof *texts, mark);
    return has_mark(properties, mark);
}
