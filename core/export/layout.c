/* layout.c - see export/layout.h. */
#include "export/layout.h"

#include "event/event.h"
#include "event/step.h"
#include "journal/event.h"
#include "journal/forward.h"
#include "journal/keyed.h"
#include "journal/later.h"

#include <string.h>

/* --- names of numbers --- */

#define X(value, name) [value] = (name),
static const char *const state_names[] = {
    EVENT_STATE_LIST(X) NULL,
};
static const char *const end_names[] = {
    ATTEMPT_END_LIST(X) NULL,
};
static const char *const step_kinds[] = {
    STEP_KIND_LIST(X) NULL,
};
static const char *const step_states[] = {
    STEP_STATE_LIST(X) NULL,
};
#undef X
static const char *const origins[] = {[EVENT_MESSAGE] = "message",
                                      [EVENT_LOCK_EXPIRED] = "lock expired",
                                      [EVENT_DEAD_LETTER] = "dead letter",
                                      [EVENT_SIGNAL] = "signal",
                                      NULL};
static const char *const event_flags[] = {"retained", "replayed", "parked", "continues", "durable",
                                          "forced",   "alone",    "batch",  NULL};
static const char *const lane_flags[] = {[LANE_BEHIND] = "behind",
                                         [LANE_WAITING] = "waiting",
                                         [LANE_PARKED] = "parked",
                                         [LANE_ASLEEP] = "asleep",
                                         [LANE_QUEUED] = "queued",
                                         [LANE_HOLDS_KEY] = "holds key",
                                         NULL};
static const char *const letter_kinds[] = {"refused", "ran", "held", NULL};
static const char *const undo_names[] = {
    [UNDO_NONE] = "no", [UNDO_THEN_DEAD] = "then dead", [UNDO_THEN_DISCARD] = "then discard", NULL};
static const char *const forward_kinds[] = {
    "none", [FORWARD_MESSAGE] = "message", [FORWARD_SIGNAL] = "signal", NULL};
static const char *const by_wall[] = {"by_wall"};
static const char *const own[] = {"own"};

/* --- fields --- */

/* clang-format off */
#define NUMBER(bits, name) {(name), FIELD_##bits, SENSE_NUMBER, WHEN_EVER, NULL, 0}
#define TIME(name) NUMBER(64, name)
#define HEX(name) {(name), FIELD_64, SENSE_HEX, WHEN_EVER, NULL, 0}
#define BOOL(name) {(name), FIELD_8, SENSE_BOOL, WHEN_EVER, NULL, 0}
#define NAME(name, names) {(name), FIELD_8, SENSE_NAME, WHEN_EVER, (names), 0}
#define ID(name) {(name), FIELD_16_BYTES, SENSE_ID, WHEN_EVER, NULL, 0}
#define HASH(name) {(name), FIELD_16_BYTES, SENSE_HASH, WHEN_EVER, NULL, 0}
#define LONG(name) {(name), FIELD_LONG, SENSE_BYTES, WHEN_EVER, NULL, 0}
#define TEXT(name) {(name), FIELD_TEXT, SENSE_BYTES, WHEN_EVER, NULL, 0}
#define SHORT(name) {(name), FIELD_SHORT, SENSE_BYTES, WHEN_EVER, NULL, 0}
#define REST(name) {(name), FIELD_REST, SENSE_BYTES, WHEN_EVER, NULL, 0}
#define VALUE {"value", FIELD_REST, SENSE_VALUE, WHEN_EVER, NULL, 0}
#define PROPERTIES {"properties", FIELD_LONG, SENSE_PROPERTIES, WHEN_EVER, NULL, 0}
#define SERVICE {"service", FIELD_16, SENSE_SERVICE, WHEN_EVER, NULL, 0}
#define PARTITION NUMBER(8, "partition")
#define SHELF(names) {"partition", FIELD_8, SENSE_SHELF, WHEN_EVER, (names), 0}
#define IS(number) {"", FIELD_8, SENSE_IS, WHEN_EVER, NULL, (number)}
#define END {NULL, FIELD_END, SENSE_NUMBER, WHEN_EVER, NULL, 0}
#define FIELDS(...) (const struct field[]){__VA_ARGS__, END}
#define NOTHING (const struct field[]){END}

/* Whose limits count for a waiting event, and its turn. */
#define RANK(when) {"rank", FIELD_8, SENSE_NUMBER, when, NULL, 0}
#define FLOWS                                                                                      \
    {"flow", FIELD_64, SENSE_HEX, WHEN_SET, NULL, 0},                                              \
    {"tenant", FIELD_64, SENSE_HEX, WHEN_SET, NULL, 0}, RANK(WHEN_SET_2)

#define PUBLICATION                                                                                \
    ID("id"), ID("cause"), NUMBER(16, "hops"), NUMBER(8, "qos"), BOOL("retain"), TEXT("topic"),    \
    LONG("payload"), LONG("key"), LONG("content_type"), LONG("response_topic"),                    \
    LONG("correlation"), PROPERTIES, HEX("owner"), TIME("refused_ms"), NUMBER(8, "refused_reason"),\
    {"service", FIELD_16, SENSE_SERVICE_OR_NONE, WHEN_EVER, NULL, 0},                              \
    {"handle", FIELD_16_BYTES, SENSE_ID, WHEN_SET, NULL, 0},                                       \
    {"first_ms", FIELD_64, SENSE_NUMBER, WHEN_SET, NULL, 0}

#define CELL PARTITION, SERVICE, SHORT("key"), REST("name")
#define SIGNAL PARTITION, SERVICE, SHORT("key"), SHORT("name"), NUMBER(64, "seq")
#define NOTE                                                                                       \
    ID("id"), {"mark", FIELD_16_BYTES, SENSE_HASH, WHEN_MARKED, NULL, 0}, TIME("noted_ms")
#define TIMER SHELF(by_wall), TIME("due_ms")
#define COUNT(name) NUMBER(64, name)

#define META(kind, prefix, key, value) {kind, TABLE_META, 0, prefix, -1, 0, key, value}
#define ROW(kind, table, key, value) {kind, table, 0, "", -1, 0, FIELDS key, FIELDS value}
#define TIMER_ROW(kind, timer, key, value)                                                         \
    {kind, TABLE_TIMER, 0, "", 9, timer, FIELDS key, value}

static const struct layout layouts[] = {
    META("host", "host", NOTHING, FIELDS(REST("id"))),
    META("secret", "secret", NOTHING, FIELDS(HASH("secret"))),
    META("secret of another", "secret/", FIELDS(REST("n")), FIELDS(TIME("until_ms"), HASH("secret"))),
    META("last seq", "seq", NOTHING, FIELDS(NUMBER(64, "seq"))),
    META("clock", "clock", NOTHING,
         FIELDS(TIME("engine_ms"), TIME("wall_ms"), TIME("boottime_ms"), HASH("boot"),
                HEX("time_namespace"))),
    META("service", "service/", FIELDS(REST("name")), FIELDS(NUMBER(16, "number"), REST("origin"))),
    META("books", "books/",
         FIELDS({"service", FIELD_REST, SENSE_NUMBER_OF, WHEN_EVER, NULL, 0}),
         FIELDS(COUNT("accepted"), COUNT("done"), COUNT("dead"), COUNT("discarded"),
                COUNT("duplicates"), COUNT("handed_over"), COUNT("retries"), COUNT("timeouts"),
                COUNT("crashes"), COUNT("snoozes"), COUNT("throttles"), COUNT("died"),
                COUNT("needs_person"), COUNT("expired"))),
    META("flag", "flag/", FIELDS(REST("name")), FIELDS(NUMBER(64, "number"))),
    META("text", "text/", FIELDS(REST("name")), FIELDS(REST("text"))),
    META("buckets", "dedupe", NOTHING,
         FIELDS({"until_ms", FIELD_REST, SENSE_TIMES, WHEN_EVER, NULL, 0})),
    META("schedule", "schedule/", FIELDS(REST("name")),
         FIELDS(TIME("settled_ms"), TIME("last_ms"), COUNT("runs"), ID("last_id"), LONG("cron"),
                LONG("timezone"),
                {"ahead_ms", FIELD_64, SENSE_TIME_OR_NEVER, WHEN_EVER, NULL, 0},
                TIME("before_ms"), TIME("before_ahead_ms"))),
    ROW("event", TABLE_EVENT,
        ({"", FIELD_8, SENSE_GROUP, WHEN_EVER, NULL, 0}, ID("id"), SERVICE,
         {"partition", FIELD_8, SENSE_GROUP_PARTITION, WHEN_EVER, NULL, 0}),
        ({"", FIELD_8, SENSE_FORM, WHEN_EVER, NULL, 0}, NAME("state", state_names),
         NAME("origin", origins), {"qos", FIELD_8, SENSE_QOS, WHEN_EVER, NULL, 0},
         {"flags", FIELD_8, SENSE_FLAGS, WHEN_EVER, event_flags, 0},
         NUMBER(16, "hops"), NUMBER(32, "attempts"), NUMBER(32, "errors"), NUMBER(32, "timeouts"),
         NUMBER(32, "crashes"), NUMBER(32, "snoozes"), NUMBER(32, "throttles"),
         TIME("accepted_ms"), TIME("started_ms"), TIME("due_ms"), TIME("ended_ms"),
         NUMBER(32, "duration_us"), HEX("version"), NUMBER(64, "seq"), HEX("lane"), ID("cause"),
         LONG("topic"), LONG("key"), LONG("payload"), LONG("content_type"), LONG("response_topic"),
         LONG("correlation"), PROPERTIES, LONG("reason"), LONG("publishes"),
         {"undo", FIELD_8, SENSE_NAME, WHEN_FORM_2, undo_names, 0},
         {"round", FIELD_8, SENSE_NUMBER, WHEN_FORM_2, NULL, 0},
         {"calls", FIELD_LONG, SENSE_BYTES, WHEN_FORM_2, NULL, 0},
         {"tenant", FIELD_LONG, SENSE_BYTES, WHEN_TENANT, NULL, 0},
         {"batch", FIELD_16_BYTES, SENSE_ID, WHEN_BATCH, NULL, 0},
         {"batch_events", FIELD_32, SENSE_NUMBER, WHEN_BATCH, NULL, 0})),
    ROW("ready", TABLE_READY, (PARTITION, SERVICE, NUMBER(64, "seq")), (ID("id"), HEX("lane"), FLOWS)),
    ROW("lane", TABLE_LANE, (PARTITION, SERVICE, HEX("lane"), NUMBER(64, "seq")),
        (ID("id"), NAME("place", lane_flags), FLOWS)),
    ROW("tenant", TABLE_TENANT, (PARTITION, SERVICE, HEX("tenant"), NUMBER(64, "seq")),
        (ID("id"), HEX("lane"), RANK(WHEN_SET))),
    ROW("attempt", TABLE_HISTORY, (PARTITION, ID("id"), SERVICE, NUMBER(16, "n")),
        (NAME("end", end_names), TIME("at_ms"), NUMBER(32, "duration_us"), HEX("version"),
         LONG("text"))),
    ROW("publish", TABLE_OUTBOX, (NUMBER(64, "seq")), (PUBLICATION)),
    TIMER_ROW("event timer", TIMER_EVENT,
              (TIMER, IS(TIMER_EVENT), SERVICE, HEX("lane"), NUMBER(64, "seq")), FIELDS(ID("id"))),
    TIMER_ROW("lock timer", TIMER_LOCK,
              (TIMER, IS(TIMER_LOCK), SERVICE, SHORT("key"), REST("name")), NOTHING),
    TIMER_ROW("state timer", TIMER_STATE,
              (TIMER, IS(TIMER_STATE), SERVICE, SHORT("key"), REST("name")), NOTHING),
    TIMER_ROW("delayed", TIMER_PUBLISH, (TIMER, IS(TIMER_PUBLISH), NUMBER(64, "seq")),
              FIELDS(PUBLICATION)),
    TIMER_ROW("signal timer", TIMER_SIGNAL,
              (TIMER, IS(TIMER_SIGNAL), SERVICE, NUMBER(64, "seq"), SHORT("key"), REST("name")),
              NOTHING),
    ROW("state", TABLE_STATE, (CELL), (TIME("expires_ms"), VALUE)),
    ROW("lock", TABLE_LOCK, (CELL),
        (TIME("expires_ms"), LONG("owner"), LONG("data"), LONG("topic"))),
    ROW("dead", TABLE_DEAD, (PARTITION, SERVICE, ID("id")), (TIME("dead_ms"), HEX("fingerprint"))),
    ROW("letter", TABLE_LETTER,
        (PARTITION, SERVICE, NAME("of", letter_kinds), TIME("dead_ms"), ID("id")),
        (NUMBER(64, "bytes"), BOOL("made"), HEX("fingerprint"))),
    ROW("append", TABLE_APPEND, (PARTITION, NUMBER(64, "seq")), (LONG("file"), LONG("line"))),
    ROW("step", TABLE_STEP, (PARTITION, ID("id"), SERVICE, NAME("step", step_kinds), REST("name")),
        (IS(1), NAME("state", step_states), NUMBER(64, "order"), TIME("at_ms"), TIME("due_ms"),
         NUMBER(32, "count"), VALUE)),
    ROW("signal", TABLE_SIGNAL, (SIGNAL), (TIME("expires_ms"), VALUE)),
    ROW("waiter", TABLE_WAITER, (SIGNAL), (ID("id"), HEX("lane"), REST("label"))),
    ROW("delayed id", TABLE_DELAYED, (ID("id")), (SHELF(by_wall), TIME("due_ms"), NUMBER(64, "seq"))),
    ROW("set aside", TABLE_ASIDE, (NUMBER(64, "n")), (LONG("table"), LONG("key"), REST("value"))),
    ROW("forward", TABLE_FORWARD, (PARTITION, NUMBER(64, "seq")),
        (NAME("of", forward_kinds), NUMBER(8, "qos"), BOOL("retained"), LONG("service"), LONG("key"),
         TEXT("topic"), LONG("name"), LONG("payload"), LONG("content_type"), LONG("response_topic"),
         LONG("correlation"), PROPERTIES)),
    ROW("cursor", TABLE_CURSOR, (PARTITION, ID("source")), (NUMBER(64, "seq"))),
    {"publish note", TABLE_DEDUPE, DEDUPE_BUCKETS, "", 0, UINT8_MAX,
     FIELDS(IS(UINT8_MAX), ID("id")), FIELDS(NUMBER(64, "seq"), TIME("due_ms"), TIME("cancelled_ms"))},
    {"idempotency", TABLE_DEDUPE, DEDUPE_BUCKETS, "", -1, 0, FIELDS(SHELF(own), HASH("hash")),
     FIELDS(NOTE)},
    {"idempotency lately", TABLE_RECENT, RECENT_TABLES, "", -1, 0,
     FIELDS(NUMBER(64, "n"), SHELF(own), HASH("hash")), FIELDS(NOTE)},
};
/* clang-format on */

enum { LAYOUT_COUNT = sizeof layouts / sizeof *layouts };

/* --- finding one --- */

const struct layout *layout_at(size_t i) {
    return i < LAYOUT_COUNT ? &layouts[i] : NULL;
}

static bool fits(const struct layout *l, enum store_table t, struct slice key) {
    size_t len = strlen(l->prefix);
    bool whole = l->key->form == FIELD_END;
    unsigned tables = l->tables == 0 ? 1 : l->tables;
    if (t < l->table || t >= l->table + tables) {
        return false;
    }
    bool begins = key.len >= len && memcmp(key.data, l->prefix, len) == 0;
    bool ends = !whole || key.len == len;
    bool marked =
        l->at < 0 || (key.len > (size_t)l->at && (uint8_t)key.data[l->at] == (unsigned)l->is);
    return begins && ends && marked;
}

const struct layout *layout_of(enum store_table t, struct slice key) {
    for (size_t i = 0; i < LAYOUT_COUNT; i++) {
        if (fits(&layouts[i], t, key)) {
            return &layouts[i];
        }
    }
    return NULL;
}

const struct layout *layout_named(struct slice kind) {
    for (size_t i = 0; i < LAYOUT_COUNT; i++) {
        if (slice_is(kind, layouts[i].kind)) {
            return &layouts[i];
        }
    }
    return NULL;
}
