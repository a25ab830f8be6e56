/*
 * ids.c - ids that people give: whole, or their last digits as tables print them.
 *
 * The running host knows what other hosts have; without one it is the store that counts.
 */
#include "cli/store.h"

#include "cli/ask.h"
#include "base/limits.h"
#include "cli/tell.h"

#include <stdio.h>

/* ERR_NOTFOUND: no host runs. */
static int ask_host(struct cli *cli, const char *tail, enum id_of of, struct id_list *found,
                    int *status) {
    char path[128];
    json_t *answer = NULL;
    long http = 0;
    size_t i;
    const json_t *item;
    struct report r = {""};
    (void)snprintf(path, sizeof path, "/api/ids/%s?of=%s", tail, id_of_name(of));
    int code = cli_ask_quietly(cli, "GET", path, slice_of(""), &http, &answer, &r);
    if (code != 0) {
        *status = code == ERR_NOTFOUND ? 0 : cli_not_asked(cli, code, &r);
        return code;
    }
    *status = cli_judge(http, answer);
    json_array_foreach(answer, i, item) {
        struct uuid id;
        if (uuid_parse(slice_of(json_string_value(item)), &id)) {
            (void)id_list_add(found, &id);
        }
    }
    json_decref(answer);
    return 0;
}

static int search_store(struct cli *cli, const char *tail, enum id_of of, struct id_list *found) {
    struct id_search search;
    int status = cli_open_store(cli);
    if (status != 0) {
        return status;
    }
    (void)id_search_init(&search, of, slice_of(tail));
    int code = cli_begin(cli);
    while (code == 0 && (code = id_search_step(&search, cli->journal)) == 0) {
        code = cli_breathe(cli);
    }
    cli_end(cli);
    *found = search.found;
    if (code == ERR_LIMIT) {
        return cli_fail(code, "there are more than %d ids: give the whole one", ID_ROWS_MAX);
    }
    return code == ERR_NOTFOUND ? 0 : cli_read_failed(code);
}

static int refuse_several(const struct id_list *found, const char *tail) {
    struct buf text;
    buf_init(&text, 1024);
    id_list_tell(found, tail, &text);
    int status = cli_fail(ERR_EXISTS, "%s", buf_str(&text));
    buf_clear(&text);
    return status;
}

int cli_find_id(struct cli *cli, const char *text, enum id_of of, struct uuid *id) {
    struct id_list found = {.count = 0};
    if (uuid_parse(slice_of(text), id)) {
        return 0;
    }
    if (!uuid_is_tail(slice_of(text))) {
        return cli_misused(cli,
                           "\"%s\" is not an event id: an id looks like "
                           "0192f0c1-2345-7abc-8def-0123456789ab, and its last %d digits or more "
                           "will do",
                           text, UUID_TAIL_MIN);
    }
    int status = cli_find_data(cli);
    if (status == 0 && ask_host(cli, text, of, &found, &status) == ERR_NOTFOUND) {
        status = search_store(cli, text, of, &found);
    }
    if (status == 0 && found.count > 1) {
        return refuse_several(&found, text);
    }
    if (status == 0 && found.count == 0) {
        return cli_fail(ERR_NOTFOUND, "no %s has an id that ends in \"%s\"", id_of_what(of), text);
    }
    *id = found.ids[0];
    return status;
}
