/*
 * fleet.h - several hosts on one machine: `zingq run --hosts N` starts this program once per host,
 * as hosts 1 to N of N, and keeps them running. In a cluster these hosts are its shards, and those
 * run here whose lease this machine has.
 *
 * Owns: the processes, the lock on the folder that holds theirs, the messages to the service
 * manager. Never does: touch an event, a store or the broker; each host works like a single one.
 */
#ifndef ZINGQ_HOST_FLEET_FLEET_H
#define ZINGQ_HOST_FLEET_FLEET_H

#include "host/host.h"

/* Runs `count` hosts (2 to PARTITIONS) until SIGTERM, SIGINT or until none is left. The first may
 * serve http.listen; their data folders are 1 to `count` in the data folder. SIGHUP goes to all of
 * them. Returns the program's exit status, which is that of a host that cannot start; errors are
 * printed to standard error as "zingq: ...". */
int fleet_run(const struct host_options *options, unsigned count);
/* The same as a host of the cluster that topics.conf names: joins it, runs the shards that are to be
 * here, and leaves it. Waits for the database as long as that takes. */
int fleet_run_member(const struct host_options *options);
/* Whether this process is one of its shards. */
bool fleet_is_shard(void);
/* Whether it only follows the shard's log, which another host has; then fleet_follow is what it does,
 * until SIGTERM. Returns the program's exit status. */
bool fleet_is_follower(void);
int fleet_follow(const struct host_options *options);

#endif
