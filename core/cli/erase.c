/*
 * erase.c - zingq erase: everything that the host has of a key goes.
 *
 * Nothing brings it back, so it asks, or wants --yes.
 */
#include "cli/impl.h"

#include "cli/ask.h"
#include "cli/confirm.h"
#include "cli/job.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"

#include <inttypes.h>
#include <stdio.h>

enum { PATH_BYTES_MAX = 4096 };

static int tell_end(const struct cli *cli, json_t *job) {
    int status = job_judge(job);
    bool incomplete = job_count(job, "refused") > 0 || json_is_true(json_object_get(job, "cut"));
    if (status == 0 && incomplete) {
        status = cli_fail(ERR_NOTFOUND, "not everything was erased, run the command again: %s",
                          job_text(job, "error"));
    }
    if (cli->json) {
        int printed = cli_print_json(job);
        return status != 0 ? status : printed;
    }
    if (status == 0) {
        (void)printf("erased %" JSON_INTEGER_FORMAT " events, %" JSON_INTEGER_FORMAT
                     " values, locks and signals\n",
                     job_count(job, "erased"), job_count(job, "rows"));
    }
    json_decref(job);
    return status;
}

int cli_erase(struct cli *cli) {
    struct slice key;
    struct buf path;
    json_t *job = NULL;
    int status = cli_parse_key(cli, cli->words[1], &key);
    status = status == 0
                 ? cli_confirm(cli, "nothing was erased",
                               "Erase the events, letters, state, locks and signals of this "
                               "key for good?")
                 : status;
    if (status != 0) {
        return status;
    }
    buf_init(&path, PATH_BYTES_MAX);
    buf_add_str(&path, "/api/keys/");
    url_add_part(&path, slice_of(cli->words[0]));
    buf_add_str(&path, "/erase?key=");
    url_add_part(&path, key);
    status = path.failed ? cli_misused(cli, "the service name is too long")
                         : job_run(cli, buf_str(&path), "erased", &job);
    buf_clear(&path);
    if (status != 0) {
        json_decref(job);
        return status;
    }
    return tell_end(cli, job);
}
