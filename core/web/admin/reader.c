/*
 * reader.c - requests that are answered from the store: reading in small pieces between turns, so
 * that a long search never holds up the engine.
 *
 * Readings take turns. Each piece is a transaction of its own, with commits of the engine in
 * between: a later piece may see newer data.
 */
#include "web/admin/impl.h"

#include "base/clock.h"
#include "store/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reading_free(struct reading *r) {
    r->kind->clear(r);
    buf_clear(&r->out);
    free(r->text[0]);
    free(r->text[1]);
    free(r);
}

void admin_forget_readings(struct admin *a) {
    struct reading *r;
    while ((r = TAILQ_FIRST(&a->readings)) != NULL) {
        TAILQ_REMOVE(&a->readings, r, link);
        reading_free(r);
    }
    a->reading_count = 0;
}

/* ---- the answer ---- */

bool admin_read_add(struct reading *r, json_t *object) {
    if (r->kind->is_list) {
        buf_add_str(&r->out, r->items == 0 ? "[" : ",");
    }
    r->items++;
    if (r->placed) {
        r->kind->mark(r);
        object = json_pack("{s:s, s:o}", "at", r->next, "row", object);
        r->next[0] = '\0';
    }
    if (object == NULL) {
        return false;
    }
    json_write(object, &r->out, 0);
    json_decref(object);
    return !r->out.failed;
}

static bool is_older(const struct reading *r, int64_t ms) {
    return clock_monotonic_us() - r->begun_us > ms * 1000;
}

/* The host that gathers parts must have each in time. */
bool admin_read_full(const struct reading *r) {
    return r->items >= r->limit || r->out.len >= r->bytes_max || r->rows >= READING_ROWS_MAX ||
           (r->placed && is_older(r, READING_PART_MS));
}

static void answer(struct reading *r, int code) {
    char text[256];
    char headers[sizeof r->next + 32] = "";
    if (code == ERR_TIMEOUT) {
        (void)snprintf(text, sizeof text, "this host is too busy to read its part within %d s",
                       ASK_ANSWER_MS / 1000);
        gateway_answer_error(r->request, 503, NULL, text);
        return;
    }
    if (code == ERR_NOTFOUND && r->kind->is_list) {
        buf_add_str(&r->out, r->items == 0 ? "[]" : "]");
    }
    if (code == ERR_NOTFOUND && r->out.len == 0) {
        gateway_answer_error(r->request, 404, NULL, "nothing of that name or id is here");
        return;
    }
    if (code != ERR_NOTFOUND || r->out.failed) {
        (void)snprintf(text, sizeof text, "reading the store failed: %s",
                       error_text(code == ERR_NOTFOUND ? ERR_MEMORY : code));
        gateway_answer_error(r->request, 503, NULL, text);
        return;
    }
    if (r->next[0] != '\0') {
        (void)snprintf(headers, sizeof headers, "Zingq-Next: %s\n", r->next);
    }
    gateway_answer(r->request, 200, NULL, headers, buf_slice(&r->out));
}

/* ---- the work ---- */

/* Reads one piece; 0: there is more. */
static int read_piece(struct admin *a, struct reading *r, int64_t until_us) {
    int code = 0;
    while (code == 0 && clock_monotonic_us() < until_us) {
        code = r->kind->step(a, r);
        r->rows++;
    }
    /* some cannot end half way, and nobody waits for them any more */
    return code == 0 && r->is_part && is_older(r, ASK_ANSWER_MS) ? ERR_TIMEOUT : code;
}

static void on_reader(uv_idle_t *idle) {
    struct admin *a = idle->data;
    struct reading *r = TAILQ_FIRST(&a->readings);
    struct store *store = journal_store(engine_journal(a->engine));
    int64_t until_us = clock_monotonic_us() + READING_US_MAX;
    assert(!store_active(store)); /* the loop is between turns */
    bool begun = store_begin_reading(store) == 0;
    bool finding =
        begun && a->find_letters(a, r == NULL ? until_us : until_us - READING_US_MAX / 2);
    int code = r == NULL ? 0 : begun ? read_piece(a, r, until_us) : ERR_DISK;
    if (begun) {
        store_abort(store);
    }
    if (r != NULL) { /* let the others take their turn */
        TAILQ_REMOVE(&a->readings, r, link);
        if (code == 0) {
            TAILQ_INSERT_TAIL(&a->readings, r, link);
        }
    }
    if (code != 0) {
        a->reading_count--;
        answer(r, code); /* after the transaction: who waited for it may begin another one */
        reading_free(r);
    }
    if (a->reading_count == 0 && !finding) {
        (void)uv_idle_stop(&a->reader);
    }
}

void admin_start_reader(struct admin *a) {
    int started = uv_idle_start(&a->reader, on_reader);
    assert(started == 0);
}

/* ---- the request ---- */

static int begin(struct admin *a, struct reading *r, const struct parts *parts,
                 struct report *report_out) {
    if (!admin_limit(r->request, r->kind->limit, &r->limit, report_out)) {
        return 400;
    }
    char *name = parts->count > 2 ? slice_dup(parts->at[2]) : NULL;
    int status = parts->count > 2 && name == NULL ? 503 : r->kind->begin(a, r, name, report_out);
    free(name);
    return status;
}

/* True if all hosts have a part of the answer: the request was taken over. */
static bool gathers(struct admin *a, const struct reading_kind *kind, const struct call *call) {
    const struct gather_kind list = {kind->order, kind->limit, kind->mark != NULL};
    struct slice service;
    struct slice key;
    return kind->order != NULL && !admin_names_key(call, &service, &key) &&
           admin_gather(a, &list, call);
}

void admin_read_as(struct admin *a, const struct reading_kind *kind, const struct call *call) {
    struct gateway_request *request = call->request;
    struct report why = {"too many requests at once: try again"};
    if (gathers(a, kind, call)) {
        return;
    }
    struct reading *r = a->reading_count < READINGS_MAX ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        gateway_answer_error(request, 503, NULL, why.text);
        return;
    }
    r->request = request;
    r->kind = kind;
    r->journal = engine_journal(a->engine);
    r->now_ms = admin_now_ms(a);
    r->begun_us = clock_monotonic_us();
    r->is_part = kind->order != NULL && admin_is_part(request);
    r->placed = r->is_part && kind->mark != NULL;
    r->bytes_max = READING_BYTES_MAX / (r->placed ? a->options.conf->hosts.share.count : 1u);
    buf_init(&r->out, (size_t)256 << 20); /* one item beyond READING_BYTES_MAX */
    int status = begin(a, r, &call->parts, &why);
    if (status != 0) {
        gateway_answer_error(request, status, NULL, why.text);
        reading_free(r);
        return;
    }
    TAILQ_INSERT_TAIL(&a->readings, r, link);
    a->reading_count++;
    admin_start_reader(a);
}
