/*
 * signal.c - waits, and the signals that end them.
 *
 * A signal belongs to (service, key, name). When an event waits for it, the event gets it: its
 * record of the wait has the value, and it is woken. Otherwise the signal is kept until somebody
 * comes, or until store.keep_signals has passed. An event that waits is not in memory: it stands on
 * disk at the head of its lane, and a waiter row leads from the signal's name to it.
 *
 * Signals come from handlers (zing.signal), operators and the front door (COMMAND_SIGNAL), and as
 * messages on zingq/signal/<service>/<key>/<name>, key and name percent-encoded where they hold
 * what a topic level may not. A message's payload is JSON, or else a string.
 */
#include "engine/impl.h"

#include "event/value.h"
#include "journal/event.h"
#include "journal/dedupe.h"
#include "journal/later.h"
#include "journal/keyed.h"
#include "journal/step.h"

#include <string.h>

static struct cell signal_cell(const struct engine_service *s, struct slice key,
                               struct slice name) {
    uint8_t partition = journal_partition(journal_lane(s->name, key));
    return (struct cell){.partition = partition, .service = s->number, .key = key, .name = name};
}

/* --- waiting --- */

static int resolve(struct engine *e, struct event *event, struct slice label, enum step_state state,
                   struct slice value) {
    struct step step = {.kind = STEP_WAIT,
                        .state = state,
                        .order = journal_next_seq(e->journal, e->now_ms),
                        .at_ms = e->now_ms,
                        .name = label,
                        .value = value};
    event->durable = true;
    return journal_step_put(e->journal, event, &step);
}

static int drop_waiter(struct engine *e, const struct cell *cell, uint64_t seq) {
    int code = journal_waiter_del(e->journal, cell, seq);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* The oldest signal of the cell becomes the value of the wait. ERR_NOTFOUND. */
static int take_signal(struct engine *e, struct event *event, const struct cell *cell,
                       struct slice label) {
    struct slice value;
    uint64_t seq = 0;
    int code = journal_signal_next(e->journal, cell, e->now_ms, &seq, &value);
    if (code != 0) {
        return code;
    }
    struct buf copy; /* the store moves what is written beside it */
    buf_init(&copy, VALUE_BYTES_MAX + 1);
    buf_add_slice(&copy, value);
    code = copy.failed ? ERR_MEMORY : resolve(e, event, label, STEP_DONE, buf_slice(&copy));
    buf_clear(&copy);
    return code == 0 ? journal_signal_del(e->journal, cell, seq) : code;
}

static int forget_wait(struct engine *e, const struct event *event, const struct step *wait) {
    char name[STATE_NAME_BYTES_MAX]; /* the store moves what is read when something is written */
    char label[STEP_LABEL_BYTES_MAX];
    size_t name_len = wait->value.len < sizeof name ? wait->value.len : sizeof name;
    if (wait->name.len > sizeof label) {
        return ERR_CORRUPT;
    }
    memcpy(name, wait->value.data, name_len);
    memcpy(label, wait->name.data, wait->name.len);
    struct cell cell = engine_cell(event, (struct slice){name, name_len});
    int code = drop_waiter(e, &cell, event->seq);
    return code != 0 ? code
                     : journal_step_del(e->journal, event, STEP_WAIT,
                                        (struct slice){label, wait->name.len});
}

int engine_forget_waits(struct engine *e, const struct event *event) {
    struct step step = {.name = {NULL, 0}};
    int code = event->durable ? 0 : ERR_NOTFOUND;
    while (code == 0 && (code = journal_step_next(e->journal, event, &step)) == 0) {
        if (step.kind == STEP_WAIT && step.state == STEP_WAITING) {
            code = forget_wait(e, event, &step);
            step = (struct step){.name = {NULL, 0}}; /* what it pointed to has moved */
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int begin_wait(struct engine *e, struct invocation *inv, const struct cell *cell,
                      int64_t due_ms) {
    struct event *event = inv->item->event;
    struct slice label = inv->run->durable->step.name;
    struct waiter waiter = {.row = engine_row(event), .label = label};
    struct step step = {.kind = STEP_WAIT,
                        .state = STEP_WAITING,
                        .order = journal_next_seq(e->journal, e->now_ms),
                        .at_ms = e->now_ms,
                        .due_ms = due_ms,
                        .name = label,
                        .value = {cell->name.data, cell->name.len}};
    /* It waits for one signal at a time: what it waited for in an earlier run is not it any more.
     */
    int code = engine_forget_waits(e, event);
    if (code == 0) {
        code = journal_step_put(e->journal, event, &step);
    }
    if (code == 0) {
        code = journal_waiter_put(e->journal, cell, &waiter);
    }
    if (code != 0) {
        return code;
    }
    event->durable = true;
    event->continues = true;
    struct lane_item *item = engine_release(e, inv);
    engine_note_ending(e, &e->services[item->lane->service], event, EVENT_SLEEPING,
                       (struct slice){NULL, 0});
    return engine_put_off(e, item, EVENT_SLEEPING, due_ms);
}

int engine_wait(struct engine *e, struct invocation *inv) {
    struct event *event = inv->item->event;
    struct run_durable *d = inv->run->durable;
    struct cell cell = engine_cell(event, slice_of(d->signal));
    struct step known;
    int code = journal_step_get(e->journal, event, STEP_WAIT, d->step.name, &known);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    /* Woken before its time, it goes on waiting until the same moment. */
    int64_t due_ms = code == 0 ? known.due_ms : d->step.due_ms;
    code = take_signal(e, event, &cell, d->step.name);
    if (code == ERR_NOTFOUND && due_ms != 0 && due_ms <= e->now_ms) {
        code = resolve(e, event, d->step.name, STEP_TIMEOUT, (struct slice){NULL, 0});
    }
    if (code == ERR_NOTFOUND) {
        return begin_wait(e, inv, &cell, due_ms);
    }
    if (code == 0) {
        code = drop_waiter(e, &cell, event->seq);
    }
    if (code == 0) {
        code = engine_forget_waits(e, event);
    }
    return code == 0 ? engine_await(e, inv) : code;
}

/* --- signals --- */

/* It may be on its way already, since it waited long enough. */
static int wake_waiter(struct engine *e, struct event *event) {
    struct row row = engine_row(event);
    bool waits = false;
    int code = engine_head_waits(e, &row, &waits);
    waits = waits && event->state == EVENT_SLEEPING && event->continues; /* not between two tries */
    return code == 0 && waits ? engine_wake_now(e, event) : code;
}

/* The live event behind a waiter; NULL: it has ended, and should have left none. */
static int find_waiter(struct engine *e, const struct cell *cell, const struct waiter *waiter,
                       struct event **out) {
    int code = journal_event_get(e->journal, cell->partition, &waiter->row.id, cell->service, out);
    if (code != 0) {
        *out = NULL;
        return code == ERR_NOTFOUND ? 0 : code;
    }
    if (event_state_ended((enum event_state)(*out)->state)) {
        event_free(*out);
        *out = NULL;
    }
    return 0;
}

/* *given false: nobody waited there, and the waiter is gone. */
static int give(struct engine *e, const struct cell *cell, const struct waiter *waiter,
                struct slice value, bool *given) {
    struct event *event = NULL;
    char label[STEP_LABEL_BYTES_MAX];
    size_t len = waiter->label.len;
    uint64_t seq = waiter->row.seq;
    if (len > sizeof label) { /* nobody's that could be found */
        *given = false;
        return journal_waiter_del(e->journal, cell, seq);
    }
    memcpy(label, waiter->label.data, len);
    int code = find_waiter(e, cell, waiter, &event);
    *given = event != NULL;
    if (code == 0 && *given) {
        code = resolve(e, event, (struct slice){label, len}, STEP_DONE, value);
    }
    if (code == 0) {
        code = journal_waiter_del(e->journal, cell, seq);
    }
    if (code == 0 && *given) {
        code = wake_waiter(e, event);
    }
    event_free(event);
    return code;
}

static int keep_signal(struct engine *e, const struct cell *cell, struct slice value,
                       struct report *r) {
    struct slice other;
    uint64_t at = 0;
    size_t count = 0;
    int code;
    while ((code = journal_signal_next(e->journal, cell, e->now_ms, &at, &other)) == 0) {
        count++;
    }
    if (code != ERR_NOTFOUND) {
        return code;
    }
    if (count >= SIGNALS_MAX) {
        return report(r, ERR_INVALID,
                      "%d signals \"%.*s\" wait for this key already and no handler takes them",
                      SIGNALS_MAX, (int)cell->name.len, cell->name.data);
    }
    struct timer timer = {.kind = TIMER_SIGNAL,
                          .partition = cell->partition,
                          .due_ms = e->now_ms + e->conf->keep_signals_ms,
                          .service = cell->service,
                          .key = cell->key,
                          .name = cell->name,
                          .seq = journal_next_seq(e->journal, e->now_ms)};
    code = journal_signal_put(e->journal, cell, timer.seq, value, timer.due_ms);
    return code == 0 ? engine_timer_put(e, &timer) : code;
}

/* A handler could not name it. */
static bool has_nul(struct slice text) {
    return text.len > 0 && memchr(text.data, '\0', text.len) != NULL;
}

static int check_signal(const struct signal *signal, struct report *r) {
    struct slice key = signal->key;
    struct slice name = signal->name;
    if (key.len > KEY_BYTES_MAX) {
        return report(r, ERR_INVALID, "the signal's key has %zu bytes, %d is the limit", key.len,
                      KEY_BYTES_MAX);
    }
    if (has_nul(key) || has_nul(name)) {
        return report(r, ERR_INVALID, "the signal's key or name holds a NUL byte");
    }
    if (name.len == 0 || name.len > STATE_NAME_BYTES_MAX) {
        return report(r, ERR_INVALID, "the signal's name has %zu bytes, 1 to %d are possible",
                      name.len, STATE_NAME_BYTES_MAX);
    }
    if (signal->value.len > VALUE_BYTES_MAX) {
        return report(r, ERR_INVALID, "the signal's value has %zu bytes, %d is the limit",
                      signal->value.len, VALUE_BYTES_MAX);
    }
    return 0;
}

int engine_signal(struct engine *e, struct engine_service *s, const struct signal *signal,
                  struct report *r) {
    int code = check_signal(signal, r);
    if (code != 0) {
        return code;
    }
    struct cell cell = signal_cell(s, signal->key, signal->name);
    struct waiter waiter;
    bool given = false;
    if (engine_is_elsewhere(e, s, signal->key, cell.partition)) {
        return engine_forward_signal(e, s, cell.partition, signal);
    }
    while (!given && (code = journal_waiter_first(e->journal, &cell, &waiter)) == 0) {
        code = give(e, &cell, &waiter, signal->value, &given);
        if (code != 0) {
            return code;
        }
    }
    if (given) {
        return 0;
    }
    return code == ERR_NOTFOUND ? keep_signal(e, &cell, signal->value, r) : code;
}

/* --- as messages --- */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Appends the level with %XX as the byte it stands for. False: a % without two digits. */
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

/* zingq/signal/<service>/<key>/<name>: key and name one after the other into `out`. */
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
        return report(r, ERR_INVALID, "in a signal's topic %% stands before two hex digits");
    }
    return out->failed ? ERR_MEMORY : 0;
}

void engine_signal_value(struct slice payload, struct buf *out) {
    struct report r;
    if (value_from_json(payload, out, &r) != 0) {
        buf_reset(out);
        buf_add_u8(out, 's');
        buf_add_slice(out, payload);
    }
}

/* What comes again because its acknowledgement was lost is one signal. */
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
        struct dedupe_hash old = journal_dedupe_hash_with(e->journal, i, s->name, topic, identity);
        struct dedupe_note note;
        int found = journal_dedupe_find(e->journal, e->now_ms, partition, &old, &note);
        *repeated = found == 0;
        if (found != ERR_NOTFOUND) {
            return found;
        }
    }
    struct dedupe_hash hash = journal_dedupe_hash(e->journal, s->name, topic, identity);
    struct uuid id = uuid_next(&e->ids, e->now_ms);
    int code = journal_dedupe(e->journal, e->now_ms, partition, &hash, &id, &earlier);
    *repeated = code == ERR_EXISTS;
    return *repeated ? 0 : code;
}

/* What a message says. */
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
    if (code == 0) {
        engine_signal_value(event->payload, &m->value);
    }
    return code == 0 && m->value.failed ? ERR_MEMORY : code;
}

static void clear_message(struct message *m) {
    buf_clear(&m->names);
    buf_clear(&m->value);
}

/* The copy of another host, which is away: it waits here for it, if the host would take it. Of a
 * service that is not divided each host's copy is for its own events: then any of its partitions
 * leads there. ERR_INVALID: our own copy tells it. */
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
    code = code == 0 ? check_signal(&signal, r) : code;
    uint8_t partition = (uint8_t)(event->for_host - 1);
    if (code == 0 && service_is_divided(s->conf, m.key.len > 0)) {
        partition = signal_cell(s, m.key, m.name).partition;
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
    uint8_t partition = code == 0 ? signal_cell(s, m.key, m.name).partition : 0;
    /* Every host has it from the broker: the one whose key it is takes it. */
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

static const char SIGNAL_TOPIC[] = "zingq/signal/";

bool engine_is_signal_letter(const struct event *event) {
    size_t len = sizeof SIGNAL_TOPIC - 1;
    return event->attempts == 0 && event->topic.len > len &&
           memcmp(event->topic.data, SIGNAL_TOPIC, len) == 0;
}

int engine_send_letter(struct engine *e, struct engine_service *s, const struct event *event,
                       struct report *r) {
    struct message m;
    int code = read_message(event, &m, r);
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
    buf_printf(&topic, "%s%s/", SIGNAL_TOPIC, s->conf->name);
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
