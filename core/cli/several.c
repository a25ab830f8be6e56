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

#include <stdio.h>
#include <stdlib.h>

/* A folder of several hosts. */
struct folder {
    const char *path;
    unsigned hosts;
    struct merge_part parts[PARTITIONS]; /* what each lists */
};

/* Of one of them. */
static int turn_to(struct cli *cli, const struct folder *folder, unsigned number) {
    cli_close_store(cli);
    free(cli->data);
    cli->data = slice_dup(slice_of(folder->path));
    return cli->data == NULL ? cli_fail(ERR_MEMORY, "out of memory") : cli_turn_to(cli, number);
}

/* ---- no host runs ---- */

/* Has the command list what one host has, as JSON. */
static int read_one(struct cli *cli, struct folder *folder, unsigned number) {
    struct merge_part *part = &folder->parts[number - 1];
    int status = turn_to(cli, folder, number);
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
        *status = turn_to(cli, folder, i);
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
    if (folder.hosts == 0) {
        return cli_is_divided(cli) && cli_print_all(cli, status);
    }
    char *path = cli->data;
    cli->data = NULL;
    folder.path = path;
    if (!ask_any(cli, &folder, status)) {
        *status = read_all(cli, &folder);
    }
    free(path);
    return true;
}

/* ---- one after the other ---- */

int cli_count_hosts(struct cli *cli, unsigned *count) {
    json_t *answer = NULL;
    size_t i;
    const json_t *one;
    *count = 1;
    if (cli_flag(cli, "host")) {
        return 0;
    }
    int status = cli_ask(cli, "GET", "/api/hosts", slice_of(""), &answer);
    json_array_foreach(json_object_get(answer, "hosts"), i, one) {
        json_int_t of = json_integer_value(json_object_get(one, "count"));
        if (json_is_true(json_object_get(one, "self")) && of >= 1 && of <= PARTITIONS) {
            *count = (unsigned)of;
        }
    }
    json_decref(answer);
    return status;
}
