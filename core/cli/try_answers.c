/*
 * try_answers.c - try --answers: what peers answer in a dry run, so that it goes on past a call.
 *
 * The file is a JSON array, an answer for each call in its turn:
 *
 *   [{"status": 503}, {"status": 200, "headers": {"x-id": "7"}, "json": {"id": "ch_1"}},
 *    {"rows": [{"id": 1}], "count": 1}, {"sqlstate": "23505", "message": "duplicate key"},
 *    {"failed": "timeout"}, {"failed": "connection lost"}, {"failed": "unreachable"}]
 */
#include "cli/try.h"

#include "cli/options.h"
#include "cli/tell.h"
#include "base/limits.h"
#include "io/pg/pg.h"

#include <stdio.h>
#include <string.h>

enum { HTTP_OK = 200, MAIL_OK = 250, HEADERS_BYTES_MAX = 1 << 20 };

static const struct {
    const char *name;
    int code;
    bool sent;
} failures[] = {{"timeout", ERR_TIMEOUT, true},
                {"connection lost", ERR_NETWORK, true},
                {"unreachable", ERR_NETWORK, false}};

enum { FAILURES = sizeof failures / sizeof *failures };

/* The index of the way it failed; FAILURES = it is none. */
static size_t failure_of(const json_t *answer) {
    const char *name = json_string_value(json_object_get(answer, "failed"));
    size_t i = 0;
    while (i < FAILURES && (name == NULL || strcmp(name, failures[i].name) != 0)) {
        i++;
    }
    return i;
}

/* ---- reading them ---- */

static const char *flaw_of(const json_t *answer) {
    const json_t *status = json_object_get(answer, "status");
    if (!json_is_object(answer)) {
        return "is not an object";
    }
    if (json_object_get(answer, "failed") != NULL) {
        return failure_of(answer) < FAILURES
                   ? NULL
                   : "has another \"failed\" than timeout, connection lost or unreachable";
    }
    if (status != NULL && !json_is_integer(status)) {
        return "has a status that is not a whole number";
    }
    const json_t *body = json_object_get(answer, "body");
    return body != NULL && !json_is_string(body) ? "has a body that is not a text: use \"json\""
                                                 : NULL;
}

int try_read_answers(const struct cli *cli, json_t **out) {
    const char *path = cli_option(cli, "answers");
    struct buf text;
    struct report r = {""};
    size_t i;
    json_t *answer;
    *out = NULL;
    if (path == NULL) {
        return 0;
    }
    int status = cli_read_file(path, CALL_BYTES_MAX, &text);
    if (status == 0) {
        *out = json_read(buf_slice(&text), "the answers", &r);
        if (!json_is_array(*out)) {
            status = cli_fail(ERR_INVALID, "%s: %s", path,
                              *out == NULL ? r.text : "it must be an array of answers");
        }
    }
    buf_clear(&text);
    json_array_foreach(*out, i, answer) {
        const char *flaw = status == 0 ? flaw_of(answer) : NULL;
        if (flaw != NULL) {
            status = cli_fail(ERR_INVALID, "%s: answer %zu %s", path, i + 1, flaw);
        }
    }
    return status;
}

/* ---- giving them ---- */

static void add_headers(struct buf *out, const json_t *headers) {
    const char *name;
    const json_t *value;
    json_object_foreach(headers, name, value) {
        const char *text = json_string_value(value);
        buf_printf(out, "%s: %s\n", name, text == NULL ? "" : text);
    }
}

static void take_status(const json_t *answer, bool mail, struct call_result *result) {
    const json_t *status = json_object_get(answer, "status");
    const json_t *json = json_object_get(answer, "json");
    const char *body = json_string_value(json_object_get(answer, "body"));
    result->status = status == NULL ? mail ? MAIL_OK : HTTP_OK : (long)json_integer_value(status);
    add_headers(&result->headers, json_object_get(answer, "headers"));
    buf_add_str(&result->body, body == NULL ? "" : body);
    if (json != NULL) {
        json_write(json, &result->body, 0);
    }
    if (mail && body != NULL) {
        (void)snprintf(result->error, sizeof result->error, "%s", body);
    }
}

/* One that no database gives is an answer that did not come. */
static void take_rows(const json_t *answer, struct call_result *result) {
    struct report r = {""};
    result->code = pg_written_answer(result, answer, &r);
    if (result->code != 0) {
        result->sent = false;
        (void)snprintf(result->error, sizeof result->error, "%.*s", (int)sizeof result->error - 1,
                       r.text);
    }
}

void try_take_answer(const json_t *answer, enum call_kind kind, struct call_result *result) {
    size_t failure = failure_of(answer);
    *result = (struct call_result){.sent = true};
    if (failure < FAILURES) {
        result->code = failures[failure].code;
        result->sent = failures[failure].sent;
        (void)snprintf(result->error, sizeof result->error, "%s", failures[failure].name);
    } else if (kind == CALL_KIND_SQL) {
        take_rows(answer, result);
    } else {
        buf_init(&result->headers, HEADERS_BYTES_MAX);
        buf_init(&result->body, CALL_BYTES_MAX);
        take_status(answer, kind == CALL_KIND_MAIL, result);
    }
}
