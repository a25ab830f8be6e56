/*
 * letters.c - dead letters in the store, selected by --service, --group or an id.
 */
#include "cli/letters.h"

#include "cli/options.h"
#include "cli/remote.h"
#include "cli/store.h"
#include "cli/tell.h"

int letters_check_group(const struct cli *cli) {
    const char *group = cli_option(cli, "group");
    if (group == NULL || dead_group_is_valid(group)) {
        return 0;
    }
    return cli_misused(cli, "--group must be 4 to 16 hex digits, as shown by `zingq dlq groups`");
}

int letters_parse_filter(struct cli *cli, struct dead_filter *filter) {
    const char *service = cli_option(cli, "service");
    *filter =
        (struct dead_filter){.by_service = service != NULL, .group = cli_option(cli, "group")};
    int status = letters_check_group(cli);
    return status != 0 || service == NULL ? status : cli_service(cli, service, &filter->service);
}

int letters_next(struct cli *cli, const struct dead_filter *filter, struct dead_row *row) {
    bool matches = false;
    int code = 0;
    while (code == 0 && !matches) {
        code = cli_breathe(cli);
        code = code == 0 ? dead_next(cli->journal, filter, row, &matches) : code;
    }
    return code;
}

int letters_find(struct cli *cli, const char *id_text, struct event **out) {
    struct dead_filter filter;
    struct uuid id;
    int status = cli_find_id(cli, id_text, ID_OF_LETTER, &id);
    status = status == 0 ? cli_open_store(cli) : status;
    if (status == 0) {
        status = letters_parse_filter(cli, &filter);
    }
    if (status != 0) {
        return status;
    }
    int code = cli_begin(cli);
    code = code == 0 ? dead_find(cli->journal, &filter, &id, out) : code;
    cli_end(cli);
    if (code == ERR_NOTFOUND && cli_is_elsewhere(cli, &status)) {
        return status;
    }
    if (code == ERR_NOTFOUND) {
        const char *service = cli_option(cli, "service");
        return cli_fail(ERR_NOTFOUND, "no dead letter %s%s%s", id_text,
                        service == NULL ? "" : " in service ", service == NULL ? "" : service);
    }
    return code != 0 ? cli_read_failed(code) : 0;
}
