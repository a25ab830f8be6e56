/*
 * engine_fixture.h - the real engine, journal, store and Lua host in a temporary folder, with a
 * clock that moves when the test says so and doors that note what the engine asks of the world.
 *
 * After every turn that is stored, or of many rows after some, the books and the rows are compared
 * (engine_check). Messages
 * offered stay "unacknowledged" until a turn returns 0; redeliver() offers them again, as a broker
 * does after the connection was lost.
 */
#ifndef ZINGQ_TEST_ENGINE_FIXTURE_H
#define ZINGQ_TEST_ENGINE_FIXTURE_H

#include "data_folder.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A publish the engine handed to the broker. */
struct published {
    char *topic, *payload, *properties;
    size_t payload_len, properties_len;
    uint8_t qos;
    bool retain;
    int mid;
    bool again;    /* one with its zingq-id left before */
    bool answered; /* acknowledged or refused, or its connection is gone */
};

/* A call the engine started. */
struct asked {
    uint64_t id;
    char *method, *url, *body;
    char *headers; /* "Name: value\n"* */
    bool open;     /* neither answered nor cancelled */
};

/* A message that was offered and not acknowledged yet. */
struct offered {
    size_t service;
    char *topic, *payload, *properties;
    size_t properties_len;
    bool noted; /* by the engine, until its turn fails or it goes down */
};

struct engine_fixture {
    struct data_folder folder;
    struct conf *conf;
    struct memory memory; /* of conf, from the next start on */
    struct script_host *scripts;
    struct store *store;
    struct fake_log *log;    /* of the store: at the end, both must say the same */
    struct trimmer *trimmer; /* makes snapshots of it all the time */
    struct culprit *culprit;
    struct engine *engine;
    struct journal *view; /* the test's own look at the store */
    const char *only;     /* run this service alone; NULL = all */
    int64_t now_ms, monotonic_us;
    int64_t processor_us;  /* advances by run_us alone */
    int64_t wall_ahead_ms; /* a step of the wall clock */
    bool shared;           /* it is one that hosts share */
    int64_t run_us[4];     /* what a run of a service takes, by its index; of the first few */
    int64_t commit_us;     /* what a commit takes */
    unsigned run_seen;     /* the run that is counted already, as culprit_turn numbers them */
    uint8_t boot;          /* another number: the machine was started anew */
    uint64_t seed;         /* another one for every start */
    struct published *published;
    size_t published_count, published_cap;
    struct asked *asked;
    size_t asked_count, asked_cap;
    uint64_t cancelled; /* the last id that was cancelled and not asked, or answered before */
    struct offered *offered;
    size_t offered_count, offered_cap;
    int last_mid;
    uint64_t *ids;   /* hashes of the ids that left: IDS of them, by hash */
    bool hold_acks;  /* the broker takes publishes and says nothing */
    bool offline;    /* the next start finds no broker */
    bool everywhere; /* what is offered, every host of the division gets */
    bool unlogged;   /* from the next start on, the store has no log */
    bool unchecked;  /* the test says itself when to look at all events */
    unsigned turns_unchecked;
    /* Where messages and receipts for other hosts go; NULL = nowhere. */
    int (*post)(struct engine_fixture *f, uint16_t host, bool receipt, struct slice bytes);
    void *posts;      /* what it knows */
    struct buf spans; /* all that were told, with commas between */
    size_t span_count;
    int code; /* of the last command */
    struct report report;
    struct uuid made;
};

/* A folder, a clock that stands, nothing started. Free with fixture_free. */
struct engine_fixture *fixture_new(void);
void fixture_free(struct engine_fixture *f);
/* The same for cmocka; *state is the fixture. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* Writes scripts/NAME. */
void fixture_script(struct engine_fixture *f, const char *name, const char *text);
/* Writes topics.conf; it counts from the next start on. */
void fixture_conf(struct engine_fixture *f, const char *text);
/* Loads topics.conf and the scripts, opens store and engine, connects. */
void fixture_start(struct engine_fixture *f);
/* Ends what runs and starts again with what is written by now: 0, or why the engine will not, with
 * the sentence in f->report. */
int fixture_try_start(struct engine_fixture *f);
/* Most tests: handler "h.lua" with `script`, and `conf`. */
void fixture_run(struct engine_fixture *f, const char *conf, const char *script);
/* As SIGTERM; fixture_start begins anew. */
void fixture_stop(struct engine_fixture *f);
/* As kill -9; fixture_start begins anew. */
void fixture_kill(struct engine_fixture *f);
/* Takes over the topics.conf and the scripts that are written by now, as the host does at a reload:
 * 0, or why they are refused, with the sentence in f->report, and nothing has changed; but after
 * ERR_MEMORY in between the engine can only be started anew. */
int fixture_reconfigure(struct engine_fixture *f);
/* Reads the scripts folder again, as the host does when a file was saved. */
void fixture_reload(struct engine_fixture *f);

/* As kill -9 and a new start: what was offered and not acknowledged is lost to the engine. */
void crash(struct engine_fixture *f);
/* The same while the handler runs for the stored event of the service with this payload; for one
 * that no turn has stored. */
void crash_in(struct engine_fixture *f, const char *service, const char *payload);
void crash_in_new_event(struct engine_fixture *f, const char *service);
/* As SIGTERM and a new start. */
void restart(struct engine_fixture *f);

/* Offers a message; user properties as name, value, ..., NULL. */
void offer(struct engine_fixture *f, const char *service, const char *topic, const char *payload,
           ...) __attribute__((sentinel));
/* Offers again what was not acknowledged; how many. */
size_t redeliver(struct engine_fixture *f);
/* The broker's copy of a publish comes to a service that subscribes to it. */
void offer_copy(struct engine_fixture *f, const char *service, size_t published);

/* One turn; its code. */
int turn(struct engine_fixture *f);
/* Turns until nothing is due; each must return 0. */
void run_dry(struct engine_fixture *f);
/* Lets the clock go on, with turns whenever one is due. */
void advance(struct engine_fixture *f, int64_t ms);
/* offer and run_dry. */
void deliver(struct engine_fixture *f, const char *service, const char *topic, const char *payload);

void disconnect(struct engine_fixture *f);
/* As if nothing had left yet. */
void forget_published(struct engine_fixture *f);
void connect_again(struct engine_fixture *f);
/* The broker answers every publish that waits for it. */
void acknowledge(struct engine_fixture *f);
void answer_publish(struct engine_fixture *f, size_t published, uint8_t reason);
/* The open call is answered with an HTTP status, or it ends with a code. */
void answer(struct engine_fixture *f, size_t asked, long status, const char *body);
void answer_code(struct engine_fixture *f, size_t asked, int code);

/* Submits, runs dry; the command's code, with report and made in the fixture. */
int command(struct engine_fixture *f, struct command c);

/* --- looking at it --- */

size_t service_index(const struct engine_fixture *f, const char *service);
struct engine_service_status service_status(struct engine_fixture *f, const char *service);
struct engine_status status(struct engine_fixture *f);
/* How many publishes to the topic left so far, each id once; the n-th of them (from 0). */
size_t count_published(const struct engine_fixture *f, const char *topic);
struct published *nth_published(const struct engine_fixture *f, const char *topic, size_t n);
/* The same with those that were sent again. */
size_t count_sent(const struct engine_fixture *f, const char *topic);
struct published *nth_sent(const struct engine_fixture *f, const char *topic, size_t n);
/* The user property of a publish, "" when there is none; `out` is returned. */
const char *published_property(const struct published *p, const char *name, char out[512]);
/* The payloads sent to the topic, in order, with spaces between, each id once. `out` is returned.
 */
const char *payloads(const struct engine_fixture *f, const char *topic, char *out, size_t size);

/* engine_check.c */

/* Books, events, rows and timers fit one another. */
void engine_check(struct engine_fixture *f);
void assert_books(struct engine_fixture *f, const char *service, struct books expected);
uint64_t count_events(struct engine_fixture *f, const char *service, enum event_state state);
/* The only event of the service with this payload; the test fails when there is none. Free it. */
struct event *event_with(struct engine_fixture *f, const char *service, const char *payload);
enum event_state state_of(struct engine_fixture *f, const char *service, const char *payload);
struct uuid id_of(struct engine_fixture *f, const char *service, const char *payload);
/* The reason of the dead event, in `out`. */
const char *reason_of(struct engine_fixture *f, const char *service, const char *payload,
                      char out[512]);
/* The ends of its attempts, "error timeout", in `out`. */
const char *history_of(struct engine_fixture *f, const char *service, const char *payload,
                       char out[512]);
/* The state value as JSON, "none" when there is none. */
const char *state_text(struct engine_fixture *f, const char *service, const char *key,
                       const char *name, char out[512]);
uint64_t count_rows(struct engine_fixture *f, enum store_table table);
/* Every row of the table gets a value that means nothing; how many. */
size_t spoil_table(struct engine_fixture *f, enum store_table table);

#define ENGINE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

#endif
