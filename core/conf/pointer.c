/*
 * pointer.c - see conf/pointer.h.
 *
 * The text is read once, and nothing is built of it: a key is wanted of every message.
 */
#include "conf/pointer.h"

#include <assert.h>
#include <string.h>

bool pointer_is_sound(const char *pointer) {
    for (const char *tilde = strchr(pointer, '~'); tilde != NULL; tilde = strchr(tilde + 1, '~')) {
        if (tilde[1] != '0' && tilde[1] != '1') {
            return false;
        }
    }
    return pointer[0] == '\0' || pointer[0] == '/';
}

/* A token of the pointer, as it stands there. */
static struct slice first_token(const char *pointer) {
    return (struct slice){pointer + 1, strcspn(pointer + 1, "/")};
}

/* The array element that a token names, or -1: digits without a leading zero (RFC 6901, 4). */
static long element(struct slice token) {
    if (token.len == 0 || token.len > 9 || (token.len > 1 && token.data[0] == '0')) {
        return -1;
    }
    long index = 0;
    for (size_t i = 0; i < token.len; i++) {
        if (token.data[i] < '0' || token.data[i] > '9') {
            return -1;
        }
        index = index * 10 + (token.data[i] - '0');
    }
    return index;
}

/* Whether a token, with ~1 for / and ~0 for ~, is that name. */
static bool is_name(struct slice token, struct slice name) {
    size_t at = 0;
    for (size_t i = 0; i < token.len; i++, at++) {
        char c = token.data[i];
        if (c == '~') {
            c = token.data[++i] == '1' ? '/' : '~';
        }
        if (at == name.len || name.data[at] != c) {
            return false;
        }
    }
    return at == name.len;
}

/* Whether a token is the name that was read last. */
static bool names(struct slice token, const struct json_reader *r) {
    char room[RULE_BYTES_MAX];
    struct slice name = r->text;
    if (r->escaped) {
        name = (struct slice){room, json_unescape(r->text, room, sizeof room)};
    }
    return name.len <= token.len && is_name(token, name);
}

static bool find(struct json_reader *r, enum json_token token, const char *pointer,
                 struct pointed *out);

static bool find_member(struct json_reader *r, const char *pointer, struct pointed *out) {
    struct slice token = first_token(pointer);
    enum json_token next;
    while ((next = json_next(r)) == JSON_NAME) {
        bool named = names(token, r);
        next = json_next(r);
        if (named ? !find(r, next, token.data + token.len, out) : !json_skip(r, next)) {
            return false;
        }
    }
    return next == JSON_END_OBJECT;
}

static bool find_element(struct json_reader *r, const char *pointer, struct pointed *out) {
    struct slice token = first_token(pointer);
    long wanted = element(token);
    enum json_token next;
    for (long i = 0; (next = json_next(r)) > JSON_END && next != JSON_END_ARRAY; i++) {
        if (i == wanted ? !find(r, next, token.data + token.len, out) : !json_skip(r, next)) {
            return false;
        }
    }
    return next == JSON_END_ARRAY;
}

/* The pointer leads on from the value that begins with `token`, which is read to its end. */
static bool find(struct json_reader *r, enum json_token token, const char *pointer,
                 struct pointed *out) {
    out->token = JSON_END; /* what an earlier member of the same name held is void */
    if (*pointer != '\0') {
        return token == JSON_BEGIN_OBJECT  ? find_member(r, pointer, out)
               : token == JSON_BEGIN_ARRAY ? find_element(r, pointer, out)
                                           : json_skip(r, token);
    }
    *out = (struct pointed){token, r->text, r->escaped, r->torn};
    return json_skip(r, token);
}

int pointer_find(struct slice json, const char *pointer, const char *what, struct pointed *out,
                 struct report *r) {
    struct json_reader reader;
    assert(strlen(pointer) < RULE_BYTES_MAX);
    json_open_text(&reader, json);
    if (find(&reader, json_next(&reader), pointer, out) && json_next(&reader) == JSON_END) {
        return 0;
    }
    return json_report(&reader, what, r);
}
