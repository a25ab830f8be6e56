/*
 * token.h - the token of the host's own, and those of topics.conf.
 */
#ifndef ZINGQ_HOST_TOKEN_H
#define ZINGQ_HOST_TOKEN_H

#include "host/impl.h"

/* Reads FOLDER/NAME, which is made now, with mode 0600, if there is none that only its owner can have
 * read. ERR_SYSTEM, ERR_INVALID with a sentence. */
int host_load_secret(const char *folder, const char *name, char out[HOST_TOKEN_BYTES],
                     struct report *r);
/* Sets h->token, made now if there is none yet. ERR_SYSTEM, ERR_INVALID with a sentence. */
int host_load_token(struct host *h, struct report *r);
/* Appends "http://127.0.0.1:8080/login?token=..."; false where there is no front door over TCP. */
bool host_login_link(const struct host *h, struct buf *out);
/* Tokens as topics.conf has them now, and the certificate; what is wrong stays as it was, and the log
 * says so. */
void host_reload_front(struct host *h);
/* What the tokens lack, in the log. */
void host_warn_tokens(const struct host *h);

#endif
