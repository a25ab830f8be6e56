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

#include <dirent.h>
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

static int tell(const struct cli *cli, unsigned shard, uint64_t bytes) {
    struct buf line;
    if (cli->json) {
        return cli_print_json(
            json_pack("{s:i, s:I}", "shard", (int)shard, "bytes", (json_int_t)bytes));
    }
    buf_init(&line, 128);
    buf_printf(&line, "shard %u: ", shard);
    text_add_bytes(&line, bytes);
    (void)printf("%s\n", buf_str(&line));
    buf_clear(&line);
    return 0;
}

/* Of a shard that has no log. A host that has it may be about to make it; where one had it, it is lost, or
 * that host could not start it. */
static int tell_none(const struct cli *cli, unsigned shard, const struct shard_lease *lease) {
    const char *cluster = cli->conf->cluster.name;
    if (lease->owner[0] != '\0') {
        return cli_fail(ERR_NOTFOUND,
                        "shard %u: the host \"%s\" has it, and there is no log \"%s-%u\" in the "
                        "database: it is about to start for the first time, or the log is lost",
                        shard, lease->owner, cluster, shard);
    }
    if (lease->had_owner) {
        return cli_fail(ERR_NOTFOUND,
                        "shard %u: a host had it, and there is no log \"%s-%u\" in the database: "
                        "the log is lost, or the shard could not start anywhere so far",
                        shard, cluster, shard);
    }
    if (cli->json) {
        return tell(cli, shard, 0);
    }
    (void)printf("shard %u: has nothing yet\n", shard);
    return 0;
}

static int check_empty(const char *dir) {
    size_t entries = 0;
    DIR *folder = opendir(dir);
    if (folder == NULL) {
        return cli_fail(ERR_DISK, "cannot read %s: %s", dir, strerror(errno));
    }
    while (entries <= 2 && readdir(folder) != NULL) { /* "." and ".." */
        entries++;
    }
    (void)closedir(folder);
    return entries <= 2 ? 0
                        : cli_fail(ERR_EXISTS,
                                   "%s is not empty: name a new folder; what an export that "
                                   "failed has left may be removed",
                                   dir);
}

static int make_empty(const char *dir) {
    if (mkdir(dir, 0700) == 0) {
        return 0;
    }
    return errno == EEXIST ? check_empty(dir)
                           : cli_fail(ERR_DISK, "cannot make %s: %s", dir, strerror(errno));
}

/* All of them, also if one has lost its log: then the status of that. */
static int export_all(const struct cli *cli, const struct cluster_view *view, const char *dir) {
    struct report r = {""};
    int none = 0;
    int status = make_empty(dir);
    for (unsigned shard = 1; status == 0 && shard <= view->shards; shard++) {
        uint64_t bytes = 0;
        int code = export_shard(cli, shard, dir, &bytes, &r);
        if (code == ERR_NOTFOUND) {
            int told = tell_none(cli, shard, &view->leases[shard - 1]);
            none = told != 0 ? told : none;
        } else {
            status =
                code == 0 ? tell(cli, shard, bytes) : cli_fail(code, "shard %u: %s", shard, r.text);
        }
    }
    return status != 0 ? status : none;
}

int cli_cluster_export(struct cli *cli) {
    struct cluster *cluster = NULL;
    struct cluster_view view;
    struct report r = {""};
    int status = cli_open_cluster(cli, &cluster);
    if (status != 0) {
        return status;
    }
    int code = cluster_look(cluster, &view, &r);
    cluster_free(cluster);
    return code != 0 ? cli_fail(code, "%s", r.text) : export_all(cli, &view, cli->words[0]);
}
