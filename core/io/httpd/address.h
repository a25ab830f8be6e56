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
    bool local;        /* a unix socket: the bytes are those of the user's id */
};

/* Anything but an IP address is all zero. */
struct address address_of(const struct sockaddr *from);
/* Who has connected to our unix socket. */
struct address address_of_user(int fd);
bool address_is_user(const struct address *a, uid_t user);
bool address_parse(struct slice text, struct address *out);
void address_text(const struct address *a, char out[ADDRESS_TEXT_BYTES]);
/* Whether it is a unix socket or this machine. */
bool address_is_near(const struct address *a);
/* Whether one client may well have both: the same IPv4 address, the same /64 of IPv6. */
bool address_same_client(const struct address *a, const struct address *b);
/* Whether it is in a network, written as "10.0.0.0/8" or as an address; false when that is none. */
bool address_is_in(const struct address *a, const char *network);

#endif
