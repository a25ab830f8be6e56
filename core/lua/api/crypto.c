/*
 * crypto.c - zing.crypto: digests, message authentication codes and their texts, by libsodium.
 *
 * Bytes are Lua strings: a digest is its raw bytes, hex and base64 make a text of it.
 */
#include "lua/api/subjects.h"

#include "lua/host.h"

#include <sodium.h>
#include <string.h>

enum { RANDOM_BYTES_MAX = 1 << 16, DIGEST_BYTES_MAX = crypto_hash_sha512_BYTES };

/* The text argument, whose bytes are charged. */
static struct slice take(lua_State *L, int index) {
    struct slice s;
    s.data = luaL_checklstring(L, index, &s.len);
    script_charge(L, s.len);
    return s;
}

static const unsigned char *bytes_of(struct slice s) {
    return (const unsigned char *)s.data;
}

/* --- digests --- */

/* zing.crypto.sha256(data) -> 32 bytes */
static int sha256(lua_State *L) {
    unsigned char out[crypto_hash_sha256_BYTES];
    struct slice data = take(L, 1);
    (void)crypto_hash_sha256(out, bytes_of(data), data.len); /* always 0 */
    lua_pushlstring(L, (const char *)out, sizeof out);
    return 1;
}

/* zing.crypto.sha512(data) -> 64 bytes */
static int sha512(lua_State *L) {
    unsigned char out[crypto_hash_sha512_BYTES];
    struct slice data = take(L, 1);
    (void)crypto_hash_sha512(out, bytes_of(data), data.len);
    lua_pushlstring(L, (const char *)out, sizeof out);
    return 1;
}

static size_t hmac_sha256(struct slice key, struct slice data, unsigned char *out) {
    crypto_auth_hmacsha256_state state;
    (void)crypto_auth_hmacsha256_init(&state, bytes_of(key), key.len); /* these return 0 */
    (void)crypto_auth_hmacsha256_update(&state, bytes_of(data), data.len);
    (void)crypto_auth_hmacsha256_final(&state, out);
    return crypto_auth_hmacsha256_BYTES;
}

static size_t hmac_sha512(struct slice key, struct slice data, unsigned char *out) {
    crypto_auth_hmacsha512_state state;
    (void)crypto_auth_hmacsha512_init(&state, bytes_of(key), key.len);
    (void)crypto_auth_hmacsha512_update(&state, bytes_of(data), data.len);
    (void)crypto_auth_hmacsha512_final(&state, out);
    return crypto_auth_hmacsha512_BYTES;
}

/* zing.crypto.hmac(key, data [, "sha256" | "sha512"]) -> the code's bytes (RFC 2104) */
static int hmac(lua_State *L) {
    static const char *const names[] = {"sha256", "sha512", NULL};
    static size_t (*const codes[])(struct slice, struct slice, unsigned char *) = {hmac_sha256,
                                                                                   hmac_sha512};
    unsigned char out[DIGEST_BYTES_MAX];
    struct slice key = take(L, 1);
    struct slice data = take(L, 2);
    size_t len = codes[luaL_checkoption(L, 3, names[0], names)](key, data, out);
    lua_pushlstring(L, (const char *)out, len);
    return 1;
}

/* zing.crypto.equal(a, b) -> whether they are the same; takes as long whatever differs, so that a
 * sender cannot guess a code byte by byte */
static int equal(lua_State *L) {
    struct slice a = take(L, 1);
    struct slice b = take(L, 2);
    lua_pushboolean(L, a.len == b.len && sodium_memcmp(a.data, b.data, a.len) == 0);
    return 1;
}

/* --- texts --- */

/* zing.crypto.hex(bytes) -> lower case */
static int hex(lua_State *L) {
    struct slice bytes = take(L, 1);
    luaL_Buffer b;
    char *to = luaL_buffinitsize(L, &b, bytes.len * 2 + 1);
    (void)sodium_bin2hex(to, bytes.len * 2 + 1, bytes_of(bytes), bytes.len);
    luaL_pushresultsize(&b, bytes.len * 2);
    return 1;
}

static int base64_variant(lua_State *L, int index) {
    static const char *const names[] = {"plain", "url", NULL};
    static const int variants[] = {sodium_base64_VARIANT_ORIGINAL,
                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING};
    return variants[luaL_checkoption(L, index, names[0], names)];
}

/* zing.crypto.base64(bytes [, "url"]) -> text (RFC 4648; "url": its section 5, without padding) */
static int base64(lua_State *L) {
    struct slice bytes = take(L, 1);
    int variant = base64_variant(L, 2);
    size_t size = sodium_base64_encoded_len(bytes.len, variant);
    luaL_Buffer b;
    char *to = luaL_buffinitsize(L, &b, size);
    (void)sodium_bin2base64(to, size, bytes_of(bytes), bytes.len, variant);
    luaL_pushresultsize(&b, strlen(to));
    return 1;
}

static int pushed_or_nil(lua_State *L, luaL_Buffer *b, int rc, size_t len, const char *what) {
    luaL_pushresultsize(b, rc == 0 ? len : 0);
    if (rc == 0) {
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "not %s", what);
    return 2;
}

/* zing.crypto.unhex(text) -> bytes | nil, "not hex" */
static int unhex(lua_State *L) {
    struct slice text = take(L, 1);
    luaL_Buffer b;
    size_t len = 0;
    unsigned char *to = (unsigned char *)luaL_buffinitsize(L, &b, text.len / 2 + 1);
    int rc = sodium_hex2bin(to, text.len / 2 + 1, text.data, text.len, NULL, &len, NULL);
    return pushed_or_nil(L, &b, rc, len, "hex");
}

/* zing.crypto.unbase64(text [, "url"]) -> bytes | nil, "not base64" */
static int unbase64(lua_State *L) {
    struct slice text = take(L, 1);
    int variant = base64_variant(L, 2);
    luaL_Buffer b;
    size_t len = 0;
    unsigned char *to = (unsigned char *)luaL_buffinitsize(L, &b, text.len + 1);
    int rc = sodium_base642bin(to, text.len + 1, text.data, text.len, NULL, &len, NULL, variant);
    return pushed_or_nil(L, &b, rc, len, "base64");
}

/* --- random --- */

/* zing.crypto.random(n) -> n bytes of the system's random source, others in each run */
static int random_bytes(lua_State *L) {
    lua_Integer n = luaL_checkinteger(L, 1);
    if (n < 0 || n > RANDOM_BYTES_MAX) {
        return luaL_error(L, "zing.crypto.random: n is %I, 0 to %d are possible", (LUAI_UACINT)n,
                          RANDOM_BYTES_MAX);
    }
    luaL_Buffer b;
    script_charge(L, (size_t)n);
    randombytes_buf(luaL_buffinitsize(L, &b, (size_t)n), (size_t)n);
    luaL_pushresultsize(&b, (size_t)n);
    return 1;
}

void api_open_crypto(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"sha256", sha256}, {"sha512", sha512},     {"hmac", hmac},
        {"equal", equal},   {"hex", hex},           {"unhex", unhex},
        {"base64", base64}, {"unbase64", unbase64}, {"random", random_bytes},
        {NULL, NULL}};
    luaL_newlib(L, functions);
    sandbox_protect(L, "zing.crypto");
    lua_setfield(L, -2, "crypto");
}
