/*
 * cluster_open.c - the cluster that topics.conf names, for all commands `zingq cluster`.
 */
#include "cli/cluster.h"

#include "cli/store.h"
#include "cli/tell.h"

enum { PATIENCE_MS = 10000 };

int cli_open_cluster(struct cli *cli, struct cluster **out) {
    struct report r = {""};
    int status = cli_load_conf(cli);
    if (status != 0) {
        return status;
    }
    if (cli->conf->cluster.name[0] == '\0') {
        return cli_fail(ERR_INVALID, "%s names no cluster: cluster { name = \"prod\" }",
                        cli->conf->file);
    }
    const struct cluster_options options = {.url = cli->conf->store_url,
                                            .cluster = cli->conf->cluster.name,
                                            .host = "",
                                            .process = "",
                                            .patience_ms = PATIENCE_MS};
    int code = cluster_new(out, &options, &r);
    return code == 0 ? 0 : cli_fail(code, "store.url: %s", r.text);
}
