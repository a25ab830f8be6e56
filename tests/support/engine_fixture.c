/* engine_fixture.c - the world around an engine under test. */
#include "engine_fixture.h"
#include "conf/change.h"
#include "lua/api/api.h"

#include "engine_doors.h"
#include "engine_log.h"
#include "fake_log.h"
#include "pace.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WINDOW = 100, PACKET_BYTES = 4 << 20, TURNS_MAX = 100000, ROWS_A_TURN = 64 };
static const int64_t START_MS = 1700000000000;

/* --- start and end --- */

struct engine_fixture *fixture_new(void) {
    char path[128];
    struct engine_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->ids = calloc(FIXTURE_IDS, sizeof *f->ids);
    assert_non_null(f->ids);
    buf_init(&f->spans, 64 << 20);
    f->log = fake_log_new();
    data_folder_make(&f->folder);
    (void)snprintf(path, sizeof path, "%s/scripts", f->folder.path);
    assert_int_equal(mkdir(path, 0700), 0);
    f->now_ms = START_MS;
    return f;
}

static void write_text(const char *path, const char *text) {
    FILE *fp = fopen(path, "w");
    assert_non_null(fp);
    assert_true(fputs(text, fp) >= 0);
    assert_int_equal(fclose(fp), 0);
}

void fixture_script(struct engine_fixture *f, const char *name, const char *text) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/scripts/%s", f->folder.path, name);
    write_text(path, text);
}

void fixture_conf(struct engine_fixture *f, const char *text) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/topics.conf", f->folder.path);
    write_text(path, text);
}

static void need(int code, const struct report *r) {
    if (code != 0) {
        fail_msg("%s: %s", error_name(code), r->text);
    }
}

static int start_engine(struct engine_fixture *f) {
    const struct engine_doors doors = fixture_doors(f);
    struct engine_options options = {.conf = f->conf,
                                     .store = f->store,
                                     .scripts = f->scripts,
                                     .doors = &doors,
                                     .culprit = f->culprit,
                                     .memory = &f->memory,
                                     .seed = ++f->seed,
                                     .only = &f->only,
                                     .only_count = f->only == NULL ? 0 : 1};
    int code = engine_new(&f->engine, &options, &f->report);
    if (code != 0) {
        return code;
    }
    struct report r = {""};
    need(journal_open(&f->view, f->store, conf_keep_idempotency(f->conf, NULL), &r), &r);
    if (!f->offline) {
        engine_connected(f->engine, WINDOW, PACKET_BYTES);
    }
    return 0;
}

static struct conf *load_conf(const struct engine_fixture *f) {
    char path[128];
    struct conf *conf = NULL;
    struct report r = {""};
    (void)snprintf(path, sizeof path, "%s/topics.conf", f->folder.path);
    need(conf_load(&conf, path, NULL, &r), &r);
    if (conf->lua_time_ms == LUA_TIME_DEFAULT_MS) {
        conf->lua_time_ms = LUA_TIME_MS;
    }
    return conf;
}

static int load_scripts(struct engine_fixture *f, const struct conf *conf,
                        struct script_host **scripts) {
    int code = script_host_new(scripts, conf, &api_library);
    if (code != 0) {
        return report(&f->report, code, "no scripts: %s", error_text(code));
    }
    script_use_memory(*scripts, &f->memory);
    return script_load_all(*scripts, &f->report);
}

static int try_start(struct engine_fixture *f) {
    const uint8_t boot[16] = {1, f->boot};
    f->report = (struct report){""};
    f->conf = load_conf(f);
    memory_init(&f->memory, f->conf->memory_bytes);
    struct store_options options = {
        .path = f->conf->store_path, .max_bytes = f->conf->store_max_bytes, .logged = !f->unlogged};
    int code = load_scripts(f, f->conf, &f->scripts);
    code = code == 0 ? store_open(&f->store, &options, &f->report) : code;
    if (code == 0 && !f->unlogged) {
        code = engine_log_use(f);
    }
    code = code == 0 ? culprit_open(&f->culprit, f->conf->store_path, boot, &f->report) : code;
    return code == 0 ? start_engine(f) : code;
}

void fixture_start(struct engine_fixture *f) {
    need(try_start(f), &f->report);
}

void fixture_run(struct engine_fixture *f, const char *conf, const char *script) {
    fixture_script(f, "h.lua", script);
    fixture_conf(f, conf);
    fixture_start(f);
}

static int take_over(struct engine_fixture *f, struct conf *conf, struct script_host *scripts) {
    conf_exchange(f->conf, conf);
    script_use_conf(f->scripts, conf);
    script_use_conf(scripts, f->conf);
    return engine_reconfigure(f->engine, scripts, &f->report);
}

/* 0, or the engine is as it was; but not after ERR_MEMORY. */
static int change_over(struct engine_fixture *f, struct conf *conf, struct script_host **scripts) {
    struct script_host *before = f->scripts;
    struct report r = {""};
    int code = engine_stop(f->engine);
    if (code != 0) {
        engine_go_on(f->engine);
        return code;
    }
    code = take_over(f, conf, *scripts);
    if (code == 0) {
        f->scripts = *scripts;
        *scripts = before;
        return 0;
    }
    conf_exchange(f->conf, conf);
    script_use_conf(before, f->conf);
    script_use_conf(*scripts, conf);
    if (code != ERR_MEMORY) {
        need(engine_reconfigure(f->engine, before, &r), &r);
    }
    return code;
}

int fixture_reconfigure(struct engine_fixture *f) {
    struct script_host *scripts = NULL;
    struct conf *conf = load_conf(f);
    need(conf_check_change(f->conf, conf, &f->report), &f->report);
    int code = load_scripts(f, conf, &scripts);
    code = code == 0 ? change_over(f, conf, &scripts) : code;
    script_host_free(scripts);
    conf_free(conf);
    journal_close(f->view);
    need(journal_open(&f->view, f->store, conf_keep_idempotency(f->conf, NULL), &f->report),
         &f->report);
    return code;
}

static void on_reload(void *ctx, size_t service, const char *error) {
    (void)ctx;
    (void)service;
    assert_null(error);
}

void fixture_reload(struct engine_fixture *f) {
    (void)script_reload(f->scripts, f, on_reload);
}

/* The engine has let go of what it had noted. */
static void lose_offered(struct engine_fixture *f) {
    for (size_t i = 0; i < f->offered_count; i++) {
        f->offered[i].noted = false;
    }
}

static void close_all(struct engine_fixture *f) {
    lose_offered(f);
    journal_close(f->view);
    engine_free(f->engine);
    engine_log_leave(f);
    script_host_free(f->scripts);
    culprit_close(f->culprit);
    store_close(f->store);
    conf_free(f->conf);
    f->view = NULL;
    f->engine = NULL;
    f->scripts = NULL;
    f->store = NULL;
    f->culprit = NULL;
    f->conf = NULL;
    for (size_t i = 0; i < f->published_count; i++) {
        f->published[i].answered = true;
    }
    for (size_t i = 0; i < f->asked_count; i++) {
        f->asked[i].open = false;
    }
}

int fixture_try_start(struct engine_fixture *f) {
    close_all(f);
    return try_start(f);
}

/* What the last turns left unchecked. */
static void check_the_rest(struct engine_fixture *f) {
    if (!f->unchecked && f->turns_unchecked > 0) {
        engine_check(f);
    }
}

void fixture_kill(struct engine_fixture *f) {
    check_the_rest(f);
    close_all(f);
}

void crash(struct engine_fixture *f) {
    fixture_kill(f);
    fixture_start(f);
}

static void crash_with(struct engine_fixture *f, const char *service, const struct uuid *id,
                       uint8_t partition) {
    uint16_t number = engine_service_number(f->engine, service_index(f, service));
    culprit_run(f->culprit, number, partition, id);
    crash(f);
}

void crash_in(struct engine_fixture *f, const char *service, const char *payload) {
    struct event *event = event_with(f, service, payload);
    struct uuid id = event->id;
    uint8_t partition = event->partition;
    event_free(event);
    crash_with(f, service, &id, partition);
}

void crash_in_new_event(struct engine_fixture *f, const char *service) {
    struct uuid id = {{9}};
    crash_with(f, service, &id, 0);
}

void fixture_stop(struct engine_fixture *f) {
    check_the_rest(f);
    assert_int_equal(engine_stop(f->engine), 0);
    culprit_stopped(f->culprit);
    close_all(f);
}

void restart(struct engine_fixture *f) {
    fixture_stop(f);
    fixture_start(f);
}

/* What the engine had noted is acknowledged; `all`: the rest is forgotten, too. */
static void forget_offered(struct engine_fixture *f, bool all) {
    size_t kept = 0;
    for (size_t i = 0; i < f->offered_count; i++) {
        if (!f->offered[i].noted && !all) {
            f->offered[kept++] = f->offered[i];
            continue;
        }
        free(f->offered[i].topic);
        free(f->offered[i].payload);
        free(f->offered[i].properties);
    }
    f->offered_count = kept;
}

void fixture_free(struct engine_fixture *f) {
    engine_log_check(f);
    close_all(f);
    fake_log_free(f->log);
    forget_offered(f, true);
    forget_published(f);
    for (size_t i = 0; i < f->asked_count; i++) {
        free(f->asked[i].method);
        free(f->asked[i].url);
        free(f->asked[i].body);
        free(f->asked[i].headers);
    }
    free(f->offered);
    free(f->published);
    free(f->asked);
    free(f->ids);
    buf_clear(&f->spans);
    data_folder_remove(&f->folder);
    free(f);
}

/* --- messages --- */

static void offer_one(struct engine_fixture *f, struct offered *o) {
    o->noted = true;
    struct event_bytes bytes = {.topic = slice_of(o->topic),
                                .payload = slice_of(o->payload),
                                .properties = {o->properties, o->properties_len}};
    const struct offer how = {.qos = 1, .everywhere = f->everywhere};
    assert_int_equal(engine_offer(f->engine, o->service, &bytes, how), 0);
}

static void offer_bytes(struct engine_fixture *f, const char *service, const char *topic,
                        const char *payload, struct slice properties) {
    f->offered = fixture_grow(f->offered, f->offered_count, &f->offered_cap, sizeof *f->offered);
    struct offered *o = &f->offered[f->offered_count++];
    *o = (struct offered){.service = service_index(f, service),
                          .topic = fixture_copy(topic, strlen(topic)),
                          .payload = fixture_copy(payload, strlen(payload)),
                          .properties = fixture_copy(properties.data, properties.len),
                          .properties_len = properties.len};
    offer_one(f, o);
}

void offer(struct engine_fixture *f, const char *service, const char *topic, const char *payload,
           ...) {
    struct buf properties;
    va_list args;
    buf_init(&properties, 1 << 20);
    va_start(args, payload);
    for (const char *name = va_arg(args, const char *); name != NULL;
         name = va_arg(args, const char *)) {
        property_add(&properties, slice_of(name), slice_of(va_arg(args, const char *)));
    }
    va_end(args);
    offer_bytes(f, service, topic, payload, buf_slice(&properties));
    buf_clear(&properties);
}

void offer_copy(struct engine_fixture *f, const char *service, size_t published) {
    const struct published *p = &f->published[published];
    offer_bytes(f, service, p->topic, p->payload, (struct slice){p->properties, p->properties_len});
}

size_t redeliver(struct engine_fixture *f) {
    size_t count = 0;
    for (size_t i = 0; i < f->offered_count; i++) {
        if (!f->offered[i].noted) {
            offer_one(f, &f->offered[i]);
            count++;
        }
    }
    return count;
}

/* --- turns --- */

/* A check reads every event and signal: of many, only some turns are looked at. */
static void check_in_proportion(struct engine_fixture *f) {
    if (f->unchecked) {
        return;
    }
    uint64_t rows =
        store_rows_kept(f->store, TABLE_EVENT) + store_rows_kept(f->store, TABLE_SIGNAL);
    f->turns_unchecked++;
    if (rows <= (uint64_t)ROWS_A_TURN * f->turns_unchecked) {
        engine_check(f);
    }
}

int turn(struct engine_fixture *f) {
    int code = engine_turn(f->engine);
    if (code != 0) {
        lose_offered(f);
        f->turns_unchecked = 0; /* nothing of it is to be relied on */
        return code;
    }
    forget_offered(f, false);
    if (!f->hold_acks) {
        acknowledge(f);
    }
    engine_log_go_on(f);
    check_in_proportion(f);
    return 0;
}

void run_dry(struct engine_fixture *f) {
    size_t before;
    int turns = 0;
    do {
        before = f->published_count;
        assert_int_equal(turn(f), 0);
        assert_true(turns++ < TURNS_MAX);
    } while (engine_due(f->engine) || f->published_count > before);
}

void advance(struct engine_fixture *f, int64_t ms) {
    int64_t end = f->now_ms + ms;
    run_dry(f);
    for (;;) {
        int64_t next = engine_next_ms(f->engine);
        int64_t ahead = engine_now_ms(f->engine) - f->now_ms; /* of the machine's own time */
        int64_t to = next < end + ahead ? next - ahead : end;
        f->monotonic_us += (to > f->now_ms ? to - f->now_ms : 0) * 1000;
        f->now_ms = to > f->now_ms ? to : f->now_ms;
        run_dry(f);
        if (f->now_ms == end) {
            return;
        }
    }
}

void deliver(struct engine_fixture *f, const char *service, const char *topic,
             const char *payload) {
    offer(f, service, topic, payload, NULL);
    run_dry(f);
}

/* --- the broker's and the peers' answers --- */

void forget_published(struct engine_fixture *f) {
    for (size_t i = 0; i < f->published_count; i++) {
        free(f->published[i].topic);
        free(f->published[i].payload);
        free(f->published[i].properties);
    }
    f->published_count = 0;
    memset(f->ids, 0, FIXTURE_IDS * sizeof *f->ids);
}

void disconnect(struct engine_fixture *f) {
    (void)engine_disconnected(f->engine);
    for (size_t i = 0; i < f->published_count; i++) {
        f->published[i].answered = true;
    }
}

void connect_again(struct engine_fixture *f) {
    engine_connected(f->engine, WINDOW, PACKET_BYTES);
}

void answer_publish(struct engine_fixture *f, size_t published, uint8_t reason) {
    struct published *p = &f->published[published];
    assert_false(p->answered);
    p->answered = true;
    engine_published(f->engine, p->mid, reason);
}

void acknowledge(struct engine_fixture *f) {
    for (size_t i = f->published_count; i-- > 0;) {
        if (f->published[i].answered) {
            break; /* answered in order: the rest is, too */
        }
        answer_publish(f, i, 0);
    }
}

static void end_call(struct engine_fixture *f, size_t asked, struct call_result *result) {
    assert_true(asked < f->asked_count && f->asked[asked].open);
    f->asked[asked].open = false;
    engine_call_done(f->engine, f->asked[asked].id, result);
    call_result_clear(result);
}

void answer(struct engine_fixture *f, size_t asked, long status, const char *body) {
    struct call_result result = {.status = status, .sent = true};
    buf_init(&result.headers, 4096);
    buf_init(&result.body, 1 << 20);
    buf_add_str(&result.body, body);
    end_call(f, asked, &result);
}

void answer_code(struct engine_fixture *f, size_t asked, int code) {
    struct call_result result = {.code = code, .sent = true};
    buf_init(&result.headers, 4096);
    buf_init(&result.body, 4096);
    (void)snprintf(result.error, sizeof result.error, "%s", error_text(code));
    end_call(f, asked, &result);
}

int command(struct engine_fixture *f, struct command c) {
    f->code = 1; /* not answered yet */
    engine_submit(f->engine, &c);
    run_dry(f);
    assert_int_not_equal(f->code, 1);
    return f->code;
}

/* --- looking at it --- */

size_t service_index(const struct engine_fixture *f, const char *service) {
    for (size_t i = 0; i < f->conf->service_count; i++) {
        if (strcmp(f->conf->services[i].name, service) == 0) {
            return i;
        }
    }
    fail_msg("no service %s", service);
    return 0;
}

struct engine_service_status service_status(struct engine_fixture *f, const char *service) {
    struct engine_service_status s;
    assert_int_equal(engine_service_status(f->engine, service_index(f, service), &s), 0);
    return s;
}

struct engine_status status(struct engine_fixture *f) {
    struct engine_status s;
    engine_status(f->engine, &s);
    return s;
}

static struct published *nth(const struct engine_fixture *f, const char *topic, size_t n,
                             bool again) {
    for (size_t i = 0; i < f->published_count; i++) {
        struct published *p = &f->published[i];
        if (strcmp(p->topic, topic) == 0 && (again || !p->again) && n-- == 0) {
            return p;
        }
    }
    return NULL;
}

static size_t count(const struct engine_fixture *f, const char *topic, bool again) {
    size_t n = 0;
    for (size_t i = 0; i < f->published_count; i++) {
        const struct published *p = &f->published[i];
        n += strcmp(p->topic, topic) == 0 && (again || !p->again) ? 1 : 0;
    }
    return n;
}

struct published *nth_published(const struct engine_fixture *f, const char *topic, size_t n) {
    return nth(f, topic, n, false);
}

struct published *nth_sent(const struct engine_fixture *f, const char *topic, size_t n) {
    return nth(f, topic, n, true);
}

size_t count_published(const struct engine_fixture *f, const char *topic) {
    return count(f, topic, false);
}

size_t count_sent(const struct engine_fixture *f, const char *topic) {
    return count(f, topic, true);
}

const char *published_property(const struct published *p, const char *name, char out[512]) {
    struct slice value = {"", 0};
    assert_non_null(p);
    (void)property_find((struct slice){p->properties, p->properties_len}, name, &value);
    (void)snprintf(out, 512, "%.*s", (int)value.len, value.data);
    return out;
}

const char *payloads(const struct engine_fixture *f, const char *topic, char *out, size_t size) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < f->published_count; i++) {
        if (f->published[i].again || strcmp(f->published[i].topic, topic) != 0) {
            continue;
        }
        len += (size_t)snprintf(out + len, size - len, "%s%s", len == 0 ? "" : " ",
                                f->published[i].payload);
        assert_true(len < size);
    }
    return out;
}

int fixture_set_up(void **state) {
    *state = fixture_new();
    return 0;
}

int fixture_tear_down(void **state) {
    struct engine_fixture *f = *state;
    if (f->engine != NULL) {
        check_the_rest(f);
    }
    fixture_free(f);
    return 0;
}
