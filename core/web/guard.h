/*
 * guard.h - who may come in: the token, the sessions of the dashboard, and pages of other
 * sites, which may not.
 */
#ifndef ZINGQ_WEB_GUARD_H
#define ZINGQ_WEB_GUARD_H

#include "io/httpd/gateway.h"

#include <stdbool.h>
#include <stdint.h>

struct guard;

/* `token` is borrowed; "" = none. ERR_MEMORY. */
int guard_new(struct guard **out, const char *token);
void guard_free(struct guard *g);

/* Whether the request has the token as a bearer, or the cookie of a session; true without a token.
 */
bool guard_knows(struct guard *g, const struct gateway_request *request);
/* Whether a page of another site may have made a browser send this. */
bool guard_is_cross_site(const struct gateway_request *request);
/* Whether it is addressed to a name that anyone's DNS could point here. With a token that does no
 * harm, and is false. */
bool guard_is_misdirected(const struct guard *g, const struct gateway_request *request);

/* POST /login {"token": ...} and POST /logout. */
void guard_login(struct guard *g, struct gateway_request *request);
void guard_logout(struct guard *g, struct gateway_request *request);

#endif
