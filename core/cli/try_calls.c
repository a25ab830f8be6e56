/*
 * try_calls.c - try past its calls: with the answers of a file, or by really making them.
 *
 * No transaction is open while a call is made or something is printed, as on a host: a peer, or a pager, may
 * take its time. What follows a call sees the commit that is the last one then.
 */
#include "cli/try.h"

#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "base/clock.h"
#include "base/limits.h"

#include <inttypes.h>
#include <stdio.h>

enum { SHOWN_BYTES_MAX = 2048 }; /* of an answer's body */

int try_open_calls(const struct cli *cli, struct try_calls *calls, int64_t timeout_ms) {
    bool live = cli_flag(cli, "live");
    struct report r = {""};
    *calls = (struct try_calls){.timeout_ms = timeout_ms};
    if (live && cli_option(cli, "answers") != NULL) {
        return cli_misused(cli, "give either --answers or --live");
    }
    int code = live ? try_live_new(&calls->live, cli->conf, timeout_ms, &r) : 0;
    if (code != 0) {
        return cli_fail(code, "%s", r.text);
    }
    calls->made = json_array();
    return calls->made == NULL ? cli_fail(ERR_MEMORY, "out of memory")
                               : try_read_answers(cli, &calls->answers);
}

void try_close_calls(struct try_calls *calls) {
    json_decref(calls->answers);
    json_decref(calls->made);
    try_live_free(calls->live);
}

/* ---- what is told of a call ---- */

static uint64_t row_count(const struct call_result *result) {
    struct reader head = reader_of(result->headers.data, result->headers.len);
    return read_u64(&head);
}

static json_t *answer_json(enum call_kind kind, const struct call_result *result) {
    char text[CALL_STATUS_BYTES];
    if (result->code != 0) {
        return json_pack("{s:s, s:b}", "failed", call_result_why(result), "sent",
                         (int)result->sent);
    }
    if (kind != CALL_KIND_SQL) {
        return json_pack("{s:I}", "status", (json_int_t)result->status);
    }
    return result->status == 0
               ? json_pack("{s:I}", "count", (json_int_t)row_count(result))
               : json_pack("{s:s, s:s}", "sqlstate", call_status_text(result->status, text),
                           "message", result->error);
}

static void add_answer(struct buf *out, enum call_kind kind, const struct call_result *result) {
    char text[CALL_STATUS_BYTES];
    if (result->code != 0) {
        text_add_safe(out, slice_of(call_result_why(result)));
    } else if (kind == CALL_KIND_SQL && result->status == 0) {
        uint64_t rows = row_count(result);
        buf_printf(out, "%" PRIu64 " row%s", rows, rows == 1 ? "" : "s");
    } else {
        buf_add_str(out, call_status_text(result->status, text));
        buf_add_str(out, result->error[0] == '\0' ? "" : " ");
        text_add_safe(out, slice_of(result->error));
    }
}

static void print_answer(const struct try_calls *calls, enum call_kind kind,
                         const struct call_result *result) {
    struct buf text;
    buf_init(&text, (size_t)8 << 20);
    buf_add_str(&text, "answered: ");
    add_answer(&text, kind, result);
    buf_add_str(&text, "\n");
    if (calls->live != NULL && kind == CALL_KIND_HTTP && result->body.len > 0) {
        struct slice body = buf_slice(&result->body);
        bool cut = body.len > SHOWN_BYTES_MAX;
        body.len = cut ? SHOWN_BYTES_MAX : body.len;
        text_add_lines(&text, body, "  ");
        buf_add_str(&text, cut ? "  ...\n" : "");
    }
    (void)fputs(buf_str(&text), stdout);
    buf_clear(&text);
}

/* Before it is made. */
static void announce(const struct cli *cli, struct try_calls *calls, const struct run *run) {
    if (calls->live != NULL && calls->count == 0) {
        (void)fprintf(stderr,
                      "zingq: --live: the HTTP, mail and SQL calls of this handler are really "
                      "made\n");
    }
    calls->count++;
    if (!cli->json) {
        try_tell_call(run, calls->live != NULL);
        (void)fflush(stdout);
    }
}

static void tell_answer(const struct cli *cli, struct try_calls *calls, json_t *call,
                        enum call_kind kind, const struct call_result *result) {
    if (!cli->json) {
        print_answer(calls, kind, result);
    }
    bool added =
        call != NULL && json_object_set_new(call, "answer", answer_json(kind, result)) == 0;
    (void)(added && json_array_append(calls->made, call) == 0); /* it is only told */
    json_decref(call);
}

/* ---- making it ---- */

static bool is_answered(const struct try_calls *calls, const struct run *run) {
    return run->outcome == OUTCOME_CALL &&
           (calls->live != NULL ? run->request->kind != CALL_KIND_ASK
                                : calls->count < json_array_size(calls->answers));
}

/* ERR_TIMEOUT: the attempt has used up its time. */
static int make_call(const struct cli *cli, struct try_calls *calls, const struct run *run,
                     struct call_result *result) {
    enum call_kind kind = run->request->kind;
    json_t *call = try_call_json(run->request);
    int code = 0;
    announce(cli, calls, run);
    if (calls->live != NULL) {
        code = try_live_call(calls->live, calls->count, run->request, result);
    } else {
        try_take_answer(json_array_get(calls->answers, calls->count - 1), kind, result);
    }
    if (code == ERR_TIMEOUT) {
        *result = (struct call_result){.code = ERR_TIMEOUT, .sent = true};
    }
    tell_answer(cli, calls, call, kind, result);
    return code;
}

static void leave_session(struct try_calls *calls, const struct run *run, uint64_t session) {
    if (calls->live != NULL && session != 0 && run->session != session) {
        try_live_end_session(calls->live, session);
    }
}

static void go_on(struct try_calls *calls, struct run *run, const struct call_result *result) {
    run_note_session(run, calls->count, result);
    uint64_t session = run->session;
    run_resume(run, result);
    try_go_on(run);
    leave_session(calls, run, session);
}

int try_go_past(struct cli *cli, struct try_view *view, struct run *run, struct try_calls *calls) {
    int64_t begin_ms = clock_monotonic_ms();
    int code = 0;
    while (code == 0 && is_answered(calls, run)) {
        struct call_result result;
        if (cli->journal != NULL) {
            cli_end(cli);
        }
        int made = make_call(cli, calls, run, &result);
        code = cli->journal == NULL ? 0 : cli_begin(cli);
        view->now_ms = cli->now_ms + (clock_monotonic_ms() - begin_ms);
        if (code == 0 && made == 0) {
            go_on(calls, run, &result);
        } else {
            run_time_out(run, calls->timeout_ms);
        }
        call_result_clear(&result);
    }
    return code == 0 ? 0 : cli_read_failed(code);
}
