/*
 * ask_wire.h - a request to another host and its answer as the payload of a message.
 *
 *   request   version u8, method, path, query, headers, body: each lv; query and headers are lists
 *             as in struct gateway_words
 *   answer    version u8, status u16, content type, headers, body: each lv; headers are
 *             "Name: value\n"*
 *
 * Clients that may publish there are not trusted to write correctly: a payload either decodes to
 * something the program itself could have written, or is refused.
 */
#ifndef ZINGQ_PEERS_ASK_WIRE_H
#define ZINGQ_PEERS_ASK_WIRE_H

#include "base/buf.h"
#include "io/httpd/gateway.h"

/* The part of a payload that every version can read: it tells whether the rest can be decoded. */
enum { ASK_VERSION = 1 };

/* Append; check out->failed. */
void ask_write_request(const struct gateway_words *words, struct buf *out);
void ask_write_reply(const struct gateway_reply *reply, struct buf *out);

/* A decoded request; the words' slices point into the payload. */
struct ask_request {
    struct gateway_words words; /* final */
    char method[17];
    char *path; /* owned; words.path */
};

/* ERR_SCHEMA: from another version; ERR_INVALID: not a request; ERR_MEMORY. Only after 0 is there
 * something to clear. */
int ask_read_request(struct ask_request *out, struct slice payload);
void ask_request_clear(struct ask_request *request);

/* A decoded answer, which owns its bytes. */
struct ask_reply {
    struct gateway_reply reply;
    char *content_type, *headers, *body;
};

/* The same errors. */
int ask_read_reply(struct ask_reply *out, struct slice payload);
void ask_reply_clear(struct ask_reply *reply);

#endif
