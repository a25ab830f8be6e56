/*
 * erase.c - POST /api/keys/<service>/erase?key=: everything that the store has of a key goes: its
 * events with their histories and steps, its letters, state, locks and kept signals.
 *
 * It is refused as a whole while one of the events has not ended. What arrives while the job works
 * is left alone, so the job can be requested again.
 */
#include "web/admin/job.h"

#include "base/log.h"
#include "engine/erase.h"
#include "query/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- finding ---- */

static int note_event(struct job *b, const struct event *event) {
    if (!engine_may_erase(event)) {
        b->erase.unfinished = event->id;
        b->erase.state = event->state;
        b->erase.unfinished_count++;
        return 0;
    }
    if (b->found == JOB_LETTERS_MAX) {
        b->cut = true;
        return ERR_NOTFOUND;
    }
    b->found++;
    return admin_job_push(b, event, event->seq);
}

static int find_event(struct admin *a, struct job *b, struct journal *j) {
    struct event *event = NULL;
    (void)a;
    int code = rerun_walk_next(j, &b->rerun.filter, &b->rerun.walk, &event);
    if (code != 0 || event == NULL) {
        return code;
    }
    bool ours =
        event->service == b->rerun.filter.service && slice_equal(event->key, b->rerun.filter.key);
    code = ours ? note_event(b, event) : 0;
    event_free(event);
    return code;
}

static bool found_all(struct admin *a, struct job *b) {
    char id[UUID_TEXT_BYTES + 1];
    char text[sizeof b->error];
    if (b->erase.unfinished_count > 0) {
        (void)snprintf(text, sizeof text,
                       "nothing was erased: %zu events of the key have not ended, such as %s (%s): "
                       "wait for them, or end them with `zingq cancel` or `zingq dlq`",
                       b->erase.unfinished_count, uuid_text(&b->erase.unfinished, id),
                       event_state_name((enum event_state)b->erase.state));
        admin_job_fail(a, b, text);
        return false;
    }
    if (admin_job_push_rest(b) != 0) {
        admin_job_fail(a, b, error_text(ERR_MEMORY));
        return false;
    }
    audit_hide_key(a->audit, b->service, b->rerun.key);
    log_info("admin", "erase service=%s events=%" PRIu64 " job=%" PRIu64, b->service, b->found,
             b->id);
    return true;
}

/* ---- the request ---- */

static bool add_figures(const struct admin *a, const struct job *b, json_t *object) {
    (void)a;
    return look_json_count(object, "rows", b->erase.rows);
}

void admin_erase(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    struct gateway_request *request = call->request;
    const struct conf *conf = a->options.conf;
    const char *key = gateway_query(request, "key");
    size_t service = 0;
    if (key == NULL || key[0] == '\0' || strlen(key) > KEY_BYTES_MAX) {
        char text[64];
        (void)snprintf(text, sizeof text, "which key? Give ?key=, of 1 to %d bytes", KEY_BYTES_MAX);
        gateway_answer_error(request, 400, NULL, text);
        return;
    }
    if (!conf_find_service(conf, call->parts.at[2], &service)) {
        gateway_answer_error(request, 404, NULL, "no such service in topics.conf");
        return;
    }
    struct job *b = admin_job_new(a, request);
    if (b == NULL) {
        return;
    }
    b->kind = COMMAND_ERASE;
    b->find = find_event;
    b->found_all = found_all;
    b->add_figures = add_figures;
    (void)snprintf(b->service, sizeof b->service, "%s", conf->services[service].name);
    (void)snprintf(b->rerun.key, sizeof b->rerun.key, "%s", key);
    b->rerun.filter = (struct rerun_filter){.service = engine_service_number(a->engine, service),
                                            .by_key = true,
                                            .key = slice_of(b->rerun.key)};
    rerun_walk_init(&b->rerun.walk, engine_journal(a->engine), &b->rerun.filter);
    admin_job_begin(a, b, request);
}
