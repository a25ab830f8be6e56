/*
 * service.h - one service as configured: its filters, its key rules, its retry schedule.
 *
 * Owns: the meaning of a service's options. Pure: no store, no network, no Lua.
 */
#ifndef ZINGQ_CONF_SERVICE_H
#define ZINGQ_CONF_SERVICE_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;
struct event;

/* Where a key or an idempotency key is read from. */
enum rule_kind { RULE_NONE, RULE_JSON, RULE_TOPIC, RULE_PROPERTY };

struct rule {
    enum rule_kind kind;
    char *arg; /* RULE_JSON: the JSON Pointer (RFC 6901); RULE_PROPERTY: the name */
    int level; /* RULE_TOPIC: the topic level, from 1 */
};

enum backoff { BACKOFF_EXPONENTIAL, BACKOFF_CONSTANT };
enum on_dead { ON_DEAD_CONTINUE, ON_DEAD_PARK };

/* A number of dead letters, or the bytes they may take; 0 = the other one counts. */
struct letter_quota {
    uint64_t count, bytes;
};

struct service_conf {
    char *name;
    char **filters; /* subscribe */
    size_t filter_count;
    char **was; /* names it had before, the first one first */
    size_t was_count;
    char *handler;     /* file in scripts/ */
    char *retry;       /* policy script or NULL */
    char *dead_letter; /* policy script or NULL */
    char *dead_topic;  /* default "zingq/dlq/<name>"; "" = not announced */
    struct rule key, idempotency;
    struct rule fair; /* whose events have turns together; none: those of a key, if not ordered */
    struct rule priority;        /* of an event; its property zingq-priority replaces it */
    int64_t keep_idempotency_ms; /* 0 = store.keep_idempotency */
    bool independent;            /* several_hosts = independent: its keys need no division */
    bool share;                  /* no: plain subscription, every host gets every message */
    bool ordered;         /* one event of a key at a time; `order` not given: by key when there is a
                             key rule, else not. order = key without a rule: one at a time */
    uint32_t concurrency; /* invocations at once */
    uint32_t batch;       /* events its handler gets at once, at most; 1 = one event, not a list */
    int64_t linger_ms;    /* how long a batch that is not full waits for more */
    double rate_per_s;    /* starts at most; 0 unlimited */
    uint32_t key_concurrency; /* of one key, not ordered; 0 unlimited */
    double key_rate_per_s;    /* starts of one key at most; 0 unlimited */
    int64_t timeout_ms;       /* one attempt, including waits */
    uint32_t retries;         /* attempts after the first */
    enum backoff backoff;
    int64_t delay_ms, max_delay_ms;
    double jitter;                /* 0..1: each delay varies by up to this share, both ways */
    int64_t keep_dead_ms;         /* letters of events that ran; 0 = until a person decides */
    struct letter_quota max_dead; /* letters of events that ran; zeros = any number */
    uint32_t crashes;             /* host crashes in mid-handler before it is dead */
    enum on_dead on_dead;
    int64_t idempotency_window_ms; /* how long the peer of a call remembers its Idempotency-Key */
    uint64_t lua_memory_bytes;     /* of its Lua state; 0 = limits.lua_memory */
    int64_t lua_time_ms;           /* of one attempt; 0 = limits.lua_time */
    int64_t stop_timeout_ms; /* of its attempts when the host stops; 0 = limits.stop_timeout */
    char **secrets;          /* of vars{}, that its scripts may read */
    size_t secret_count;
    char **reply_to; /* topic filters that zing.reply may answer to; none = see service_may_reply */
    size_t reply_to_count;
    int line; /* in topics.conf, for errors */
};

/* "json:/pointer", "topic:N", "property:NAME", "none". ERR_INVALID with a sentence. */
int rule_parse(const char *text, struct rule *out, struct report *r);
void rule_clear(struct rule *rule);
/* As rule_parse reads it. */
void rule_write(const struct rule *rule, struct buf *out);
/* The value the rule finds in the event, appended to `out`: a JSON string bare, an integer of
 * any size in decimal, true/false as words. RULE_NONE appends nothing and is not an error. ERR_INVALID with the
 * reason a dead letter will carry: "payload is not JSON: line 1, column 17: ...", "no value at /event_id in
 * the payload", "the value at /x is an object, a key must be a string or an integer", "the topic
 * has 2 levels, the rule requires level 3", "no user property \"tenant\"", "the value at /x is
 * empty" (an empty key is not a key), "the key has 300 bytes; the limit is 256". ERR_MEMORY. `out`
 * is unchanged after ERR_INVALID. */
int rule_extract(const struct rule *rule, const struct event *event, struct buf *out,
                 struct report *r);
/* 1 + the event's priority, by its property zingq-priority or by the service's rule: a digit. Without
 * a rule and a property 0; where the rule finds nothing, the default. ERR_INVALID (r): what is there
 * is none; *rank is the default's. ERR_MEMORY. `room` is overwritten. */
int service_rank(const struct service_conf *s, const struct event *event, struct buf *room,
                 uint8_t *rank, struct report *r);

/* Whether a topic filter (MQTT 5, 4.7) matches a topic. */
bool filter_matches(const char *filter, const char *topic);
/* ERR_INVALID with a sentence when it is not a legal filter / topic name. */
int filter_check(const char *filter, struct report *r);
int topic_check(const char *topic, struct report *r);
/* Whether it is ZingQueue's own or the broker's: zingq, what is below it, what begins with $. Scripts
 * do not publish there: the broker lets this host do what it may not let their authors do. */
bool topic_is_own(const char *topic);
/* Whether only hosts speak there, to each other. */
bool topic_is_between_hosts(struct slice topic);
/* Whether some topic matches both filters. */
bool filter_overlaps(const char *a, const char *b);

/* Whether an event of the service, with or without a key, belongs to one host only where several
 * divide the keys. */
bool service_is_divided(const struct service_conf *s, bool with_key);
/* Whether that is a name the service had before. */
bool service_was(const struct service_conf *s, struct slice name);
/* The first name it had, as topics.conf has it: a store may know of an earlier one. */
const char *service_origin(const struct service_conf *s);
/* The first of the service's filters that matches the topic, or NULL; and whether there is one. */
const char *service_filter(const struct service_conf *s, const char *topic);
bool service_wants(const struct service_conf *s, const char *topic);
/* Whether the service may answer a request to this topic: one of its reply_to, or, if it has none,
 * one that neither begins with zingq/ or $ nor is subscribed to by a service; else r says why. */
bool service_may_reply(const struct service_conf *service, const struct conf *c, const char *topic,
                       struct report *r);
/* Whether its scripts may read this variable of vars{} with zing.secret. */
bool service_has_secret(const struct service_conf *s, struct slice name);
/* How long its attempts may go on when the host stops, in milliseconds. */
int64_t service_stop_ms(const struct service_conf *s, const struct conf *c);
/* The delay before attempt `failures + 1`, failures counted from 1; jitter from `random` in
 * [0,1): 0.5 gives the middle. Milliseconds. */
int64_t service_backoff_ms(const struct service_conf *s, uint32_t failures, double random);
/* "4 tries: now, 1 s, 2 s, 4 s; gives up after 7 s" appended to `out`. */
void service_schedule_text(const struct service_conf *s, struct buf *out);

#endif
