/*
 * try.c - try and dlq try: running a handler once, dry.
 *
 * The handler sees the last commit and its own effects, which are printed and dropped. The run ends
 * at the first call to the outside that neither --answers answers nor --live makes.
 *
 * A dead letter has no --live: a call under its key must be noted on disk before it is made, which only its
 * host can do; it is replayed instead.
 */
#include "cli/try.h"

#include "cli/dlq.h"
#include "cli/letters.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "lua/api/api.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "lua/script.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- input ---- */

static int read_state(const struct cli *cli, json_t **out) {
    const char *path = cli_option(cli, "state");
    struct buf text;
    struct report r = {"it must be an object of names and values"};
    *out = NULL;
    if (path == NULL) {
        return 0;
    }
    int status = cli_read_file(path, CALL_BYTES_MAX, &text);
    if (status == 0) {
        *out = json_read(buf_slice(&text), "the state", &r);
        if (!json_is_object(*out)) {
            status = cli_fail(ERR_INVALID, "%s: %s", path, r.text);
            json_decref(*out);
            *out = NULL;
        }
    }
    buf_clear(&text);
    return status;
}

/* Reads the payload of --payload or --file; "" when neither was given. */
static int read_payload(const struct cli *cli, struct buf *out) {
    const char *text = cli_option(cli, "payload");
    const char *path = cli_option(cli, "file");
    if (text != NULL && path != NULL) {
        buf_init(out, 0);
        return cli_misused(cli, "give either --payload or --file");
    }
    if (path != NULL) {
        return cli_read_file(path, GATEWAY_BODY_BYTES_MAX, out);
    }
    buf_init(out, GATEWAY_BODY_BYTES_MAX);
    buf_add_str(out, text == NULL ? "" : text);
    return 0;
}

/* Reads --property NAME=VALUE, in the format of property_add. 0, or an exit status after printing
 * why. */
static int read_properties(const struct cli *cli, struct buf *out) {
    const char *pair;
    size_t at = 0;
    while ((pair = cli_option_next(cli, "property", &at)) != NULL) {
        const char *equals = strchr(pair, '=');
        if (equals == NULL || equals == pair) {
            return cli_misused(cli, "--property must be NAME=VALUE, not \"%s\"", pair);
        }
        property_add(out, (struct slice){pair, (size_t)(equals - pair)}, slice_of(equals + 1));
    }
    return out->failed ? cli_misused(cli, "the properties are too long") : 0;
}

static int find_conf(const struct cli *cli, const char *name, size_t *index) {
    const char *names[SERVICES_MAX];
    size_t count = cli->conf->service_count;
    for (size_t i = 0; i < count; i++) {
        names[i] = cli->conf->services[i].name;
        if (strcmp(names[i], name) == 0) {
            *index = i;
            return 0;
        }
    }
    return cli_unknown("service", name, names, count);
}

/* A dry run before the first real run has no state to see. */
static int open_store_if_any(struct cli *cli) {
    struct buf path;
    buf_init(&path, 8192);
    buf_printf(&path, "%s/data.mdb", cli->data);
    bool there = !path.failed && access(buf_str(&path), F_OK) == 0;
    buf_clear(&path);
    return there ? cli_open_store(cli) : 0;
}

/* ---- the event ---- */

/* The place where the event would be, by which its state is found. */
static void place(const struct cli *cli, const char *service, struct event *event) {
    uint16_t count = cli->journal == NULL ? 0 : journal_service_count(cli->journal);
    event->service = UINT16_MAX; /* a service without a number has no state */
    for (uint16_t i = 0; i < count; i++) {
        if (strcmp(cli_service_name(cli, i), service) == 0) {
            event->service = i;
        }
    }
    event->lane = journal_lane(slice_of(service), event->key);
    event->partition = journal_partition(event->lane);
}

static int give_key(const struct service_conf *s, struct event *event) {
    struct buf key;
    struct slice set;
    struct report r = {""};
    buf_init(&key, KEY_BYTES_MAX);
    int code = 0;
    if (property_find(event->properties, "zingq-key", &set)) {
        buf_add_slice(&key, set);
    } else {
        code = rule_extract(&s->key, event, &key, &r);
    }
    if (code == 0 && !key.failed) {
        event->key_own = slice_dup(buf_slice(&key));
        code = event->key_own == NULL ? ERR_MEMORY : 0;
        event->key = (struct slice){event->key_own, code == 0 ? key.len : 0};
    }
    if (code == ERR_INVALID) {
        (void)cli_fail(code, "the event would become a dead letter immediately: %s", r.text);
        code = EXIT_NO;
    } else if (code != 0) {
        code = cli_fail(code, "%s", error_text(code));
    }
    buf_clear(&key);
    return code;
}

static int make_event(struct cli *cli, const struct service_conf *s, struct event **out) {
    struct buf payload;
    struct buf properties;
    struct report r = {""};
    const char *topic = cli->words[1];
    if (topic_check(topic, &r) != 0) {
        return cli_misused(cli, "%s", r.text);
    }
    if (!service_wants(s, topic)) {
        return cli_misused(cli, "%s has no subscription that matches \"%s\"", s->name, topic);
    }
    int status = read_payload(cli, &payload);
    buf_init(&properties, TOPIC_BYTES_MAX * 4);
    status = status == 0 ? read_properties(cli, &properties) : status;
    if (status == 0) {
        struct event_bytes bytes = {.topic = slice_of(topic),
                                    .payload = buf_slice(&payload),
                                    .properties = buf_slice(&properties)};
        *out = event_new(&bytes);
        status = *out == NULL ? cli_fail(ERR_MEMORY, "out of memory") : give_key(s, *out);
    }
    buf_clear(&properties);
    buf_clear(&payload);
    return status;
}

/* ---- the run ---- */

static int ask_policy(struct script_host *scripts, size_t index, struct event *event,
                      struct run *run, const struct try_view *view, struct retry_verdict *verdict) {
    struct report r = {""};
    if (run->outcome != OUTCOME_ERROR && run->outcome != OUTCOME_RETRY) {
        return ERR_NOTFOUND;
    }
    event->errors++;
    int code =
        run_retry_policy(scripts, index, event, buf_str(&run->error), &view->view, verdict, &r);
    if (code == ERR_SCRIPT) {
        (void)cli_fail(code, "the retry script failed: %s", r.text);
    }
    return code;
}

static int run_dry(struct cli *cli, struct script_host *scripts, size_t index, struct event *event,
                   const json_t *state, struct try_calls *calls) {
    struct try_view view;
    struct run *run = NULL;
    struct retry_verdict verdict;
    int code = cli->journal == NULL ? 0 : cli_begin(cli);
    if (code != 0) {
        return cli_read_failed(code);
    }
    try_view_init(&view, cli->journal, cli->now_ms, state);
    event->state = EVENT_RUNNING;
    event->attempts++;
    event->started_ms = cli->now_ms;
    code = run_start(&run, scripts, index, RUN_EVENT, event, NULL, &view.view);
    bool runs = code == 0;
    int status = runs ? 0 : cli_fail(code, "%s", error_text(code));
    if (runs) {
        try_go_on(run);
        status = try_go_past(cli, &view, run, calls);
        code = status == 0 ? ask_policy(scripts, index, event, run, &view, &verdict) : ERR_NOTFOUND;
    }
    if (cli->journal != NULL) {
        cli_end(cli);
    }
    if (runs) {
        status = status == 0 ? try_tell(cli, run, code == 0 ? &verdict : NULL, calls) : status;
        run_free(run);
    }
    try_view_clear(&view);
    return status;
}

static int load_and_run(struct cli *cli, size_t index, struct event *event, const json_t *state) {
    struct script_host *scripts = NULL;
    struct try_calls calls;
    struct report r = {""};
    int status = try_open_calls(cli, &calls, cli->conf->services[index].timeout_ms);
    int code = status == 0 ? script_host_new(&scripts, cli->conf, &api_library) : 0;
    if (code != 0) {
        status = cli_fail(code, "cannot start Lua: %s", error_text(code));
    } else if (status == 0) {
        log_set(&(struct log_settings){.areas = {[LOG_AREA_HANDLER] = LOG_LEVEL_DEBUG}});
        code = script_load_all(scripts, &r);
        status = code == 0 ? run_dry(cli, scripts, index, event, state, &calls)
                           : cli_fail(code, "%s", r.text);
        script_host_free(scripts);
    }
    try_close_calls(&calls);
    return status;
}

int cli_try(struct cli *cli) {
    struct event *event = NULL;
    json_t *state = NULL;
    size_t index = 0;
    int status = cli_load_conf(cli);
    status = status == 0 ? cli_find_data(cli) : status;
    status = status == 0 ? find_conf(cli, cli->words[0], &index) : status;
    status = status == 0 ? read_state(cli, &state) : status;
    status = status == 0 ? make_event(cli, &cli->conf->services[index], &event) : status;
    status = status == 0 ? open_store_if_any(cli) : status;
    if (status == 0) {
        assert(event != NULL);
        struct uuid_source ids;
        uuid_source_init(&ids, (uint64_t)cli->now_ms);
        event->id = uuid_next(&ids, cli->now_ms);
        event->accepted_ms = cli->now_ms;
        event->qos = 1;
        place(cli, cli->words[0], event);
        status = load_and_run(cli, index, event, state);
    }
    event_free(event);
    json_decref(state);
    return status;
}

int dlq_try(struct cli *cli) {
    struct event *event = NULL;
    size_t index = 0;
    int status = cli_load_conf(cli);
    status = status == 0 ? letters_find(cli, cli->words[0], &event) : status;
    if (status != 0 || event == NULL) {
        return status;
    }
    status = find_conf(cli, cli_service_name(cli, event->service), &index);
    if (status == 0) {
        event->replayed = true;
        status = load_and_run(cli, index, event, NULL);
    }
    event_free(event);
    return status;
}
