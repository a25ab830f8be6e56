/*
 * signal_message.c - signals as messages, and signals that end as dead letters.
 *
 * The topic is zingq/signal/<service>/<key>/<name>. Characters of key and name that a topic level
 * may not contain are percent-encoded. The payload is JSON, or else a string.
 */
#include "engine/signal_message.h"

#include "engine/admit.h"
#include "engine/cut.h"
#include "engine/forward.h"
#include "engine/impl.h"
#include "engine/services.h"
#include "engine/signal.h"
#include "event/value.h"
#include "journal/dedupe.h"

#include <string.h>

/* --- reading --- */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Appends the level, decoding %XX. False: a % without two digits. */
static bool decode_level(struct slice level, struct buf *out) {
    for (size_t i = 0; i < level.len; i++) {
        if (level.data[i] != '%') {
            buf_add_u8(out, (uint8_t)level.data[i]);
            continue;
        }
        int high = i + 2 < level.len ? hex_digit(level.data[i + 1]) : -1;
        int low = high < 0 ? -1 : hex_digit(level.data[i + 2]);
        if (low < 0) {
            return false;
        }
        buf_add_u8(out, (uint8_t)(high * 16 + low));
        i += 2;
    }
    return true;
}

/* zingq/signal/<service>/<key>/<name>: appends key and name to `out`. */
static int read_topic(struct slice topic, struct buf *out, size_t *key_len, struct report *r) {
    struct slice levels[6];
    size_t count = 0;
    size_t from = 0;
    for (size_t i = 0; i <= topic.len && count < 6; i++) {
        if (i == topic.len || topic.data[i] == '/') {
            levels[count++] = (struct slice){topic.data + from, i - from};
            from = i + 1;
        }
    }
    if (count != 5) {
        return report(r, ERR_INVALID,
                      "a signal's topic is zingq/signal/<service>/<key>/<name>, with %%2F for a / "
                      "in key or name");
    }
    bool ok = decode_level(levels[3], out);
    *key_len = out->len;
    if (!ok || !decode_level(levels[4], out)) {
        return report(r, ERR_INVALID, "in a signal's topic %% must be followed by two hex digits");
    }
    return out->failed ? ERR_MEMORY : 0;
}

int engine_signal_value(struct slice payload, struct buf *out) {
    int code = value_from_json(payload, out, NULL);
    if (code == ERR_INVALID) {
        buf_reset(out);
        buf_add_u8(out, 's');
        buf_add_slice(out, payload);
        return out->failed ? ERR_MEMORY : 0;
    }
    return code;
}

/* A message that is repeated because its acknowledgement was lost is one signal. */
int engine_signal_repeated(struct engine *e, const struct engine_service *s, struct slice topic,
                           struct slice properties, uint8_t partition, bool *repeated) {
    struct slice identity;
    struct uuid earlier;
    *repeated = false;
    if (!property_find(properties, "idempotency-key", &identity) &&
        !property_find(properties, "zingq-id", &identity)) {
        return 0;
    }
    for (size_t i = 1; i < journal_secret_count(e->journal); i++) { /* after a reshard */
        struct dedupe_hash old =
            journal_dedupe_hash_with(e->journal, i, s->origin, topic, identity);
        struct dedupe_note note;
        int found = journal_dedupe_find(e->journal, engine_keys_time(e, s), partition, &old, &note);
        *repeated = found == 0;
        if (found != ERR_NOTFOUND) {
            return found;
        }
    }
    struct dedupe_hash hash = journal_dedupe_hash(e->journal, s->origin, topic, identity);
    struct uuid id = uuid_next(&e->ids, e->now_ms);
    int code = journal_dedupe(e->journal, engine_keys_time(e, s), partition, &hash, &id, &earlier);
    *repeated = code == ERR_EXISTS;
    return *repeated ? 0 : code;
}

/* The content of a message. */
struct message {
    struct buf names, value;
    struct slice key, name; /* in names */
};

static int read_message(const struct event *event, struct message *m, struct report *r) {
    size_t key_len = 0;
    buf_init(&m->names, TOPIC_BYTES_MAX);
    buf_init(&m->value, event->payload.len + 64);
    int code = read_topic(event->topic, &m->names, &key_len, r);
    const char *text = buf_str(&m->names);
    m->key = (struct slice){text, key_len};
    m->name = (struct slice){text + key_len, m->names.len - key_len};
    return code == 0 ? engine_signal_value(event->payload, &m->value) : code;
}

static void clear_message(struct message *m) {
    buf_clear(&m->names);
    buf_clear(&m->value);
}

/* Takes the copy of a host that is away, and stores it as a forward if that host would take it. In
 * a service that is not divided, the copy is for that host's own events: any of its partitions
 * leads there. ERR_INVALID is ignored: our own copy reports it. */
static int take_copy(struct engine *e, struct engine_service *s, const struct event *event,
                     struct report *r) {
    const struct division *d = &e->conf->hosts.share;
    struct message m;
    int code = read_message(event, &m, r);
    struct signal signal = {.key = m.key,
                            .name = m.name,
                            .value = buf_slice(&m.value),
                            .topic = event->topic,
                            .properties = event->properties};
    code = code == 0 ? engine_check_signal(&signal, r) : code;
    uint8_t partition = (uint8_t)(event->for_host - 1);
    if (code == 0 && service_is_divided(s->conf, m.key.len > 0)) {
        partition = engine_signal_cell(s, m.key, m.name).partition;
    }
    if (code == 0 && division_owner(d, partition) == event->for_host) {
        code = engine_forward_signal(e, s, partition, &signal);
    }
    clear_message(&m);
    return code == ERR_INVALID ? 0 : code;
}

static int take_message(struct engine *e, struct engine_service *s, const struct event *event,
                        struct report *r) {
    struct message m;
    bool repeated = false;
    int code = read_message(event, &m, r);
    uint8_t partition = code == 0 ? engine_signal_cell(s, m.key, m.name).partition : 0;
    /* Every host receives it from the broker: the owner of its key takes it. */
    bool ours = code == 0 && !engine_is_elsewhere(e, s, m.key, partition);
    if (ours) {
        code = engine_signal_repeated(e, s, event->topic, event->properties, partition, &repeated);
    }
    if (code == 0 && ours && !repeated) {
        code = engine_signal(
            e, s, &(struct signal){.key = m.key, .name = m.name, .value = buf_slice(&m.value)}, r);
    }
    clear_message(&m);
    return code;
}

/* --- as dead letters --- */

int engine_send_letter(struct engine *e, struct engine_service *s, const struct event *event,
                       struct report *r) {
    struct message m;
    int code = engine_check_whole(event, r);
    if (code != 0) {
        return code;
    }
    code = read_message(event, &m, r);
    if (code == 0) {
        code = engine_signal(
            e, s, &(struct signal){.key = m.key, .name = m.name, .value = buf_slice(&m.value)}, r);
    }
    clear_message(&m);
    return code;
}

static void add_level(struct buf *topic, struct slice level) {
    for (size_t i = 0; i < level.len; i++) {
        unsigned char c = (unsigned char)level.data[i];
        if (c < ' ' || c >= 0x7f || strchr("%/+#", c) != NULL) {
            buf_printf(topic, "%%%02X", c);
        } else {
            buf_add_u8(topic, c);
        }
    }
}

int engine_refuse_signal(struct engine *e, struct engine_service *s, const struct event *from,
                         const struct effect *effect, const char *reason) {
    struct buf topic;
    struct buf value;
    buf_init(&topic, TOPIC_BYTES_MAX);
    buf_init(&value, (size_t)VALUE_BYTES_MAX * 8);
    buf_printf(&topic, "%s%s/", ENGINE_SIGNAL_TOPIC, s->conf->name);
    add_level(&topic, effect->key);
    buf_add_str(&topic, "/");
    add_level(&topic, effect->name);
    bool made = value_to_json(effect->value, &value) == 0 && !topic.failed && !value.failed;
    struct event_bytes bytes = {.topic = buf_slice(&topic), .payload = buf_slice(&value)};
    struct event *event = made ? event_new(&bytes) : NULL;
    buf_clear(&topic);
    buf_clear(&value);
    if (event == NULL) {
        return ERR_MEMORY;
    }
    event->cause = from->id;
    event->hops = from->hops;
    event->service = s->number;
    event->kind = EVENT_DEAD_LETTER;
    event->state = EVENT_READY;
    return engine_admit_dead(e, s, event, reason);
}

/* --- admission --- */

int engine_admit_signal(struct engine *e, struct event *event) {
    struct report r = {""};
    struct engine_service *s = &e->services[event->service];
    int code = event->for_host == 0 ? take_message(e, s, event, &r) : take_copy(e, s, event, &r);
    if (code == ERR_INVALID) {
        event->service = s->number;
        event->state = EVENT_READY;
        event->kind = EVENT_MESSAGE;
        return engine_admit_dead(e, s, event, r.text);
    }
    event_free(event);
    return code;
}
