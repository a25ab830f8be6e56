/*
 * host.h - the running host: the loop that joins the doors to the engine.
 *
 * Owns: the order of start and stop, the signals, the watch on the scripts folder. Makes no
 * decision about events.
 */
#ifndef ZINGQ_HOST_HOST_H
#define ZINGQ_HOST_HOST_H

#include "conf/conf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct host_options {
    const char *conf_file; /* NULL = the default locations */
    struct conf_overrides overrides;
    const char *const *services; /* run only these; NULL = all */
    size_t service_count;
    bool with_broker; /* zingq dev: also run a private Mosquitto, unless a broker is given */
};

/* Runs until SIGTERM, SIGINT, `zingq leave` or a fatal error, which is printed to standard error as
 * "zingq: ...". Returns the program's exit status. */
int host_run(const struct host_options *options);
/* The exit status of a host which such an error ends; host/loop.c. */
int host_exit_status(int code);

#endif
