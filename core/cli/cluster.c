/*
 * cluster.c - the hosts of a cluster and its shards, as people change them.
 */
#include "cli/cluster.h"

#include "cli/confirm.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/tell.h"

#include <stdio.h>
#include <stdlib.h>

enum { BURIALS = 20 /* tries: it may show a sign of life between */ };

/* The end of a command: frees the cluster. Prints the sentence, of what was done or of what failed;
 * or, with --json, how all stands now. */
static int done(const struct cli *cli, struct cluster *cluster, int code, const struct report *r) {
    if (code == 0 && cli->json) {
        return cli_print_cluster(cli, cluster);
    }
    cluster_free(cluster);
    if (code != 0) {
        return cli_fail(code, "%s", r->text);
    }
    (void)printf("%s\n", r->text);
    return 0;
}

/* --- init --- */

static int init(struct cli *cli) {
    struct cluster *cluster = NULL;
    struct report r = {""};
    uint64_t shards = 0;
    int status = cli_option_count(cli, "shards", CLUSTER_SHARDS, &shards);
    if (status == 0 && (shards < CLUSTER_SHARDS_MIN || shards > PARTITIONS)) {
        return cli_misused(cli, "--shards is %d to %d", CLUSTER_SHARDS_MIN, PARTITIONS);
    }
    status = status == 0 ? cli_open_cluster(cli, &cluster) : status;
    if (status != 0) {
        return status;
    }
    struct cluster_facts facts = {.shards = (unsigned)shards};
    int code = cluster_make(cluster, &facts, &r);
    if (code == ERR_EXISTS) {
        (void)report(&r, code,
                     "the cluster \"%s\" is there already, with %u shards; nothing was changed",
                     cli->conf->cluster.name, facts.shards);
    }
    if (code == 0) {
        (void)report(&r, 0,
                     "the cluster \"%s\" of %u shards is made. Next:\n"
                     "  zingq run             on each host, with the same topics.conf, scripts and "
                     "secrets\n"
                     "  zingq cluster status  shows which host has which shard",
                     cli->conf->cluster.name, facts.shards);
    }
    return done(cli, cluster, code, &r);
}

/* --- hosts --- */

static bool has_other(const struct cluster_view *view, const char *host) {
    for (size_t i = 0; i < view->member_count; i++) {
        if (member_takes_shards(&view->members[i]) && strcmp(view->members[i].name, host) != 0) {
            return true;
        }
    }
    return false;
}

static int drain(struct cli *cli) {
    struct cluster *cluster = NULL;
    struct cluster_view view;
    struct report r = {""};
    const char *host = cli->words[0];
    int status = cli_open_cluster(cli, &cluster);
    if (status != 0) {
        return status;
    }
    int code = cluster_drain(cluster, host, true, &r);
    code = code == 0 ? cluster_look(cluster, &view, &r) : code;
    if (code == 0 && !has_other(&view, host)) {
        cli_warn("no other host can take the shards of %s: they stay until one can", host);
    }
    code = code == 0 ? report(&r, 0,
                              "%s drains: its shards go to other hosts, and it gets none until "
                              "`zingq cluster undrain %s`",
                              host, host)
                     : code;
    return done(cli, cluster, code, &r);
}

static int undrain(struct cli *cli) {
    struct cluster *cluster = NULL;
    struct report r = {""};
    int status = cli_open_cluster(cli, &cluster);
    if (status != 0) {
        return status;
    }
    int code = cluster_drain(cluster, cli->words[0], false, &r);
    code = code == 0 ? report(&r, 0, "%s gets shards again", cli->words[0]) : code;
    return done(cli, cluster, code, &r);
}

/* Whoever lives beats now and then: the count is read until it stands still for a moment. */
static int bury_as_seen(struct cluster *cluster, const char *host, struct report *r) {
    struct cluster_view view;
    int code = ERR_EXISTS;
    for (int i = 0; code == ERR_EXISTS && i < BURIALS; i++) {
        code = cluster_look(cluster, &view, r);
        const struct member *m = code == 0 ? cluster_member(&view, host) : NULL;
        if (code != 0) {
            return code;
        }
        if (m == NULL) {
            return report(r, ERR_NOTFOUND, "the cluster has no host \"%s\"", host);
        }
        if (m->state != MEMBER_LIVE) {
            return report(r, ERR_EXISTS, "the host \"%s\" is dead already, and has no shards",
                          host);
        }
        code = cluster_bury(cluster, host, m->beats, r);
    }
    return code;
}

static int bury(struct cli *cli) {
    struct cluster *cluster = NULL;
    struct report r = {""};
    const char *host = cli->words[0];
    int status =
        cli_confirm(cli, "nothing was done",
                    "Other hosts take the shards of that one over. If it still runs, it kills "
                    "their processes, and joins again.\nGo on?");
    status = status == 0 ? cli_open_cluster(cli, &cluster) : status;
    if (status != 0) {
        return status;
    }
    int code = bury_as_seen(cluster, host, &r);
    code = code == 0 ? report(&r, 0, "%s is dead: other hosts take its shards", host) : code;
    return done(cli, cluster, code, &r);
}

static int forget(struct cli *cli) {
    struct cluster *cluster = NULL;
    struct report r = {""};
    int status = cli_open_cluster(cli, &cluster);
    if (status != 0) {
        return status;
    }
    int code = cluster_forget(cluster, cli->words[0], &r);
    code = code == 0 ? report(&r, 0, "%s is forgotten", cli->words[0]) : code;
    return done(cli, cluster, code, &r);
}

/* --- shards --- */

/* The n-th word; 0: it is no shard. */
static unsigned shard_of(const struct cli *cli, const struct cluster_view *view, int n) {
    char *end = NULL;
    unsigned long shard = strtoul(cli->words[n], &end, 10);
    bool is = end != cli->words[n] && *end == '\0' && cli->words[n][0] != '-';
    return is && shard <= view->shards ? (unsigned)shard : 0;
}

/* Before any is moved. "" = any host. */
static int check_move(const struct cli *cli, const struct cluster_view *view, const char *to) {
    const struct member *m = cluster_member(view, to);
    for (int i = 0; i < cli->word_count; i++) {
        if (shard_of(cli, view, i) == 0) {
            return cli_misused(cli, "%s is no shard: they are 1 to %u", cli->words[i],
                               view->shards);
        }
    }
    if (to[0] != '\0' && m == NULL) {
        return cli_fail(ERR_NOTFOUND, "the cluster has no host \"%s\"", to);
    }
    if (m != NULL && !member_takes_shards(m)) {
        cli_warn("%s %s: until it takes shards, others have them", to,
                 m->state != MEMBER_LIVE ? "does not live"
                 : m->stopping           ? "stops"
                                         : "drains");
    }
    return 0;
}

static int move_all(struct cli *cli, struct cluster *cluster, const char *to) {
    struct cluster_view view;
    struct report r = {""};
    int code = cluster_look(cluster, &view, &r);
    int status = code == 0 ? check_move(cli, &view, to) : 0;
    if (status != 0) {
        cluster_free(cluster);
        return status;
    }
    for (int i = 0; code == 0 && i < cli->word_count; i++) {
        code = cluster_pin(cluster, shard_of(cli, &view, i), to, &r);
    }
    if (code == 0 && to[0] == '\0') {
        (void)report(&r, 0, "these shards are spread like the others");
    } else if (code == 0) {
        (void)report(&r, 0,
                     "%s is to have these shards while it lives, until `zingq cluster move ... "
                     "--to any`",
                     to);
    }
    return done(cli, cluster, code, &r);
}

static int move(struct cli *cli) {
    struct cluster *cluster = NULL;
    const char *to = cli_option(cli, "to");
    if (to == NULL) {
        return cli_misused(cli, "--to says where: a host, or any");
    }
    int status = cli_open_cluster(cli, &cluster);
    return status != 0 ? status : move_all(cli, cluster, strcmp(to, "any") == 0 ? "" : to);
}

static int accept_loss(struct cli *cli) {
    struct cluster *cluster = NULL;
    struct cluster_view view;
    struct report r = {""};
    int status = cli_open_cluster(cli, &cluster);
    if (status != 0) {
        return status;
    }
    int code = cluster_look(cluster, &view, &r);
    if (code == 0 && view.lost[0] != '\0') {
        cli_warn("%s", view.lost);
        status = cli_confirm(
            cli, "nothing was done",
            "What was confirmed and is not in the database any more is lost: events may be "
            "missing, or run twice. Restoring the database to a later state may be better.\n"
            "Go on?");
        if (status != 0) {
            cluster_free(cluster);
            return status;
        }
    }
    code = code == 0 ? cluster_accept_loss(cluster, &r) : code;
    code = code == 0 ? report(&r, 0, "the shards start again with what the database has") : code;
    return done(cli, cluster, code, &r);
}

static const struct cli_option init_options[] = {
    {"shards", "N", "how many, fixed from then on: 2 to 64, more than there will be hosts (8)"},
    {NULL, NULL, NULL},
};

static const struct cli_option move_options[] = {
    {"to", "HOST|any", "the host that is to have them; any: they are spread like the others"},
    {NULL, NULL, NULL},
};

static const struct cli_option yes_options[] = {
    {"yes", NULL, "do not ask for confirmation"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_cluster_commands[] = {
    {"cluster init", "", "make the cluster that topics.conf names, in the database of store.url",
     NULL, 0, 0, init_options, init},
    {"cluster status", "", "its hosts and its shards: who has which, and why one stands still",
     NULL, 0, 0, NULL, cli_cluster_status},
    {"cluster move", "SHARD...", "let a host have these shards", NULL, 1, PARTITIONS, move_options,
     move},
    {"cluster drain", "HOST", "take all shards from a host, until undrain", NULL, 1, 1, NULL,
     drain},
    {"cluster undrain", "HOST", "let it have shards again", NULL, 1, 1, NULL, undrain},
    {"cluster bury", "HOST", "do not wait for a host: others take its shards now", NULL, 1, 1,
     yes_options, bury},
    {"cluster forget", "HOST", "delete a host that is dead or has left from the list", NULL, 1, 1,
     NULL, forget},
    {"cluster export", "DIR", "make a data folder of each shard: DIR/1, DIR/2 ...",
     "The logs are read as they are, and no host is stopped.\n"
     "docs/cluster.md says how to go on with the folders.",
     1, 1, NULL, cli_cluster_export},
    {"cluster accept-loss", "", "go on, after the database has lost what it had confirmed", NULL, 0,
     0, yes_options, accept_loss},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
