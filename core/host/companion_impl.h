/*
 * companion_impl.h - what the companions' files share; nobody else includes it.
 */
#ifndef ZINGQ_HOST_COMPANION_IMPL_H
#define ZINGQ_HOST_COMPANION_IMPL_H

#include "host/companion.h"

#include <stdbool.h>
#include <stdio.h>

enum { COMPANION_PATH_MAX = 4200 };

/* The folder of this program, or "". */
void companions_own_folder(char out[4096]);

/* host/companion_sys.c: adds the lines to mosquitto.conf that show the host's figures under $SYS, if the
 * plugin is there, and puts the user it asks for into the environment. False: cannot write. */
bool companions_write_plugin(const struct companions *c, FILE *conf);

#endif
