/*
 * tls.c - the certificates of a broker connection, and what OpenSSL's errors mean.
 *
 * If a client certificate has expired or does not match its key, the broker reports it in an alert
 * of two words, after the handshake, or only by closing the connection. So the files are checked
 * before each connect: they may have been renewed, and we know the reason better here.
 *
 * GnuTLS reads the files, because the front door uses it already; libmosquitto uses OpenSSL.
 *
 * Left out: the chain up to a CA, which the broker checks, and certificates on hardware tokens.
 */
#include "io/mqtt/tls.h"

#include "base/clock.h"
#include "conf/cron.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { KEY_ID_BYTES = 64, DATE_BYTES = CRON_UTC_BYTES };

/* The bytes of a file, and what was parsed from them. */
struct pem {
    const char *option, *path;
    gnutls_datum_t data;
    gnutls_x509_crt_t *certificates;
    unsigned count;
    gnutls_x509_privkey_t key;
};

static void pem_clear(struct pem *p) {
    for (unsigned i = 0; i < p->count; i++) {
        gnutls_x509_crt_deinit(p->certificates[i]);
    }
    gnutls_free(p->certificates);
    if (p->key != NULL) {
        gnutls_x509_privkey_deinit(p->key);
    }
    gnutls_free(p->data.data);
}

static int load(struct pem *p, const char *option, const char *path, struct report *r) {
    *p = (struct pem){.option = option, .path = path};
    struct stat st;
    errno = 0;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        return report(
            r, ERR_INVALID,
            "broker.%s \"%s\" is a pipe or a device: it must be a file, because it is read at "
            "each connect",
            option, path);
    }
    errno = 0;
    if (access(path, R_OK) != 0 || gnutls_load_file(path, &p->data) != GNUTLS_E_SUCCESS) {
        return report(r, ERR_INVALID, "cannot read broker.%s \"%s\": %s", option, path,
                      strerror(errno == 0 ? EIO : errno));
    }
    return 0;
}

static int read_certificates(struct pem *p, struct report *r) {
    int rc =
        gnutls_x509_crt_list_import2(&p->certificates, &p->count, &p->data, GNUTLS_X509_FMT_PEM, 0);
    if (rc < 0 || p->count == 0) {
        p->count = 0;
        return report(r, rc == GNUTLS_E_MEMORY_ERROR ? ERR_MEMORY : ERR_INVALID,
                      "broker.%s \"%s\" contains no readable PEM certificate: %s", p->option,
                      p->path, gnutls_strerror(rc));
    }
    return 0;
}

static int read_key(struct pem *p, struct report *r) {
    int rc = gnutls_x509_privkey_init(&p->key);
    if (rc != GNUTLS_E_SUCCESS) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    rc = gnutls_x509_privkey_import2(p->key, &p->data, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc == GNUTLS_E_DECRYPTION_FAILED) {
        return report(
            r, ERR_INVALID,
            "the key in broker.key_file \"%s\" is protected by a pass phrase, which cannot "
            "be entered here: store it without one",
            p->path);
    }
    return rc == GNUTLS_E_SUCCESS
               ? 0
               : report(r, ERR_INVALID,
                        "broker.key_file \"%s\" contains no readable PEM private key: %s", p->path,
                        gnutls_strerror(rc));
}

static const char *date_text(time_t at, char text[DATE_BYTES]) {
    return cron_utc_text((int64_t)at * 1000, text);
}

/* The first certificate in the file is ours; the others are its issuers. */
static int check_dates(const struct pem *p, struct report *r) {
    char text[DATE_BYTES];
    assert(p->certificates != NULL);
    time_t now = (time_t)(clock_wall_ms() / 1000);
    time_t from = gnutls_x509_crt_get_activation_time(p->certificates[0]);
    time_t until = gnutls_x509_crt_get_expiration_time(p->certificates[0]);
    if (now > until) {
        return report(r, ERR_REFUSED,
                      "the certificate in broker.%s \"%s\" expired on %s: renew the file; it is "
                      "read at each attempt",
                      p->option, p->path, date_text(until, text));
    }
    if (now < from) {
        return report(r, ERR_REFUSED,
                      "the certificate in broker.%s \"%s\" is not valid before %s: check this "
                      "machine's clock, or renew the file",
                      p->option, p->path, date_text(from, text));
    }
    return 0;
}

static int check_pair(const struct pem *cert, const struct pem *key, struct report *r) {
    unsigned char ids[2][KEY_ID_BYTES];
    size_t sizes[2] = {KEY_ID_BYTES, KEY_ID_BYTES};
    assert(cert->certificates != NULL && key->key != NULL);
    if (gnutls_x509_crt_get_key_id(cert->certificates[0], GNUTLS_KEYID_USE_SHA256, ids[0],
                                   &sizes[0]) != GNUTLS_E_SUCCESS ||
        gnutls_x509_privkey_get_key_id(key->key, GNUTLS_KEYID_USE_SHA256, ids[1], &sizes[1]) !=
            GNUTLS_E_SUCCESS) {
        return 0; /* of a kind that only the broker can check */
    }
    bool same = sizes[0] == sizes[1] && memcmp(ids[0], ids[1], sizes[0]) == 0;
    return same ? 0
                : report(r, ERR_REFUSED,
                         "the key in broker.key_file \"%s\" does not belong to the certificate in "
                         "broker.cert_file \"%s\": use a matching pair",
                         key->path, cert->path);
}

static int check_ca(const struct broker_conf *conf, struct report *r) {
    struct pem ca;
    int error = load(&ca, "ca_file", conf->ca_file, r);
    error = error == 0 ? read_certificates(&ca, r) : error;
    if (error == 0 && ca.count == 1) { /* among several, an expired one does no harm */
        error = check_dates(&ca, r);
    }
    pem_clear(&ca);
    return error;
}

static int check_client(const struct broker_conf *conf, struct report *r) {
    struct pem cert;
    struct pem key = {0};
    int error = load(&cert, "cert_file", conf->cert_file, r);
    error = error == 0 ? read_certificates(&cert, r) : error;
    error = error == 0 ? load(&key, "key_file", conf->key_file, r) : error;
    error = error == 0 ? read_key(&key, r) : error;
    error = error == 0 ? check_pair(&cert, &key, r) : error;
    error = error == 0 ? check_dates(&cert, r) : error;
    pem_clear(&cert);
    pem_clear(&key);
    return error;
}

int mqtt_tls_check(const struct broker_conf *conf, struct report *r) {
    int error = 0;
    if (!conf->tls) {
        return 0;
    }
    if ((conf->cert_file[0] == '\0') != (conf->key_file[0] == '\0')) {
        return report(r, ERR_INVALID,
                      "broker.cert_file and broker.key_file must be set together: %s",
                      conf->cert_file[0] == '\0' ? "cert_file is missing" : "key_file is missing");
    }
    if (conf->ca_file[0] != '\0') {
        error = check_ca(conf, r);
    }
    if (error == 0 && conf->cert_file[0] != '\0') {
        error = check_client(conf, r);
    }
    return error;
}

/* OpenSSL's texts, in the order of searching, and ours. */
static const struct meaning {
    const char *says, *means;
} meanings[] = {
    {"alert certificate required",
     "the broker requires a client certificate: set broker.cert_file and broker.key_file"},
    {"alert certificate expired",
     "the broker says that our client certificate has expired: renew broker.cert_file (and check "
     "the broker's clock)"},
    {"alert certificate revoked",
     "the broker says that our client certificate is revoked: put a new one in broker.cert_file"},
    {"alert unknown ca",
     "the broker does not know the CA of our client certificate: it must be in the broker's CA "
     "file, or broker.cert_file is the wrong one"},
    {"alert bad certificate",
     "the broker does not accept our client certificate: check broker.cert_file, and the "
     "broker's log"},
    {"alert unsupported certificate",
     "the broker does not accept our client certificate: it must allow client authentication"},
    {"alert certificate unknown",
     "the broker does not accept our client certificate: check broker.cert_file, and the "
     "broker's log"},
    {"alert handshake failure",
     "the broker ends the handshake: it requires a client certificate (broker.cert_file and "
     "broker.key_file), or has no cipher in common with us"},
    {"alert protocol version", "the broker has no version of TLS in common with us"},
    {"certificate verify failed",
     "certificate verify failed: the broker's certificate has expired, or is not signed by a "
     "CA that we know: check its dates, and set broker.ca_file to its CA"},
    {"host name verification failed",
     "the broker's certificate is for another name: broker.url must have the name, or address, "
     "that the certificate is for"},
    {"key values mismatch",
     "the key in broker.key_file does not belong to the certificate in broker.cert_file"},
};

const char *mqtt_tls_meaning(const char *complaint) {
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (strstr(complaint, meanings[i].says) != NULL) {
            return meanings[i].means;
        }
    }
    return NULL;
}
