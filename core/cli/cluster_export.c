/*
 * cluster_export.c - cluster export: a data folder of each shard, out of the logs in the database.
 *
 * The logs are only read, each as of one turn: hosts may run meanwhile.
 */
#include "cli/cluster.h"

#include "backup/backup.h"
#include "cli/json.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "cli/unlog.h"
#include "store/folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    CONNECT_MS = 10000,
    TRIES = 5 /* a host that runs deletes turns, after a snapshot of them */
};

struct shard_export {
    struct unlog from;
    uint64_t bytes; /* of the last shard */
};

/* A backup_maker. */
static int make_folder(void *ctx, const char *building, const struct backup_owner *owner,
                       struct report *r) {
    struct shard_export *e = ctx;
    (void)owner; /* there is nothing beside the store */
    return unlog_store(&e->from, building, &e->bytes, r);
}

static int export_once(const struct cli *cli, const char *name, const char *to, uint64_t *bytes,
                       struct report *r) {
    static const uint8_t any[LOG_ID_BYTES];
    const struct turns_options options = {
        .url = cli->conf->store_url, .name = name, .owner = "", .reads = true};
    struct shard_export e = {.from = {NULL, name, cli->conf->store_max_bytes}};
    int code = turns_new(&e.from.turns, &options, r);
    code = code == 0 ? turns_join(e.from.turns, any, CONNECT_MS, r) : code;
    code = code == 0 ? backup_make(to, make_folder, &e, r) : code;
    turns_free(e.from.turns);
    *bytes = e.bytes;
    return code;
}

/* ERR_NOTFOUND: it has nothing yet. */
static int export_shard(const struct cli *cli, unsigned shard, const char *dir, uint64_t *bytes,
                        struct report *r) {
    char name[CONF_LOG_NAME_BYTES];
    char to[STORE_PATH_BYTES];
    int code = ERR_LOST;
    int len = snprintf(to, sizeof to, "%s/%u", dir, shard);
    (void)snprintf(name, sizeof name, "%s-%u", cli->conf->cluster.name, shard);
    if (len < 0 || (size_t)len >= sizeof to) {
        return report(r, ERR_INVALID, "the path %s is too long", dir);
    }
    for (int i = 0; code == ERR_LOST && i < TRIES; i++) {
        code = export_once(cli, name, to, bytes, r);
    }
    return code;
}

static int tell(const struct cli *cli, unsigned shard, uint64_t bytes, bool empty) {
    struct buf line;
    if (cli->json) {
        return cli_print_json(
            json_pack("{s:i, s:I}", "shard", (int)shard, "bytes", (json_int_t)bytes));
    }
    buf_init(&line, 128);
    buf_printf(&line, "shard %u: ", shard);
    if (empty) {
        buf_add_str(&line, "has nothing yet");
    } else {
        text_add_bytes(&line, bytes);
    }
    (void)printf("%s\n", buf_str(&line));
    buf_clear(&line);
    return 0;
}

static int export_all(const struct cli *cli, unsigned shards, const char *dir) {
    struct report r = {""};
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return cli_fail(ERR_DISK, "cannot make %s: %s", dir, strerror(errno));
    }
    for (unsigned shard = 1; shard <= shards; shard++) {
        uint64_t bytes = 0;
        int code = export_shard(cli, shard, dir, &bytes, &r);
        if (code != 0 && code != ERR_NOTFOUND) {
            return cli_fail(code, "shard %u: %s", shard, r.text);
        }
        int status = tell(cli, shard, bytes, code == ERR_NOTFOUND);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

int cli_cluster_export(struct cli *cli) {
    struct cluster *cluster = NULL;
    struct cluster_facts facts;
    struct report r = {""};
    int status = cli_open_cluster(cli, &cluster);
    if (status != 0) {
        return status;
    }
    int code = cluster_facts(cluster, &facts, &r);
    cluster_free(cluster);
    return code != 0 ? cli_fail(code, "%s", r.text) : export_all(cli, facts.shards, cli->words[0]);
}
