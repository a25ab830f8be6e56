/*
 * several.c - see cli/several.h.
 */
#include "cli/several.h"

#include "cli/ask.h"
#include "cli/options.h"
#include "cli/remote.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "base/limits.h"
#include "store/folder.h"

#include <stdio.h>
#include <stdlib.h>

/* A folder of several hosts. */
struct folder {
    const char *path;
    unsigned hosts;
    struct merge_part parts[PARTITIONS]; /* what each lists */
};

/* ---- no host runs ---- */

/* Has the command list what one host has, as JSON. */
static int read_one(struct cli *cli, struct folder *folder, unsigned number) {
    struct merge_part *part = &folder->parts[number - 1];
    int status = cli_turn_to(cli, folder->path, number);
    cli->gathered = json_array();
    *part = (struct merge_part){.host = (uint16_t)number, .rows = cli->gathered};
    if (status == 0 && cli->gathered == NULL) {
        status = cli_fail(ERR_MEMORY, "out of memory");
    }
    return status == 0 ? cli->command->run(cli) : status;
}

static int print_merged(struct cli *cli, struct folder *folder, uint64_t limit) {
    json_t *rows = merge_parts(folder->parts, folder->hosts, cli_list_order(cli->command), limit);
    bool cut = cli->gathered_cut;
    for (unsigned i = 0; i < folder->hosts; i++) {
        cut = cut || folder->parts[i].taken < json_array_size(folder->parts[i].rows);
    }
    if (rows == NULL) {
        return cli_fail(ERR_MEMORY, "out of memory");
    }
    int status = cli_print_rows(cli, rows);
    if (cut && !cli->json) {
        (void)printf("and more: --limit N shows more\n");
    }
    return status;
}

static int read_all(struct cli *cli, struct folder *folder) {
    bool json = cli->json;
    uint64_t limit = 0;
    int status = 0;
    cli->json = true;
    for (unsigned i = 1; i <= folder->hosts && status == 0; i++) {
        status = read_one(cli, folder, i);
    }
    cli->json = json;
    cli->gathered = NULL;
    status = status == 0 ? cli_list_limit(cli, &limit) : status;
    status = status == 0 ? print_merged(cli, folder, limit) : status;
    for (unsigned i = 0; i < folder->hosts; i++) {
        json_decref((json_t *)(uintptr_t)folder->parts[i].rows);
    }
    return status;
}

/* ---- a list ---- */

/* True if a host runs on one of the folders; then it has answered for all. */
static bool ask_any(struct cli *cli, const struct folder *folder, int *status) {
    for (unsigned i = 1; i <= folder->hosts; i++) {
        *status = cli_turn_to(cli, folder->path, i);
        if (*status != 0 || cli_print_all(cli, status)) {
            return true;
        }
    }
    return false;
}

bool cli_lists_all(struct cli *cli, int *status) {
    struct folder folder = {.hosts = 0};
    if (cli_list_order(cli->command) == NULL || cli_flag(cli, "follow")) {
        return false;
    }
    *status = cli_find_hosts(cli, &folder.hosts);
    if (*status != 0) {
        return true;
    }
    if (store_folder_is_cluster(cli->data)) {
        *status = cli_find_data(cli); /* a shard that runs */
        return *status != 0 || cli_print_all(cli, status);
    }
    if (folder.hosts == 0) {
        return cli_is_divided(cli) && cli_print_all(cli, status);
    }
    char *path = slice_dup(slice_of(cli->data));
    folder.path = path;
    if (path == NULL) {
        *status = cli_fail(ERR_MEMORY, "out of memory");
        return true;
    }
    if (!ask_any(cli, &folder, status)) {
        *status = read_all(cli, &folder);
    }
    free(path);
    return true;
}

/* ---- one after the other ---- */

/* Of an answer that names the hosts. */
static unsigned count_of(const json_t *answer) {
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(answer, "hosts"), i, one) {
        json_int_t count = json_integer_value(json_object_get(one, "count"));
        if (json_is_true(json_object_get(one, "self")) && count >= 1 && count <= PARTITIONS) {
            return (unsigned)count;
        }
    }
    return 1;
}

int cli_count_hosts(struct cli *cli, unsigned *count) {
    json_t *answer = NULL;
    *count = 1;
    if (cli_flag(cli, "host")) {
        return 0;
    }
    int status = cli_ask(cli, "GET", "/api/hosts", slice_of(""), &answer);
    *count = count_of(answer);
    json_decref(answer);
    return status;
}

/* ---- their sums ---- */

static int add_up(json_t *sums, const json_t *row) {
    static const char *const figures[] = {"waiting",   "inflight",      "retrying",
                                          "sleeping",  "dead",          "done",
                                          "rate_1min", "failures_1min", "outbox"};
    int code = 0;
    for (size_t i = 0; i < sizeof figures / sizeof *figures && code == 0; i++) {
        json_int_t sum = merge_add(json_integer_value(json_object_get(sums, figures[i])),
                                   json_integer_value(json_object_get(row, figures[i])));
        code = json_object_set_new(sums, figures[i], json_integer(sum));
    }
    return code;
}

json_t *cli_ask_division(struct cli *cli, const json_t *status) {
    struct cli_page page;
    struct report r = {""};
    size_t i;
    const json_t *row;
    if (cli_flag(cli, "host") || count_of(status) == 1 ||
        cli_ask_page(cli, "GET", "/api/division", slice_of(""), &page, &r) != 0) {
        return NULL;
    }
    json_t *division = NULL;
    if (page.status == 200 && json_is_array(page.answer)) {
        json_t *missing = page.missing == NULL ? json_array() : json_incref(page.missing);
        division = json_pack("{s:O, s:o}", "hosts", page.answer, "missing", missing);
    }
    json_array_foreach(json_object_get(division, "hosts"), i, row) {
        if (add_up(division, row) != 0) {
            json_decref(division);
            division = NULL;
        }
    }
    cli_page_clear(&page);
    return division;
}

json_t *cli_ask_any_division(struct cli *cli, const char *folder) {
    json_t *division = NULL;
    for (unsigned i = 1; i <= PARTITIONS && division == NULL; i++) {
        json_t *answer = NULL;
        struct report r = {""};
        int turned = 0;
        long status = 0;
        if (!cli_turn_to_shard(cli, folder, i, &turned) || turned != 0) {
            continue;
        }
        (void)cli_ask_quietly(cli, "GET", "/api/hosts", slice_of(""), &status, &answer, &r);
        division = cli_ask_division(cli, answer);
        json_decref(answer);
    }
    return division;
}
