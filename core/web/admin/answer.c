/*
 * answer.c - shared by all files of the API: reading a request, and answering it.
 */
#include "web/admin/impl.h"

#include "query/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int64_t admin_now_ms(const struct admin *a) {
    return engine_now_ms(a->engine);
}

int admin_status_of(int code) {
    switch (code) {
    case 0:
        return 200;
    case ERR_NOTFOUND:
        return 404;
    case ERR_INVALID:
    case ERR_LIMIT:
        return 400;
    case ERR_EXISTS:
        return 409;
    default:
        return 503;
    }
}

bool admin_number(const char *text, uint64_t least, uint64_t most, uint64_t otherwise,
                  uint64_t *out) {
    char *end = NULL;
    *out = text == NULL ? otherwise : strtoull(text, &end, 10);
    return text == NULL ||
           (*text >= '0' && *text <= '9' && *end == '\0' && *out >= least && *out <= most);
}

const char *admin_parse_number(const char *text, int base, uint64_t max, char stop, uint64_t *out) {
    if (text == NULL || !isxdigit((unsigned char)*text)) { /* strtoull accepts blanks and signs */
        return NULL;
    }
    char *end = NULL;
    *out = strtoull(text, &end, base);
    return end != text && *end == stop && *out <= max ? end + 1 : NULL;
}

void admin_add_pair(struct buf *list, const char *name, const char *value) {
    if (value != NULL) {
        buf_add_lv(list, slice_of(name));
        buf_add_lv(list, slice_of(value));
    }
}

bool admin_limit(const struct gateway_request *request, uint64_t otherwise, uint64_t *out,
                 struct report *r) {
    if (admin_number(gateway_query(request, "limit"), 1, READING_ITEMS_MAX, otherwise, out)) {
        return true;
    }
    (void)report(r, ERR_INVALID, "limit is a number from 1 to %d", READING_ITEMS_MAX);
    return false;
}

bool admin_option(const struct gateway_request *request, const char *name, uint64_t least,
                  uint64_t most, uint64_t otherwise, uint64_t *out, struct report *r) {
    const char *text = gateway_query(request, name);
    if (admin_number(text, least, most, otherwise, out)) {
        return true;
    }
    if (most == 1) {
        (void)report(r, ERR_INVALID, "%s must be 0 or 1, not \"%.64s\"", name, text);
    } else if (most >= INT64_MAX) {
        (void)report(r, ERR_INVALID,
                     "%s must be a whole number of at least %" PRIu64 ", not \"%.64s\"", name,
                     least, text);
    } else {
        (void)report(r, ERR_INVALID,
                     "%s must be a whole number from %" PRIu64 " to %" PRIu64 ", not \"%.64s\"",
                     name, least, most, text);
    }
    return false;
}

bool admin_service(struct admin *a, struct gateway_request *request, const char *name,
                   bool *by_service, uint16_t *service) {
    char text[NAME_BYTES_MAX + 64];
    *by_service = name != NULL;
    if (name == NULL || look_service_number(engine_journal(a->engine), name, service) == 0) {
        return true;
    }
    (void)snprintf(text, sizeof text, "no service \"%.*s\" here", NAME_BYTES_MAX, name);
    gateway_answer_error(request, 404, NULL, text);
    return false;
}

bool admin_keep(char **own, struct slice *borrowed, struct slice text) {
    *own = slice_dup(text);
    *borrowed = (struct slice){*own, text.len};
    return *own != NULL;
}
