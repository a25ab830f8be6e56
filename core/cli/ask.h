/*
 * ask.h - requests from a command to the running host, over DATA/zingq.sock.
 */
#ifndef ZINGQ_CLI_ASK_H
#define ZINGQ_CLI_ASK_H

#include "base/error.h"
#include "base/json.h"
#include "base/url.h"
#include "cli/impl.h"
#include "io/httpd/gateway.h"

enum { CLI_ASK_MS = 30000 /* the running host answers after its next commit */ };

/* Sends one request; a refusal by the host is printed. *answer is the JSON it sent, or NULL if it
 * sent none; `answer` may be NULL. 0, or an exit status. */
int cli_ask(struct cli *cli, const char *method, const char *path, struct slice body,
            json_t **answer);
/* Prints why there was no answer; returns EXIT_CANNOT_RUN. */
int cli_not_asked(const struct cli *cli, int code, const struct report *r);
/* Prints a refusal by the host. 0 for a 2xx status, else the matching exit status. */
int cli_judge(long status, const json_t *answer);
/* An answer; of a list that goes on, with what its next page is asked for as `before`. */
struct cli_page {
    long status; /* HTTP */
    json_t *answer;
    char next[GATEWAY_NEXT_BYTES]; /* "" = that was all */
    json_t *missing;               /* the hosts that it lacks, [{"host", "why"}]; or NULL */
    bool endless;                  /* of several pages: there are more than are asked for */
};
/* Like cli_ask_quietly, for a list that may have more. */
int cli_ask_page(struct cli *cli, const char *method, const char *path, struct slice body,
                 struct cli_page *out, struct report *r);
/* Frees what the page has. */
void cli_page_clear(struct cli_page *page);
/* Like cli_ask, but prints nothing: ERR_NOTFOUND when no host runs. *status is the HTTP status. */
int cli_ask_quietly(struct cli *cli, const char *method, const char *path, struct slice body,
                    long *status, json_t **answer, struct report *r);

#endif
