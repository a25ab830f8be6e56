/*
 * test_faults.c - one call fails, an allocation or one of LMDB, at each place of a story in turn: all of
 * it comes to its end, once, and nothing is stored in part. What an operator is told is so.
 *
 * The first of each kind fail, and some of the others: fault_in_turn.
 *
 * ctest: busy label=torture timeout=300
 */
#include "engine_doors.h"
#include "engine_fixture.h"
#include "engine_story.h"
#include "fault_plan.h"
#include "script.h"
#include "test.h"
#include "wrap.h"

#include "base/limits.h"
#include "base/log.h"
#include "event/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 500, FEW = 50, STORY_S = 30, TRIES = 3 };

static bool given_up; /* the engine can neither go on nor back, and its host ends */

/* What is behind the doors of the story. */
static bool sold;

/* --- where calls count: the linker (--wrap, tests/CMakeLists.txt) leads them here --- */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): named by the linker */
FAULT_COUNTED(script_host_new,
              (struct script_host * *out, const struct conf *conf,
               const struct script_library *library),
              (out, conf, library))
FAULT_COUNTED(script_load_all, (struct script_host * host, struct report *r), (host, r))
FAULT_COUNTED(store_open,
              (struct store * *out, const struct store_options *options, struct report *r),
              (out, options, r))
FAULT_COUNTED(engine_new,
              (struct engine * *out, const struct engine_options *options, struct report *r),
              (out, options, r))
FAULT_COUNTED(engine_turn, (struct engine * e), (e))
FAULT_COUNTED(engine_stop, (struct engine * e), (e))

WRAPPED(engine_reconfigure);
int __wrap_engine_reconfigure(struct engine *e, struct script_host *scripts, struct report *r) {
    fault_begin(&fault_of_story);
    int code = __real_engine_reconfigure(e, scripts, r);
    (void)fault_end();
    given_up = code != 0;
    return code;
}

/* The fixture's own memory does not fail, nor does it count. */
static struct engine_doors doors;
WRAPPED(fixture_doors);

static int publish(void *ctx, const struct publication *p, int *mid) {
    IN_DOOR;
    return doors.publish(ctx, p, mid);
}

static int start_call(void *ctx, uint64_t id, const struct call_request *request) {
    IN_DOOR;
    return doors.call_start(ctx, id, request);
}

struct engine_doors __wrap_fixture_doors(struct engine_fixture *f) {
    doors = __real_fixture_doors(f);
    struct engine_doors held = doors;
    held.publish = publish;
    held.call_start = start_call;
    return held;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* --- the peers --- */

static void answer_statement(struct engine_fixture *f, size_t asked, const char *text) {
    struct call_result result = {.status = 0};
    f->asked[asked].open = false;
    buf_init(&result.headers, 4096);
    buf_init(&result.body, 4096);
    buf_add_u64(&result.headers, 1);
    buf_add_u16(&result.headers, 1);
    buf_add_u32(&result.headers, 25);
    buf_add_lv(&result.headers, slice_of("x"));
    buf_add_u8(&result.body, text == NULL ? 0 : 1);
    if (text != NULL) {
        buf_add_lv(&result.body, slice_of(text));
    }
    engine_call_done(f->engine, f->asked[asked].id, &result);
    call_result_clear(&result);
}

/* Of the transaction in the story. */
static void answer_sql(struct engine_fixture *f, size_t asked) {
    const char *text = f->asked[asked].body;
    if (strstr(text, "INSERT INTO zingq_done") != NULL) {
        answer_statement(f, asked, sold ? "\\x7334" : NULL); /* "s4" */
    } else if (strstr(text, "UPDATE zingq_done") != NULL) {
        sold = true;
        answer_statement(f, asked, NULL);
    } else {
        answer_statement(f, asked, "4");
    }
}

static void answer_all(struct engine_fixture *f) {
    for (size_t i = 0; i < f->asked_count; i++) {
        if (f->asked[i].open && strcmp(f->asked[i].url, "shop") == 0) {
            answer_sql(f, i);
        } else if (f->asked[i].open) {
            answer(f, i, 200, "{}");
        }
    }
}

/* How many requests the peer has executed: one under each key. */
static size_t count_deeds(const struct engine_fixture *f, const char *url) {
    size_t deeds = 0;
    for (size_t i = 0; i < f->asked_count; i++) {
        bool known = strcmp(f->asked[i].url, url) != 0;
        for (size_t k = 0; k < i && !known; k++) {
            known = strcmp(f->asked[k].url, url) == 0 &&
                    strcmp(f->asked[k].headers, f->asked[i].headers) == 0;
        }
        deeds += known ? 0 : 1;
    }
    return deeds;
}

/* --- the host --- */

/* The host subscribes with these, also while the store cannot be read. */
static void assert_services_are_known(struct engine_fixture *f) {
    for (size_t i = 0; i < f->conf->service_count; i++) {
        size_t service = SIZE_MAX;
        uint16_t number = engine_service_number(f->engine, i);
        assert_true(engine_service_by_number(f->engine, number, &service));
        assert_int_equal(service, i);
        assert_string_equal(engine_service_group(f->engine, i), f->conf->services[i].name);
    }
}

/* Turns, which may fail, until nothing is due. */
static void run_through(struct engine_fixture *f) {
    unsigned turns = 0;
    do {
        if (turn(f) != 0) { /* the host loses the connection */
            assert_services_are_known(f);
            disconnect(f);
            connect_again(f);
            (void)redeliver(f);
        }
        answer_all(f);
        fault_begin(&fault_of_story);
        (void)engine_next_ms(f->engine); /* what a host asks after any turn */
        (void)fault_end();
        assert_in_range(++turns, 1, 1000);
    } while (engine_due(f->engine) || f->offered_count > 0);
}

static void live_on(struct engine_fixture *f, int seconds) {
    while (seconds-- > 0) {
        run_through(f);
        f->now_ms += 1000;
        f->monotonic_us += 1000000;
    }
}

static void assert_the_sum_is_that_of_the_services(struct engine_fixture *f) {
    struct engine_status all;
    struct engine_service_status one;
    uint64_t waiting = 0;
    for (size_t i = 0; engine_service_status(f->engine, i, &one) == 0; i++) {
        waiting += books_waiting(&one.books);
    }
    engine_status(f->engine, &all);
    assert_int_equal(all.waiting, waiting);
}

static void reload(struct engine_fixture *f) {
    uint64_t accepted = service_status(f, "all").books.accepted;
    for (unsigned tries = 1; fixture_reconfigure(f) != 0; tries++) {
        assert_in_range(tries, 1, TRIES);
        if (given_up) {
            story_start(f);
            return;
        }
        disconnect(f);
        connect_again(f);
        run_through(f);
    }
    assert_services_are_known(f);
    assert_int_equal(service_status(f, "all").books.accepted, accepted);
    assert_the_sum_is_that_of_the_services(f);
}

static struct engine_fixture *new_fixture(void) {
    struct engine_fixture *f = fixture_new();
    f->unlogged = true; /* the tests' own log has no room, either, or has what LMDB refuses */
    return f;
}

/* --- the story that is told again and again --- */

#define SERVICE(name, options)                                                                     \
    "service \"" name "\" { subscribe = {\"" name "/+\"} delay = \"1s\" backoff = constant"        \
    " jitter = 0 crashes = 0 " options " }\n"
#define CONF                                                                                       \
    "database shop { url = \"postgres://db/shop\" }\n" SERVICE(                                    \
        "all", "handler = \"all.lua\" key = \"topic:2\" retries = 20 dead_topic = \"dead\""        \
               " dead_letter = \"policy.lua\"")                                                    \
        SERVICE("batch", "handler = \"batch.lua\" key = \"topic:1\" batch = 3 retries = 20")       \
            SERVICE("urgent", "handler = \"urgent.lua\" fair = \"json:/t\" priority = \"json:/p\"" \
                              " retries = 20")                                                     \
                SERVICE("patient", "handler = \"patient.lua\" retry = \"retry.lua\" retries = 0")

static void write_world(struct engine_fixture *f) {
    fixture_script(f, "all.lua", LUA(ALL));
    fixture_script(f, "policy.lua", LUA(POLICY));
    fixture_script(f, "batch.lua", LUA(BATCH));
    fixture_script(f, "urgent.lua", LUA(URGENT));
    fixture_script(f, "patient.lua", LUA(PATIENT));
    fixture_script(f, "retry.lua", LUA(RETRY));
    fixture_script(f, "added.lua", LUA(ADDED));
    fixture_conf(f, CONF);
}

static void offer_everything(struct engine_fixture *f) {
    static const char *const topics[] = {"all/retry", "all/lock", "all/saga", "all/sleep",
                                         "all/join",  "all/fan",  "all/late", "all/sell",
                                         "all/die",   "all/go",   "all/file", "all/cancel"};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        offer(f, "all", topics[i], topics[i], "idempotency-key", topics[i], NULL);
        offer(f, "all", topics[i], topics[i], "idempotency-key", topics[i], NULL);
    }
    offer(f, "all", "all/draft", "first", NULL);
    offer(f, "all", "all/draft", "second", NULL);
    offer(f, "batch", "batch/a", "1", NULL);
    offer(f, "batch", "batch/a", "2", NULL);
    offer(f, "batch", "batch/a", "3", NULL);
    offer(f, "urgent", "urgent/a", "{\"t\":1,\"p\":2}", NULL);
    offer(f, "urgent", "urgent/a", "{\"t\":1,\"p\":9}", NULL);
    offer(f, "patient", "patient/a", "x", NULL);
}

static void tell_story(struct engine_fixture *f) {
    f->unchecked = true; /* until the end */
    write_world(f);
    story_start(f);
    offer_everything(f);
    live_on(f, 4);
    story_order(f,
                (struct command){.kind = COMMAND_SIGNAL,
                                 .service = slice_of("all"),
                                 .key = slice_of("join"),
                                 .name = slice_of("part"),
                                 .payload = slice_of("3")},
                run_through);
    story_order(f, (struct command){.kind = COMMAND_CANCEL, .id = id_of(f, "all", "all/cancel")},
                run_through);
    fixture_conf(f, CONF SERVICE("added", "handler = \"added.lua\" retries = 20"));
    reload(f);
    offer(f, "added", "added/a", "new", NULL);
    live_on(f, 4);
    story_start(f);
    story_order(f, (struct command){.kind = COMMAND_REPLAY, .id = id_of(f, "all", "all/die")},
                run_through);
    live_on(f, STORY_S);
}

static void assert_out(struct engine_fixture *f, const char *topic, const char *expected) {
    char text[256];
    assert_string_equal(payloads(f, topic, text, sizeof text), expected);
}

static void assert_file(const struct engine_fixture *f) {
    char path[256];
    char text[64] = "";
    (void)snprintf(path, sizeof path, "%s/files/log.txt", f->conf->store_path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_string_equal(text, "line\n");
    assert_null(fgets(text, sizeof text, file));
    assert_int_equal(fclose(file), 0);
}

static void assert_the_end(struct engine_fixture *f) {
    engine_check(f);
    assert_out(f, "out/retry", "again");
    assert_out(f, "out/lock", "over all/lock");
    assert_out(f, "out/saga", "undone");
    assert_out(f, "out/sleep", "1 7");
    assert_out(f, "out/join", "1 2 3");
    assert_out(f, "out/late", "due");
    assert_out(f, "out/draft", "second");
    assert_out(f, "out/sell", "4");
    assert_out(f, "out/die", "replayed");
    assert_out(f, "out/batch", "1 2 3");
    assert_out(f, "out/patient", "at last");
    assert_out(f, "out/added", "new");
    assert_int_equal(count_published(f, "out/urgent"), 2);
    assert_int_equal(count_published(f, "out/dead"), 4);
    assert_int_equal(count_published(f, "dead"), 2);
    assert_int_equal(count_deeds(f, "http://peer/charge"), 1);
    assert_int_equal(count_deeds(f, "http://peer/refund"), 1);
    struct books all = service_status(f, "all").books;
    assert_books(f, "all",
                 (struct books){.accepted = 28,
                                .done = 13,
                                .dead = 1,
                                .discarded = 2,
                                .duplicates = 12,
                                .died = all.died,
                                .retries = all.retries});
    assert_int_equal(status(f).waiting, 0);
    assert_int_equal(count_rows(f, TABLE_LOCK), 0);
    assert_int_equal(status(f).set_aside, 0);
    assert_file(f);
}

static unsigned story(enum fault kind, unsigned at) {
    struct engine_fixture *f = new_fixture();
    fault_arm(kind, at);
    sold = false;
    tell_story(f);
    unsigned left = fault_disarm();
    assert_the_end(f);
    story_start(f); /* and what is stored is complete */
    run_through(f);
    assert_the_end(f);
    fixture_free(f);
    return left;
}

/* --- smaller ones --- */

static void offer_held(struct engine_fixture *f) {
    offer(f, "s", "in/sleep", "x", "idempotency-key", "a", NULL);
    offer(f, "s", "in/done", "y", "zingq-id", "018bcfe5-6800-7000-8000-000000000001", NULL);
}

/* A key is old, and its event has not ended; an id is that of an event which has. */
static unsigned held(enum fault kind, unsigned at) {
    struct engine_fixture *f = new_fixture();
    f->unchecked = true;
    fixture_run(f,
                "store { keep_idempotency = \"1m\" }\n"
                "service \"s\" { subscribe = {\"in/+\"} handler = \"h.lua\" retries = 20 }\n",
                LUA(HELD));
    offer_held(f);
    advance(f, 600000);
    fault_arm(kind, at);
    offer_held(f);
    run_through(f);
    unsigned left = fault_disarm();
    engine_check(f);
    assert_books(f, "s", (struct books){.accepted = 4, .done = 2, .duplicates = 1});
    fixture_free(f);
    return left;
}

/* Whoever dies meanwhile still says why. */
static unsigned rejected(enum fault kind, unsigned at) {
    struct engine_fixture *f = new_fixture();
    char text[512];
    f->unchecked = true;
    fixture_run(f, "service \"s\" { subscribe = {\"in/+\"} handler = \"h.lua\" crashes = 0 }\n",
                LUA(REJECTS));
    offer(f, "s", "in/a", "x", NULL);
    fault_arm(kind, at);
    live_on(f, STORY_S);
    unsigned left = fault_disarm();
    engine_check(f);
    assert_non_null(strstr(reason_of(f, "s", "x", text), "no such seat"));
    fixture_free(f);
    return left;
}

static unsigned edited(enum fault kind, unsigned at) {
    struct engine_fixture *f = new_fixture();
    char text[512];
    f->unchecked = true;
    fixture_run(f, "service \"s\" { subscribe = {\"in/+\"} handler = \"h.lua\" crashes = 0 }\n",
                LUA(REJECTS));
    offer(f, "s", "in/a", "x", NULL);
    run_through(f);
    struct uuid id = id_of(f, "s", "x");
    fault_arm(kind, at);
    story_order(f, (struct command){.kind = COMMAND_EDIT, .id = id, .payload = slice_of("mended")},
                run_through);
    story_order(f, (struct command){.kind = COMMAND_REPLAY, .id = id}, run_through);
    live_on(f, STORY_S);
    unsigned left = fault_disarm();
    engine_check(f);
    assert_string_equal(payloads(f, "out", text, sizeof text), "mended");
    assert_int_equal(count_events(f, "s", EVENT_DEAD), 0);
    fixture_free(f);
    return left;
}

/* Its handler has failed for good: what is left is to undo what it had done. */
static unsigned undone(enum fault kind, unsigned at) {
    struct engine_fixture *f = new_fixture();
    char text[64];
    f->unchecked = true;
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/+\"} handler = \"h.lua\" retries = 3"
                " delay = \"1s\" jitter = 0 crashes = 0 }\n",
                LUA(UNDONE));
    offer(f, "s", "in/a", "x", NULL);
    run_dry(f);
    answer(f, 0, 200, "{}");
    fault_arm(kind, at);
    live_on(f, 3 * STORY_S); /* what is lost on its way to the handler is waited for, too */
    unsigned left = fault_disarm();
    engine_check(f);
    assert_string_equal(payloads(f, "out", text, sizeof text), "undone");
    assert_int_equal(count_events(f, "s", EVENT_DEAD), 1);
    fixture_free(f);
    return left;
}

/* --- which calls --- */

static void one_failed_allocation_anywhere_changes_nothing(void **state) {
    (void)state;
    fault_in_turn(FAULT_MEMORY, FIRST, story);
}

static void one_failed_call_of_the_store_anywhere_changes_nothing(void **state) {
    (void)state;
    fault_in_turn(FAULT_STORE, FIRST, story);
}

static void a_key_that_is_needed_and_an_id_that_is_taken_stay_so(void **state) {
    (void)state;
    fault_in_turn(FAULT_MEMORY, FEW, held);
    fault_in_turn(FAULT_STORE, FEW, held);
}

static void a_dead_letter_says_why(void **state) {
    (void)state;
    fault_in_turn(FAULT_MEMORY, FEW, rejected);
    fault_in_turn(FAULT_STORE, FEW, rejected);
}

static void a_dead_letter_that_is_edited_and_replayed_runs_once_as_it_is_now(void **state) {
    (void)state;
    fault_in_turn(FAULT_MEMORY, FEW, edited);
    fault_in_turn(FAULT_STORE, FEW, edited);
}

static void a_saga_is_undone_whatever_its_host_lacks_meanwhile(void **state) {
    (void)state;
    fault_in_turn(FAULT_MEMORY, FEW, undone);
    fault_in_turn(FAULT_STORE, FEW, undone);
}

static void no_line(void *ctx, struct slice line) {
    (void)ctx;
    (void)line;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_key_that_is_needed_and_an_id_that_is_taken_stay_so,
                                  fault_say_which),
        cmocka_unit_test_teardown(a_dead_letter_says_why, fault_say_which),
        cmocka_unit_test_teardown(a_dead_letter_that_is_edited_and_replayed_runs_once_as_it_is_now,
                                  fault_say_which),
        cmocka_unit_test_teardown(a_saga_is_undone_whatever_its_host_lacks_meanwhile,
                                  fault_say_which),
        cmocka_unit_test_teardown(one_failed_allocation_anywhere_changes_nothing, fault_say_which),
        cmocka_unit_test_teardown(one_failed_call_of_the_store_anywhere_changes_nothing,
                                  fault_say_which),
    };
    log_divert(no_line, NULL); /* thousands of stories tell the same */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
