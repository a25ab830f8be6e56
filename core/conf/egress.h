/*
 * egress.h - where handlers may connect to: egress { allow = {...} }.
 *
 * An entry is a host name ("api.stripe.com"), a pattern for what is below one ("*.example.org"), an
 * address or a block of them ("10.0.0.0/8", "2001:db8::/32"). Without entries everything is allowed
 * but link-local addresses and a few others, where clouds keep their credentials; these want a block
 * of their own.
 */
#ifndef ZINGQ_CONF_EGRESS_H
#define ZINGQ_CONF_EGRESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* The entries, borrowed. */
struct egress {
    char *const *allow;
    size_t count;
};

/* ERR_INVALID with a sentence when it is no entry. */
int egress_check(const char *entry, struct report *r);
/* Whether a URL with this host may be asked at the address that the name was resolved to. */
bool egress_allows(const struct egress *e, const char *host, const struct sockaddr *address);

#endif
