/*
 * fleet.h - several hosts on one machine: `zingq run --hosts N` starts this program once a host, as
 * host 1 to N of N, and keeps them running.
 *
 * Owns: the processes, the lock on the folder that holds theirs, what the service manager hears.
 * Never does: touch an event, a store or the broker; each host is one like any other.
 */
#ifndef ZINGQ_HOST_FLEET_FLEET_H
#define ZINGQ_HOST_FLEET_FLEET_H

#include "host/host.h"

/* Runs `count` hosts (2 to PARTITIONS) until SIGTERM, SIGINT or until none is left; the first may
 * serve http.listen, their folders are 1 to `count` in the data folder. SIGHUP goes to all. Returns
 * the program's exit status: that of a host which cannot start; an error is printed to standard
 * error as "zingq: ...". */
int fleet_run(const struct host_options *options, unsigned count);

#endif
