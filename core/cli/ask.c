/*
 * ask.c - requests from a command to the running host, over DATA/zingq.sock.
 */
#include "cli/ask.h"

#include "base/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "store/folder.h"

#include <assert.h>
#include <string.h>

int cli_ask_page(struct cli *cli, const char *method, const char *path, struct slice body,
                 struct cli_page *out, struct report *r) {
    assert(cli->data != NULL);
    char listen[STORE_PATH_BYTES];
    struct buf target;
    struct gateway_answered got;
    const char *host = cli_option(cli, "host");
    *out = (struct cli_page){.answer = NULL};
    int code = store_folder_door(cli->data, listen, r);
    if (code != 0) {
        return code;
    }
    buf_init(&target, strlen(path) + 64);
    buf_add_str(&target, path);
    if (host != NULL) {
        buf_printf(&target, "%chost=%s", strchr(path, '?') == NULL ? '?' : '&', host);
    }
    const struct gateway_asked asked = {.listen = listen,
                                        .method = method,
                                        .path = buf_str(&target),
                                        .once = cli_option(cli, "idempotency-key"),
                                        .body = body,
                                        .timeout_ms = CLI_ASK_MS};
    code = gateway_ask_full(&asked, &got, r);
    buf_clear(&target);
    if (code == 0) {
        out->status = got.status;
        out->answer = json_read(buf_slice(&got.body), "answer", NULL);
        memcpy(out->next, got.next, sizeof out->next);
        out->missing = json_read(slice_of(got.missing), "Zingq-Missing", NULL);
    }
    buf_clear(&got.body);
    return code;
}

void cli_page_clear(struct cli_page *page) {
    json_decref(page->answer);
    json_decref(page->missing);
    *page = (struct cli_page){.answer = NULL};
}

int cli_ask_quietly(struct cli *cli, const char *method, const char *path, struct slice body,
                    long *status, json_t **answer, struct report *r) {
    struct cli_page page;
    int code = cli_ask_page(cli, method, path, body, &page, r);
    *status = code == 0 ? page.status : *status;
    *answer = json_incref(page.answer);
    cli_page_clear(&page);
    return code;
}

/* The host's error message, or a general one if there is none. */
static const char *sentence_in(const json_t *answer) {
    const char *text = json_string_value(json_object_get(answer, "error"));
    return text == NULL ? "the host refused without giving a reason" : text;
}

int cli_judge(long status, const json_t *answer) {
    if (status >= 200 && status < 300) {
        return 0;
    }
    int code = status == 404   ? ERR_NOTFOUND
               : status == 409 ? ERR_EXISTS
               : status < 500  ? ERR_INVALID
                               : ERR_BUSY;
    return cli_fail(code, "%s", sentence_in(answer));
}

int cli_not_asked(const struct cli *cli, int code, const struct report *r) {
    if (code == ERR_NOTFOUND) {
        (void)cli_fail(code, "no host is running on %s: start one with \"zingq run\"", cli->data);
    } else {
        (void)cli_fail(code, "%s", r->text);
    }
    return EXIT_CANNOT_RUN;
}

int cli_ask(struct cli *cli, const char *method, const char *path, struct slice body,
            json_t **answer) {
    long status = 0;
    json_t *got = NULL;
    struct report r = {""};
    int result = cli_find_data(cli);
    if (result != 0) {
        return result;
    }
    int code = cli_ask_quietly(cli, method, path, body, &status, &got, &r);
    result = code != 0 ? cli_not_asked(cli, code, &r) : cli_judge(status, got);
    if (answer != NULL && result == 0) {
        *answer = got;
    } else {
        json_decref(got);
    }
    return result;
}
