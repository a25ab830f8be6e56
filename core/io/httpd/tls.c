/*
 * tls.c - the certificate of the HTTP door, read again without closing it.
 *
 * libmicrohttpd asks for the certificate at each handshake, without saying for which door, so there
 * is one per process. A handshake may use the certificate it got until it ends or is closed, within
 * GATEWAY_REQUEST_S; so a replaced certificate is kept for twice that time.
 *
 * A handshake is the most expensive thing that a stranger can make us do. All handshakes of one run
 * of the daemon share GATEWAY_HANDSHAKES_US; further ones are refused, and their clients try again.
 */
#include "io/httpd/impl.h"

#include "base/clock.h"
#include "base/limits.h"

#include <assert.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN_MAX = 8, KEEP_MS = 2 * GATEWAY_REQUEST_S * 1000, KEY_ID_BYTES = 64 };

struct gateway_identity {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
    int64_t replaced_ms; /* monotonic; 0 = in use */
    STAILQ_ENTRY(gateway_identity) link;
};

/* Newest first; empty = no door uses TLS. */
static STAILQ_HEAD(identity_list,
                   gateway_identity) identities = STAILQ_HEAD_INITIALIZER(identities);
/* When the first handshake of this run of the daemon began; 0 = none yet. */
static int64_t run_since_us;

static void free_identity(struct gateway_identity *id) {
    for (unsigned i = 0; i < id->count; i++) {
        gnutls_pcert_deinit(&id->chain[i]);
    }
    gnutls_privkey_deinit(id->key);
    free(id);
}

/* ---- reading ---- */

static int load_chain(struct gateway_identity *id, const char *file, struct report *r) {
    gnutls_datum_t bytes = {NULL, 0};
    unsigned count = CHAIN_MAX;
    int rc = gnutls_load_file(file, &bytes);
    if (rc == 0) {
        rc = gnutls_pcert_list_import_x509_raw(id->chain, &count, &bytes, GNUTLS_X509_FMT_PEM, 0);
        gnutls_free(bytes.data);
        id->count = rc == 0 ? count : 0;
    }
    return rc == 0 ? 0
                   : report(r, ERR_INVALID, "http.cert_file %s cannot be used: %s", file,
                            gnutls_strerror(rc));
}

static int load_key(struct gateway_identity *id, const char *file, struct report *r) {
    gnutls_datum_t bytes = {NULL, 0};
    int rc = gnutls_load_file(file, &bytes);
    if (rc == 0) {
        rc = gnutls_privkey_import_x509_raw(id->key, &bytes, GNUTLS_X509_FMT_PEM, NULL, 0);
        gnutls_memset(bytes.data, 0, bytes.size);
        gnutls_free(bytes.data);
    }
    return rc == 0 ? 0
                   : report(r, ERR_INVALID, "http.key_file %s cannot be used: %s", file,
                            gnutls_strerror(rc));
}

/* True if the key belongs to the certificate. */
static bool belong_together(const struct gateway_identity *id) {
    unsigned char ids[2][KEY_ID_BYTES];
    size_t sizes[2] = {KEY_ID_BYTES, KEY_ID_BYTES};
    gnutls_pubkey_t of_key = NULL;
    bool same = gnutls_pubkey_init(&of_key) == 0 &&
                gnutls_pubkey_import_privkey(of_key, id->key, 0, 0) == 0 &&
                gnutls_pubkey_get_key_id(of_key, GNUTLS_KEYID_USE_SHA256, ids[0], &sizes[0]) == 0 &&
                gnutls_pubkey_get_key_id(id->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, ids[1],
                                         &sizes[1]) == 0 &&
                sizes[0] == sizes[1] && memcmp(ids[0], ids[1], sizes[0]) == 0;
    gnutls_pubkey_deinit(of_key);
    return same;
}

static int load(struct gateway_identity **out, const char *cert_file, const char *key_file,
                struct report *r) {
    struct gateway_identity *id = calloc(1, sizeof *id);
    if (id == NULL || gnutls_privkey_init(&id->key) != 0) {
        free(id);
        return report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY));
    }
    int code = load_chain(id, cert_file, r);
    code = code == 0 ? load_key(id, key_file, r) : code;
    if (code == 0 && !belong_together(id)) {
        code = report(r, ERR_INVALID, "http.key_file %s is not the key of http.cert_file %s",
                      key_file, cert_file);
    }
    if (code != 0) {
        free_identity(id);
        return code;
    }
    *out = id;
    return 0;
}

/* ---- the current one ---- */

static void forget_old(int64_t now_ms) {
    struct gateway_identity *id = STAILQ_FIRST(&identities);
    while (id != NULL) {
        struct gateway_identity *next = STAILQ_NEXT(id, link);
        if (id->replaced_ms != 0 && now_ms - id->replaced_ms > KEEP_MS) {
            STAILQ_REMOVE(&identities, id, gateway_identity, link);
            free_identity(id);
        }
        id = next;
    }
}

int gateway_tls_load(const char *cert_file, const char *key_file, struct report *r) {
    struct gateway_identity *id = NULL;
    int64_t now_ms = clock_monotonic_ms();
    int code = load(&id, cert_file, key_file, r);
    if (code != 0) {
        return code;
    }
    forget_old(now_ms);
    if (!STAILQ_EMPTY(&identities)) {
        STAILQ_FIRST(&identities)->replaced_ms = now_ms;
    }
    STAILQ_INSERT_HEAD(&identities, id, link);
    return 0;
}

void gateway_tls_forget(void) {
    while (!STAILQ_EMPTY(&identities)) {
        struct gateway_identity *id = STAILQ_FIRST(&identities);
        STAILQ_REMOVE_HEAD(&identities, link);
        free_identity(id);
    }
}

void gateway_tls_run_begins(void) {
    run_since_us = 0;
}

int gateway_tls_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int count,
                            const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                            gnutls_pcert_st **chain, unsigned *chain_count, gnutls_privkey_t *key) {
    (void)session;
    (void)authorities;
    (void)count;
    (void)algorithms;
    (void)algorithm_count;
    int64_t now_us = clock_monotonic_us();
    run_since_us = run_since_us == 0 ? now_us : run_since_us;
    if (STAILQ_EMPTY(&identities) || now_us - run_since_us > GATEWAY_HANDSHAKES_US) {
        return -1;
    }
    struct gateway_identity *id = STAILQ_FIRST(&identities);
    *chain = id->chain;
    *chain_count = id->count;
    *key = id->key;
    return 0;
}
