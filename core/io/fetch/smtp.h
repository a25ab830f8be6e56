/*
 * smtp.h - one SMTP session: io/fetch/smtp.c conducts the dialogue, io/fetch/mail.c assigns mails.
 */
#ifndef ZINGQ_IO_FETCH_SMTP_H
#define ZINGQ_IO_FETCH_SMTP_H

#include "io/fetch/impl.h"

enum step { STEP_CONNECT, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_MESSAGE, STEP_RESET, STEP_IDLE };

/* One SMTP connection. From its opening until a mail is accepted or refused, it belongs to that
 * call. */
struct mail_session {
    struct transfer transfer; /* first, as in struct call */
    struct fetch *fetch;
    TAILQ_ENTRY(mail_session) link;
    CURL *easy;
    uv_poll_t poll; /* from the end of STEP_CONNECT */
    bool polling, closing;
    enum step step;
    struct call *call; /* NULL: RESET or IDLE */
    size_t recipient;  /* of the call: the current one in STEP_RCPT */
    bool used;         /* has finished a mail: the server may have closed it */
    bool eightbit;     /* the server offered 8BITMIME */
    bool utf8;         /* and SMTPUTF8 */
    uint64_t idle_until_ms;
    char *url;      /* owned */
    struct buf out; /* to be written from `written` on */
    size_t written;
    struct buf line; /* of the reply being read */
    unsigned lines;  /* lines of it so far */
    char last[256];  /* the last whole reply line */
    char error[CURL_ERROR_SIZE];
};

/* Opens a session for the call, which fails with ERR_MEMORY if even that is impossible. */
void smtp_open(struct fetch *f, struct call *call);
/* Sends the call's mail on an idle session. The session may be gone afterwards. */
void smtp_send(struct mail_session *s, struct call *call);
/* Closes the connection and forgets the session; it must have no call. */
void smtp_close(struct mail_session *s);
/* Takes its call off and closes it. */
void smtp_abandon(struct mail_session *s);
/* The connection is no longer usable. A mail on a kept session that had not reached its message
 * starts again on a new one: the server had only tired of waiting. */
void smtp_lost(struct mail_session *s, int code, const char *why);

#endif
