/*
 * fleet.h - several hosts on one machine: `zingq run --hosts N` starts this program once per host,
 * as hosts 1 to N of N, and keeps them running.
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

#endif
