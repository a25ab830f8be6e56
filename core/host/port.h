/*
 * port.h - http.listen. A host has it alone. The shards of a machine accept from one socket, which their
 * fleet opens and each of them inherits: a client that nobody has accepted yet waits there for any of them, or
 * for the fleet, which answers while no shard does (host/fleet/door.c).
 */
#ifndef ZINGQ_HOST_PORT_H
#define ZINGQ_HOST_PORT_H

#include "conf/conf.h"
#include "io/httpd/gateway.h"

/* The variable that has the number of the inherited socket; "" = there is none. */
#define PORT_INHERITED "ZINGQ_SHARD_PORT"
/* What a shard reports to its fleet once it accepts there; it does not any more when it is stopping. */
#define PORT_ATTENDED "LISTENS=1"

/* Opens it, with the certificate of topics.conf; or the inherited one. `any`: if it is taken, a free one
 * on this machine. As gateway_new, with a sentence. */
int host_port_open(struct gateway **out, uv_loop_t *loop, const struct conf *conf, bool any,
                   struct gateway_callbacks callbacks, struct report *r);
/* Tells the fleet, if there is one, that it is open. */
void host_port_tell(void);
/* Reads its certificate again; if something is wrong with it, that is logged, and the old one stays. NULL is
 * allowed. */
void host_port_reload(const struct gateway *port);
/* The answer of who has nothing to serve yet, or any more: it is alive, and `why` it does no more. */
void host_port_answer_unready(struct gateway_request *request, const char *why);

#endif
