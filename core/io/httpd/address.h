/*
 * address.h - where a request comes from.
 */
#ifndef ZINGQ_IO_HTTPD_ADDRESS_H
#define ZINGQ_IO_HTTPD_ADDRESS_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* "unix uid 4294967295" or an IPv6 address. */
enum { ADDRESS_TEXT_BYTES = 64 };

struct address {
    uint8_t bytes[16]; /* IPv6; an IPv4 address as ::ffff:a.b.c.d */
    bool local;        /* a unix socket: the bytes are the user's id */
};

/* All zero for anything other than an IP address. */
struct address address_of(const struct sockaddr *from);
/* The user who has connected to our unix socket. */
struct address address_of_user(int fd);
bool address_is_user(const struct address *a, uid_t user);
bool address_parse(struct slice text, struct address *out);
void address_text(const struct address *a, char out[ADDRESS_TEXT_BYTES]);
/* True if it is a unix socket or this machine. */
bool address_is_near(const struct address *a);
/* True if both may well belong to one client: the same IPv4 address, the same IPv6 /64. */
bool address_same_client(const struct address *a, const struct address *b);
/* True if it is in the network, written as "10.0.0.0/8" or as an address; false if that is
 * invalid. */
bool address_is_in(const struct address *a, const char *network);

#endif
