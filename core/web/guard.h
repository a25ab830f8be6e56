/*
 * guard.h - who may come in: tokens and their roles, the sessions of the dashboard, a brake on
 * guessing, and pages of other sites, which may not.
 */
#ifndef ZINGQ_WEB_GUARD_H
#define ZINGQ_WEB_GUARD_H

#include "conf/conf.h"
#include "io/httpd/route.h"

#include <stdbool.h>
#include <stdint.h>

struct guard;

enum guard_verdict {
    GUARD_KNOWN,
    GUARD_NOBODY, /* no token was sent */
    GUARD_WRONG,  /* a token that is none of ours */
    GUARD_BRAKED, /* too many wrong ones from there: it was not looked at */
};

/* Whose token it is. */
struct visitor {
    const char *name; /* "http.token" or that of a section token; valid until guard_set */
    enum role role;
    size_t token; /* which */
};

/* ERR_MEMORY. */
int guard_new(struct guard **out);
void guard_free(struct guard *g);
/* These come in from now on: http.token, or else `made`, and those of the sections token. Copies.
 * Sessions of other tokens end. ERR_MEMORY: all is as it was. */
int guard_set(struct guard *g, const struct conf *conf, const char *made);

/* Who it is, by a bearer token or the cookie of a session. */
enum guard_verdict guard_look(const struct guard *g, const struct gateway_request *request,
                              struct visitor *out);
/* Counts a wrong token against where it comes from, and logs that now and then. */
void guard_note_wrong(struct guard *g, const struct gateway_request *request);
/* Whether the visitor may do what wants that; `endpoint` is its path, or NULL. */
bool guard_may(const struct guard *g, const struct visitor *visitor, enum access access,
               const char *endpoint);
/* Whether topics.conf names a token: then nothing but what is open by its nature is open. */
bool guard_is_named(const struct guard *g);

/* Whether a page of another site may have made a browser send this. */
bool guard_is_cross_site(const struct gateway_request *request);
/* Whether it is addressed to a name that anyone's DNS could point here. */
bool guard_is_misdirected(const struct gateway_request *request);

/* 429, with the time to wait. */
void guard_answer_braked(const struct guard *g, struct gateway_request *request);

/* POST /login {"token": ...}, GET /login?token=, and POST /logout: they are answered. */
void guard_login(struct guard *g, struct gateway_request *request);
void guard_logout(struct guard *g, struct gateway_request *request);

#endif
