/*
 * egress.c - see conf/egress.h.
 */
#include "conf/egress.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ADDRESS_BYTES = 16, V4_AT = 12 /* offset of an IPv4 address in ::ffff:0:0/96 */ };

/* The addresses that begin with the first `bits` bits. */
struct block {
    uint8_t bytes[ADDRESS_BYTES];
    int bits;
};

static const uint8_t V4_PREFIX[V4_AT] = {[10] = 0xff, [11] = 0xff};

/* Link-local addresses, also as gateways between IPv6 and IPv4 write them, and the two other
 * addresses at which a cloud answers with credentials. */
static const struct block CLOSED[] = {
    {{[0] = 0xfe, [1] = 0x80}, 10},
    {{[10] = 0xff, [11] = 0xff, [12] = 169, [13] = 254}, 8 * V4_AT + 16},
    {{[1] = 0x64, [2] = 0xff, [3] = 0x9b, [12] = 169, [13] = 254}, 8 * V4_AT + 16},    /* NAT64 */
    {{[0] = 0x20, [1] = 0x02, [2] = 169, [3] = 254}, 32},                              /* 6to4 */
    {{[0] = 0xfd, [2] = 0x0e, [3] = 0xc2, [14] = 0x02, [15] = 0x54}, 128},             /* AWS */
    {{[10] = 0xff, [11] = 0xff, [12] = 100, [13] = 100, [14] = 100, [15] = 200}, 128}, /* Alibaba */
};

/* "address" or "address/bits"; false when it is neither. */
static bool read_block(const char *text, struct block *out) {
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (len == 0 || len >= sizeof address) {
        return false;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    bool v4 = inet_pton(AF_INET, address, out->bytes + V4_AT) == 1;
    if (v4) {
        memcpy(out->bytes, V4_PREFIX, sizeof V4_PREFIX);
    } else if (inet_pton(AF_INET6, address, out->bytes) != 1) {
        return false;
    }
    int most = v4 ? 32 : 128;
    char *end = NULL;
    long bits = slash == NULL ? most : strtol(slash + 1, &end, 10);
    bool digits = slash == NULL || (slash[1] >= '0' && slash[1] <= '9' && *end == '\0');
    out->bits = (int)bits + (v4 ? 8 * V4_AT : 0);
    return digits && bits >= 0 && bits <= most;
}

static bool holds(const struct block *block, const uint8_t address[ADDRESS_BYTES]) {
    size_t whole = (size_t)block->bits / 8;
    int rest = block->bits % 8;
    assert(whole <= ADDRESS_BYTES);
    if (memcmp(block->bytes, address, whole) != 0) {
        return false;
    }
    return rest == 0 || (block->bytes[whole] ^ address[whole]) >> (8 - rest) == 0;
}

/* False for anything other than IPv4 and IPv6. */
static bool read_address(const struct sockaddr *from, uint8_t address[ADDRESS_BYTES]) {
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        memcpy(address, V4_PREFIX, sizeof V4_PREFIX);
        memcpy(address + V4_AT, &v4.sin_addr, sizeof v4.sin_addr);
        return true;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        memcpy(address, &v6.sin6_addr, ADDRESS_BYTES);
        return true;
    }
    return false;
}

static bool is_name(const char *entry) {
    const char *name = strncmp(entry, "*.", 2) == 0 ? entry + 2 : entry;
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
    return len > 0 && name[len] == '\0';
}

int egress_check(const char *entry, struct report *r) {
    struct block block;
    if (read_block(entry, &block) || is_name(entry)) {
        return 0;
    }
    return report(
        r, ERR_INVALID,
        "\"%s\" is not a host: write a name, \"*.example.org\", an address, or a block of "
        "addresses such as \"10.0.0.0/8\"",
        entry);
}

static bool names(const char *entry, const char *host) {
    if (strncmp(entry, "*.", 2) != 0) {
        return strcasecmp(entry, host) == 0;
    }
    size_t below = strlen(entry) - 1; /* including its dot */
    size_t len = strlen(host);
    return len > below && strcasecmp(host + len - below, entry + 1) == 0;
}

static bool is_closed(const uint8_t address[ADDRESS_BYTES]) {
    for (size_t i = 0; i < sizeof CLOSED / sizeof *CLOSED; i++) {
        if (holds(&CLOSED[i], address)) {
            return true;
        }
    }
    return false;
}

bool egress_allows(const struct egress *e, const char *host, const struct sockaddr *address) {
    uint8_t bytes[ADDRESS_BYTES];
    if (!read_address(address, bytes)) {
        return false;
    }
    bool named = e->count == 0;
    for (size_t i = 0; i < e->count; i++) {
        struct block block;
        if (!read_block(e->allow[i], &block)) {
            named = named || names(e->allow[i], host);
        } else if (holds(&block, bytes)) {
            return true;
        }
    }
    return named && !is_closed(bytes);
}
