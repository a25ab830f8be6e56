/*
 * guard.h - who is let in: tokens and their roles, dashboard sessions, a brake on guessing, and
 * protection against requests from other sites.
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
    GUARD_WRONG,  /* not one of our tokens */
    GUARD_BRAKED, /* too many wrong ones from there: not checked */
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
/* Sets the accepted tokens: http.token, or else `made`, and those of the token sections. Copies
 * them. Sessions of other tokens end. ERR_MEMORY: nothing has changed. */
int guard_set(struct guard *g, const struct conf *conf, const char *made);

/* Identifies the visitor by a bearer token or a session cookie. */
enum guard_verdict guard_look(const struct guard *g, const struct gateway_request *request,
                              struct visitor *out);
/* Counts a wrong token for its address, and logs this from time to time. */
void guard_note_wrong(struct guard *g, const struct gateway_request *request);
/* True if the visitor may do what requires that access; `endpoint` is its path, or NULL. */
bool guard_may(const struct guard *g, const struct visitor *visitor, enum access access,
               const char *endpoint);
/* True if topics.conf has a token: then nothing is open just by default. */
bool guard_is_named(const struct guard *g);

/* True if a page of another site may have made a browser send this. */
bool guard_is_cross_site(const struct gateway_request *request);
/* True if it is addressed to a name that could be anyone's, pointed here by DNS. */
bool guard_is_misdirected(const struct gateway_request *request);

/* Answers 429, with the time to wait. */
void guard_answer_braked(const struct guard *g, struct gateway_request *request);

/* Answer POST /login {"token": ...}, GET /login?token=, and POST /logout. */
void guard_login(struct guard *g, struct gateway_request *request);
void guard_logout(struct guard *g, struct gateway_request *request);

#endif
