/*
 * host.h - the running host: the loop that joins the doors to the engine.
 *
 * Owns: the start and stop order, the signals, the watch on the scripts folder. Decides nothing
 * about events.
 */
#ifndef ZINGQ_HOST_HOST_H
#define ZINGQ_HOST_HOST_H

#include "conf/conf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct host_options {
    const char *conf_file; /* NULL = the default places */
    struct conf_overrides overrides;
    const char *const *services; /* run only these; NULL = all */
    size_t service_count;
    bool
        with_broker; /* zingq dev: a private Mosquitto, stopped with the host, unless one is given */
};

/* Runs until SIGTERM, SIGINT, `zingq leave` or a fatal error. Returns the program's exit status;
 * an error is printed to standard error as "zingq: ...". */
int host_run(const struct host_options *options);

#endif
