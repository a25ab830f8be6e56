/*
 * address.c - see io/httpd/address.h.
 */
#include "io/httpd/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_ipv4(const struct address *a) {
    return !a->local && memcmp(a->bytes, mapped, sizeof mapped) == 0;
}

struct address address_of(const struct sockaddr *from) {
    struct address a = {.local = false};
    if (from != NULL && from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        memcpy(a.bytes, mapped, sizeof mapped);
        memcpy(a.bytes + sizeof mapped, &in.sin_addr, sizeof in.sin_addr);
    } else if (from != NULL && from->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, from, sizeof in);
        memcpy(a.bytes, &in.sin6_addr, sizeof a.bytes);
    }
    return a;
}

struct address address_of_user(int fd) {
    struct address a = {.local = true};
    struct ucred user = {.uid = (uid_t)-1};
    socklen_t len = sizeof user;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &len) == 0) {
        memcpy(a.bytes, &user.uid, sizeof user.uid);
    }
    return a;
}

bool address_is_user(const struct address *a, uid_t user) {
    return a->local && memcmp(a->bytes, &user, sizeof user) == 0;
}

bool address_parse(struct slice text, struct address *out) {
    char copy[INET6_ADDRSTRLEN];
    struct in_addr four;
    *out = (struct address){.local = false};
    if (text.len == 0 || text.len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, &four) == 1) {
        memcpy(out->bytes, mapped, sizeof mapped);
        memcpy(out->bytes + sizeof mapped, &four, sizeof four);
        return true;
    }
    return inet_pton(AF_INET6, copy, out->bytes) == 1;
}

void address_text(const struct address *a, char out[ADDRESS_TEXT_BYTES]) {
    uid_t user;
    if (a->local) {
        memcpy(&user, a->bytes, sizeof user);
        (void)snprintf(out, ADDRESS_TEXT_BYTES, "unix uid %u", (unsigned)user);
    } else if (is_ipv4(a)) {
        (void)inet_ntop(AF_INET, a->bytes + sizeof mapped, out, ADDRESS_TEXT_BYTES);
    } else {
        (void)inet_ntop(AF_INET6, a->bytes, out, ADDRESS_TEXT_BYTES);
    }
}

bool address_is_near(const struct address *a) {
    static const uint8_t one[16] = {[15] = 1};
    return a->local || (is_ipv4(a) && a->bytes[sizeof mapped] == 127) ||
           memcmp(a->bytes, one, sizeof one) == 0;
}

bool address_same_client(const struct address *a, const struct address *b) {
    size_t len = is_ipv4(a) || a->local ? sizeof a->bytes : 8;
    return a->local == b->local && memcmp(a->bytes, b->bytes, len) == 0;
}

/* True if the first `bits` of both are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, size_t bits) {
    size_t whole = bits / 8;
    uint8_t mask = (uint8_t)(0xff00 >> (bits % 8));
    return memcmp(a, b, whole) == 0 && (bits % 8 == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

bool address_is_in(const struct address *a, const char *network) {
    size_t len = strcspn(network, "/");
    struct address base;
    if (!address_parse((struct slice){network, len}, &base) || a->local ||
        is_ipv4(a) != is_ipv4(&base)) {
        return false;
    }
    size_t offset = is_ipv4(&base) ? 8 * sizeof mapped : 0;
    size_t most = 8 * sizeof base.bytes - offset;
    char *end = NULL;
    unsigned long bits = network[len] == '\0' ? most : strtoul(network + len + 1, &end, 10);
    return (end == NULL || (*end == '\0' && end != network + len + 1)) && bits <= most &&
           same_bits(a->bytes, base.bytes, bits + offset);
}
