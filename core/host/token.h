/*
 * token.h - the host's own token, and those of topics.conf.
 */
#ifndef ZINGQ_HOST_TOKEN_H
#define ZINGQ_HOST_TOKEN_H

#include "host/impl.h"

/* Reads FOLDER/NAME, or creates it, with mode 0600, if there is none that only its owner can have
 * read. ERR_SYSTEM, ERR_INVALID with a sentence. */
int host_load_secret(const char *folder, const char *name, char out[HOST_TOKEN_BYTES],
                     struct report *r);
/* Reads h->token, or creates it if there is none. ERR_SYSTEM, ERR_INVALID with a sentence. */
int host_load_token(struct host *h, struct report *r);
/* Appends "http://127.0.0.1:8080/login?token=..."; false if there is no front door over TCP. */
bool host_login_link(const struct host *h, struct buf *out);
/* Sets what the log writes. Under `zingq dev` handlers write debug lines too, unless topics.conf
 * says otherwise. */
void host_set_log(const struct host_options *options, const struct conf *conf);
/* Logs what is wrong with the tokens. */
void host_warn_tokens(const struct host *h);

#endif
