/*
 * cluster.h - what the commands `zingq cluster` share, and those that have files of their own.
 *
 * They read and write the tables of the cluster: no host needs to run.
 */
#ifndef ZINGQ_CLI_CLUSTER_H
#define ZINGQ_CLI_CLUSTER_H

#include "cli/impl.h"
#include "cluster/cluster.h"

/* The cluster that topics.conf names, to be freed. 0, or an exit status after printing why. */
int cli_open_cluster(struct cli *cli, struct cluster **out);

int cli_cluster_status(struct cli *cli);
/* Prints how it stands; frees it. */
int cli_print_cluster(const struct cli *cli, struct cluster *cluster);
int cli_cluster_export(struct cli *cli);

#endif
