/*
 * security.c - see doctor/security.h. One function per way in: who can reach it, and what stops
 * them. Where this cannot be seen from here, such as the broker's own rules, the row says so.
 */
#include "doctor/security.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { OTHERS_WRITE = S_IWGRP | S_IWOTH, OTHERS = S_IRWXG | S_IRWXO };

/* --- files --- */

static void check_data(struct doctor *d, const struct conf *conf) {
    struct stat info;
    if (stat(conf->store_path, &info) != 0) {
        (void)doctor_add(d, "data folder", DOCTOR_GOOD,
                         "%s: does not exist yet; only its user will have access",
                         conf->store_path);
        return;
    }
    if (info.st_uid == 0) {
        doctor_advise(doctor_add(d, "user", DOCTOR_WARN,
                                 "%s belongs to root: the host runs as root", conf->store_path),
                      "A flaw in a library then endangers the whole machine.",
                      "run the host as a user of its own: docs/install.md, \"As a service\"");
    }
    if ((info.st_mode & OTHERS) == 0) {
        (void)doctor_add(d, "data folder", DOCTOR_GOOD, "%s: only its user has access",
                         conf->store_path);
        return;
    }
    struct doctor_row *row = doctor_add(d, "data folder", DOCTOR_BAD,
                                        "%s has mode %03o: users other than its owner have access",
                                        conf->store_path, (unsigned)(info.st_mode & 0777));
    doctor_advise(
        row, "It holds payloads, state, the admin token, and the socket that needs no token.", "");
    (void)snprintf(row->mend, sizeof row->mend, "chmod -R go= %s", conf->store_path);
}

/* Write access here means control over what runs. */
static void check_written(struct doctor *d, const char *name, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0 || (info.st_mode & OTHERS_WRITE) == 0) {
        (void)doctor_add(d, name, DOCTOR_GOOD, "%s: only its owner can write", path);
        return;
    }
    struct doctor_row *row =
        doctor_add(d, name, DOCTOR_BAD, "%s has mode %03o: users other than its owner can write",
                   path, (unsigned)(info.st_mode & 0777));
    doctor_advise(
        row, "Anyone who can write there controls what the host runs, and with which secrets.", "");
    (void)snprintf(row->mend, sizeof row->mend, "chmod go-w %s", path);
}

/* --- the broker --- */

static bool is_here(const char *host) {
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

static void check_broker(struct doctor *d, const struct broker_address *broker) {
    if (broker->tls || is_here(broker->host)) {
        (void)doctor_add(d, "broker connection", DOCTOR_GOOD, "%s: %s", broker->url,
                         broker->tls ? "encrypted, the certificate is verified"
                                     : "does not leave this machine");
        return;
    }
    struct doctor_row *row = doctor_add(d, "broker connection", DOCTOR_BAD,
                                        "%s crosses a network unencrypted", broker->url);
    doctor_advise(row, "Anyone on the path can read messages and the password, and send anything.",
                  "");
    (void)snprintf(row->mend, sizeof row->mend, "broker { url = \"mqtts://%s\" }", broker->host);
}

static void check_login(struct doctor *d, const struct broker_conf *broker) {
    bool certificate = broker->cert_file[0] != '\0';
    if (broker->username[0] != '\0' || certificate) {
        (void)doctor_add(d, "broker login", DOCTOR_GOOD, "as %s",
                         certificate ? "named in the certificate" : broker->username);
        return;
    }
    doctor_advise(
        doctor_add(d, "broker login", DOCTOR_WARN, "none: a broker that accepts us accepts anyone"),
        "Anyone who can reach the broker can send events, signals and answers.",
        "allow_anonymous false in mosquitto.conf; broker { username = \"zingq\" password = "
        "\"env:ZINGQ_BROKER_PASSWORD\" }");
}

static void check_rules(struct doctor *d, const struct conf *conf) {
    doctor_advise(
        doctor_add(
            d, "broker rules", DOCTOR_WARN,
            "the broker decides who may publish below zingq/; this cannot be checked from here"),
        hosts_are_proven(&conf->hosts)
            ? "Signals are believed as they are."
            : "Signals, presences and messages between hosts are believed as they are.",
        "use the rules below as acl_file in mosquitto.conf");
}

static void check_marks(struct doctor *d, const struct conf *conf) {
    static const char risk[] = "Who may publish below zingq/ can pretend to be a host: it can stop "
                               "services, hand them events, and use the API of divided hosts.";
    const struct hosts_conf *h = &conf->hosts;
    if (hosts_are_proven(h)) {
        (void)doctor_add(d, "hosts", DOCTOR_GOOD, "what they say needs a mark of hosts.secret%s",
                         h->secret_count > 1 ? "; earlier ones are believed, too" : "");
    } else if (h->believes_any) {
        doctor_advise(
            doctor_add(d, "hosts", DOCTOR_WARN, "hosts.secret has \"any\": they believe anyone"),
            risk, "remove \"any\" from hosts.secret, once all hosts have the secret");
    } else {
        doctor_advise(
            doctor_add(d, "hosts", DOCTOR_WARN, "hosts.secret is not set: they believe anyone"),
            risk,
            "hosts { secret = {\"env:ZINGQ_HOSTS_SECRET\"} } on all hosts, the same, 16 bytes or "
            "more; zingq run --hosts makes one itself");
    }
}

/* --- the front door --- */

static void check_door(struct doctor *d, const struct conf *conf) {
    bool here = conf_is_loopback(conf);
    if (conf->http_listen[0] == '\0') {
        (void)doctor_add(d, "front door", DOCTOR_GOOD, "closed: http.listen = \"\"");
    } else if (here || conf->http_cert_file[0] != '\0') {
        (void)doctor_add(d, "front door", DOCTOR_GOOD, "%s: %s", conf->http_listen,
                         here ? "only programs of this machine can connect" : "encrypted");
    } else {
        doctor_advise(doctor_add(d, "front door", DOCTOR_BAD,
                                 "%s accepts unencrypted connections from other machines",
                                 conf->http_listen),
                      "Anyone on the path can read tokens and payloads.",
                      "http { cert_file = \"cert.pem\" key_file = \"key.pem\" }, or listen on "
                      "127.0.0.1 behind a proxy that terminates TLS");
    }
}

static void add_name(struct buf *names, const char *name) {
    buf_printf(names, "%s%s", names->len == 0 ? "" : ", ", name);
}

static void check_tokens(struct doctor *d, const struct conf *conf) {
    struct buf weak;
    struct buf admins;
    buf_init(&weak, 400);
    buf_init(&admins, 400);
    if (conf->http_token[0] != '\0') {
        add_name(strlen(conf->http_token) < TOKEN_BYTES_MIN ? &weak : &admins, "http.token");
    }
    for (size_t i = 0; i < conf->token_count; i++) {
        const struct token_conf *t = &conf->tokens[i];
        if (strlen(t->value) < TOKEN_BYTES_MIN) {
            add_name(&weak, t->name);
        } else if (t->role == ROLE_ADMIN) {
            add_name(&admins, t->name);
        }
    }
    if (weak.len > 0) {
        doctor_advise(doctor_add(d, "tokens", DOCTOR_BAD, "shorter than %d bytes: %s",
                                 TOKEN_BYTES_MIN, buf_str(&weak)),
                      "They can be guessed.",
                      "use longer ones, for example from `openssl rand -hex 16`");
    }
    if (conf->http_token[0] != '\0' && conf->token_count == 0) {
        doctor_advise(
            doctor_add(d, "tokens", DOCTOR_WARN, "one for all: http.token"),
            "Everyone who has it can do everything, and it cannot be revoked for one of them.",
            "token \"grafana\" { value = \"env:GRAFANA_TOKEN\" role = read }, one for each user");
    } else if (weak.len == 0) {
        (void)doctor_add(d, "tokens", DOCTOR_GOOD, "%zu with roles; with role admin: %s",
                         conf->token_count,
                         admins.len == 0 ? "only the host's own" : buf_str(&admins));
    }
    buf_clear(&weak);
    buf_clear(&admins);
}

static void check_endpoints(struct doctor *d, const struct conf *conf) {
    struct buf open;
    buf_init(&open, 400);
    for (size_t i = 0; i < conf->endpoint_count; i++) {
        if (conf->endpoints[i].auth != AUTH_TOKEN && conf->endpoints[i].auth != AUTH_HMAC) {
            add_name(&open, conf->endpoints[i].path);
        }
    }
    if (open.len == 0) {
        (void)doctor_add(d, "endpoints", DOCTOR_GOOD, "%zu, each wants a token or a signature",
                         conf->endpoint_count);
    } else {
        doctor_advise(
            doctor_add(d, "endpoints", DOCTOR_WARN, "open without a token: %s", buf_str(&open)),
            "Strangers can create events, as many as the limits allow.",
            "endpoint \"/path\" { auth = token }");
    }
    buf_clear(&open);
}

/* --- secrets --- */

static void check_secrets(struct doctor *d, const struct conf *conf) {
    for (size_t v = 0; v < conf->var_count; v++) {
        struct buf services;
        buf_init(&services, 400);
        for (size_t s = 0; conf->vars[v].secret && s < conf->service_count; s++) {
            const struct service_conf *service = &conf->services[s];
            for (size_t i = 0; i < service->secret_count; i++) {
                if (strcmp(service->secrets[i], conf->vars[v].name) == 0) {
                    add_name(&services, service->name);
                }
            }
        }
        if (conf->vars[v].secret && d->count < DOCTOR_ROWS_MAX) {
            (void)doctor_add(d, "secret", DOCTOR_GOOD, "%s: read by %s", conf->vars[v].name,
                             services.len == 0 ? "no service" : buf_str(&services));
        }
        buf_clear(&services);
    }
}

static void check_databases(struct doctor *d, const struct conf *conf) {
    for (size_t i = 0; i < conf->database_count; i++) {
        const struct database_conf *database = &conf->databases[i];
        if (database->service_count > 0 || conf->service_count == 1) {
            (void)doctor_add(d, "database", DOCTOR_GOOD, "%s: used by %s", database->name,
                             database->service_count > 0 ? "the services it names"
                                                         : "the only service");
            continue;
        }
        doctor_advise(
            doctor_add(d, "database", DOCTOR_WARN, "%s: every service may use it", database->name),
            "Who writes a script of any service can read and change what that database holds.",
            "name those that need it: database { services = {\"...\"} }");
    }
}

void doctor_security(struct doctor *d, const struct conf *conf) {
    check_data(d, conf);
    check_written(d, "topics.conf", conf->file);
    check_written(d, "scripts", conf->scripts_dir);
    for (size_t i = 0; i < conf->broker.address_count; i++) {
        check_broker(d, &conf->broker.addresses[i]);
    }
    check_login(d, &conf->broker);
    check_rules(d, conf);
    check_marks(d, conf);
    check_door(d, conf);
    check_tokens(d, conf);
    check_endpoints(d, conf);
    check_secrets(d, conf);
    check_databases(d, conf);
}

/* --- the broker's rules --- */

static const char *user_of(const struct conf *conf) {
    return conf->broker.username[0] == '\0' ? "zingq" : conf->broker.username;
}

void doctor_security_rules(const struct conf *conf, struct buf *out) {
    buf_printf(out,
               "# An acl_file for Mosquitto: it refuses everything that is not listed.\n"
               "# The hosts: their events, their publishes, and their own topics below zingq/.\n"
               "user %s\n"
               "topic readwrite zingq/#\n",
               user_of(conf));
    for (size_t s = 0; s < conf->service_count; s++) {
        const struct service_conf *service = &conf->services[s];
        for (size_t f = 0; f < service->filter_count; f++) {
            buf_printf(out, "topic read %s\n", service->filters[f]);
        }
    }
    buf_add_str(out, "# Narrow this to the topics that handlers and schedules publish to:\n"
                     "topic write #\n"
                     "\n"
                     "# All others: never `topic write zingq/#` or `topic write #`. A client that "
                     "sends events:\n"
                     "user app\n");
    for (size_t s = 0; s < conf->service_count; s++) {
        const struct service_conf *service = &conf->services[s];
        for (size_t f = 0; f < service->filter_count; f++) {
            bool ours = strncmp(service->filters[f], "zingq/", 6) == 0;
            buf_printf(out, "%stopic write %s\n", ours ? "# " : "", service->filters[f]);
        }
    }
    buf_add_str(out, "# Add for a client that may send signals, or read the figures of the hosts:\n"
                     "# topic write zingq/signal/<service>/#\n"
                     "# topic read zingq/sys/#\n");
}
