/*
 * conf.h - topics.conf, read with libconfuse into plain structs.
 *
 * Owns: the option tables (name, kind, default, bounds), units ("10s", "64KiB"), secrets
 * ("env:NAME", "file:PATH"), overrides from the environment, errors with a line and a suggestion.
 * Never does: open a socket, a store or a script.
 */
#ifndef ZINGQ_CONF_CONF_H
#define ZINGQ_CONF_CONF_H

#include "conf/cron.h"
#include "conf/division.h"
#include "base/error.h"
#include "base/log.h"
#include "base/webhook.h"
#include "conf/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of broker.url. */
struct broker_address {
    char *url;     /* as written: mqtt://host[:port] or mqtts://host[:port]; owned */
    char *host;    /* from the url; an IPv6 literal without brackets; owned */
    uint16_t port; /* from the url; 1883, 8883 for mqtts */
    bool tls;      /* mqtts:// */
};

struct broker_conf {
    struct broker_address *addresses; /* at least one, to be tried in turn */
    size_t address_count;
    char *url, *host; /* of the one in use, at first the first: see broker_conf_use; borrowed */
    uint16_t port;
    bool tls;
    bool alone;      /* no other host runs these services: plain subscriptions, not shared ones */
    char *client_id; /* "" = derived from the store's host id, stable over restarts */
    char *username;  /* resolved; "" = none */
    char *password;  /* resolved; "" = none, also when the default's variable is not set */
    char *ca_file, *cert_file,
        *key_file;             /* "" = none; absolute, relative to topics.conf's folder */
    uint16_t receive_maximum;  /* 1..65535 */
    uint32_t session_expiry_s; /* seconds */
    uint32_t packet_bytes_max; /* announced to the broker; 0 = no limit. From limits.payload */
};

/* Selects the address in use. */
void broker_conf_use(struct broker_conf *broker, size_t at);

/* An entry of vars{}. A value given as env:NAME or file:PATH is a secret: handlers see it only
 * through zing.secret(name), never in zing.config, and it is never printed. */
struct var_conf {
    char *name;
    char *value; /* resolved */
    bool secret;
};

/* Who may use an endpoint. If unset, it depends on where the front door listens. */
/* A number that the host chooses. */
enum { CONF_AUTO = -1 };

enum auth { AUTH_UNSAID, AUTH_NONE, AUTH_TOKEN, AUTH_HMAC };

struct endpoint_conf {
    char *path;      /* "/api/send-email" */
    char *publish;   /* topic */
    char **required; /* field names */
    size_t required_count;
    enum auth auth;             /* AUTH_UNSAID stands for none, on loopback only */
    enum webhook_preset preset; /* AUTH_HMAC: how requests are signed */
    char **secrets;             /* and with what; the sender may use any of them */
    size_t secret_count;
    uint64_t body_bytes_max; /* a larger body is refused; 0 = limits.payload alone */
    int line;
};

enum role {
    ROLE_NONE,
    ROLE_READ,    /* looks at everything, changes nothing */
    ROLE_SUBMIT,  /* uses endpoints, sees nothing */
    ROLE_OPERATE, /* both, and every change to events, keys and services */
    ROLE_ADMIN,   /* and to the host */
};

/* A client that has access, in addition to http.token. */
struct token_conf {
    char *name;
    char *value; /* resolved, never "" */
    enum role role;
    char **endpoints; /* paths of those a submitter may use; none = all */
    size_t endpoint_count;
    int line;
};

/* A PostgreSQL database that handlers use through zing.sql. */
struct database_conf {
    char *name;
    char *url;          /* resolved: postgres://...; "" when secrets were not read */
    uint16_t pool;      /* connections at most */
    int64_t timeout_ms; /* of a statement, unless the call names its own */
    char **services;    /* that may use it; none = all */
    size_t service_count;
    int line;
};

/* What happens to ticks that were due while the host was down. */
enum missed {
    MISSED_ONCE, /* one run for all of them */
    MISSED_SKIP,
};

struct schedule_conf {
    char *name, *cron, *timezone; /* as written */
    struct cron ticks;            /* from cron */
    struct cron_zone *zone;       /* from timezone; owned */
    enum missed missed;
    char *publish; /* topic */
    char *payload;
    int line;
};

/* Several hosts that divide the partitions among them by number: see conf/division.h. */
struct hosts_conf {
    char *group;           /* hosts of one division name the same */
    struct division share; /* 1 of 1 = not divided */
    /* Common to all hosts, for their marks (engine/mark.c); resolved. The first marks, each is
     * believed. */
    char **secrets;
    size_t secret_count;
    bool believes_any; /* "any" is among them: hosts without one are believed, too, for now */
};

/* Whether only what is marked with hosts.secret is believed of other hosts. */
static inline bool hosts_are_proven(const struct hosts_conf *hosts) {
    return hosts->secret_count > 0 && !hosts->believes_any;
}

/* Where spans are sent: docs/telemetry.md. */
struct telemetry_conf {
    char *otlp;     /* "http://host:4318", to which /v1/traces is added; "" = nowhere */
    char **headers; /* "Name: value", resolved */
    size_t header_count;
    char *service_name;
    double sample; /* of the traces that begin here: 0 to 1 */
};

/* Whether spans are sent. */
static inline bool telemetry_is_on(const struct telemetry_conf *t) {
    return t->otlp[0] != '\0';
}

/* The cluster that the host is of: see docs/cluster.md. */
struct cluster_conf {
    char *name; /* "" = it is of none */
    char *host; /* this host's name in it; never "" in a cluster */
    int64_t lease_ms;
    uint16_t followers; /* of each shard: 0 or 1 */
};

struct conf {
    char *file;        /* the path read, absolute */
    char *dir;         /* its folder, absolute */
    char *scripts_dir; /* dir/scripts */
    struct broker_conf broker;
    char *store_path; /* absolute */
    char *store_url;  /* resolved; of the PostgreSQL that has the store's log; "" = none */
    char *store_name; /* of the log in it */
    uint64_t store_max_bytes;
    int64_t store_linger_ms; /* or CONF_AUTO */
    int64_t keep_done_ms, keep_idempotency_ms;
    int64_t keep_signals_ms; /* one nobody waits for */
    char *http_listen;       /* "127.0.0.1:8080"; "" = no front door */
    char *http_token;        /* resolved; "" = none, the host then makes one for itself */
    char **http_proxies;     /* addresses whose X-Forwarded-For is believed */
    size_t http_proxy_count;
    char **egress_allow; /* where handlers may connect to: conf/egress.h; none = anywhere */
    size_t egress_allow_count;
    char *http_cert_file, *http_key_file; /* "" = no TLS; absolute */
    uint64_t memory_bytes; /* what all that comes in may use together: base/memory.h */
    uint64_t payload_bytes_max, lua_memory_bytes;
    int64_t lua_time_ms;
    int64_t stop_timeout_ms; /* how long a host that stops lets attempts go on */
    uint64_t backlog_max;    /* events waiting, over all services */
    int64_t sys_interval_ms; /* 0 = no status topics */
    struct log_settings log;
    struct telemetry_conf telemetry;
    struct hosts_conf hosts;
    struct cluster_conf cluster;
    struct var_conf *vars;
    size_t var_count;
    struct service_conf *services;
    size_t service_count;
    struct endpoint_conf *endpoints;
    size_t endpoint_count;
    struct schedule_conf *schedules;
    size_t schedule_count;
    struct token_conf *tokens;
    size_t token_count;
    struct database_conf *databases;
    size_t database_count;
};

/* Who wants every mistake in topics.conf and not only the first: each sentence is told, and reading
 * goes on. Of mistakes of syntax, unknown sections among them, there is only the first. */
struct conf_mistakes {
    void (*tell)(void *ctx, const char *sentence);
    void *ctx;
    size_t count; /* so far; 0 before */
};

/* Command-line values that override the environment, which overrides the file; NULL = not given.
 * The environment's names are ZINGQ_<SECTION>_<OPTION>: ZINGQ_BROKER_URL, ZINGQ_STORE_PATH,
 * ZINGQ_VARS_GATEWAY_URL (an entry the file lacks is made, its name in lower case). Variables that
 * name no option are ignored. `data` is relative to the working directory, store.path to the file.
 */
struct conf_overrides {
    const char *broker_url;
    const char *data;
    struct conf_mistakes *mistakes; /* or NULL */
    char *
        *folder; /* NULL, or where store.path goes if other options make it ERR_INVALID, which needs
                      `mistakes`; the caller's, and NULL when that is not known either */
    bool no_secrets; /* for those who only look: each env: and file: stands for "", unread, and what
                        a secret must look like is not checked */
};

/* Reads `file`; NULL = ./topics.conf, else /etc/zingq/topics.conf.
 * On ERR_INVALID `r` reads "topics.conf:14: service \"payments\": unknown option \"retires\" (did
 * you mean \"retries\"?)"; ERR_NOTFOUND when there is no such file; ERR_SYSTEM or ERR_LIMIT when
 * it cannot be read; ERR_MEMORY. r has a sentence for each.
 * On 0 the caller frees *out with conf_free. Scripts are not looked at. */
int conf_load(struct conf **out, const char *file, const struct conf_overrides *overrides,
              struct report *r);
void conf_free(struct conf *c);
/* Calls each(ctx, name, near) for the variables of the environment that begin with ZINGQ_ and
 * override nothing, with the nearest name that would, or NULL. What a container platform sets for a
 * service called zingq is left out. */
void conf_unknown_variables(void *ctx, void (*each)(void *ctx, const char *name, const char *near));

/* The index of the service of that name. */
static inline bool conf_find_service(const struct conf *c, struct slice name, size_t *index) {
    for (size_t i = 0; i < c->service_count; i++) {
        if (slice_is(name, c->services[i].name)) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* The same, also by a name that it had before. */
static inline bool conf_find_heir(const struct conf *c, struct slice name, size_t *index) {
    for (size_t i = 0; i < c->service_count; i++) {
        if (service_was(&c->services[i], name)) {
            *index = i;
            return true;
        }
    }
    return conf_find_service(c, name, index);
}

/* The database of that name, or NULL. */
const struct database_conf *conf_find_database(const struct conf *c, struct slice name);
/* Whether the service's handlers may use it. */
bool database_serves(const struct database_conf *d, const char *service);
/* Whether only programs of this machine can reach the front door. */
bool conf_is_loopback(const struct conf *c);
const char *conf_var(const struct conf *c, const char *name); /* NULL when there is none */
bool conf_has_service(const struct conf *c, const char *name);
/* How long the service's idempotency keys count; of NULL: the longest of all. */
int64_t conf_keep_idempotency(const struct conf *c, const struct service_conf *s);

/* "250ms" "10s" "5m" "24h" "7d" to milliseconds; a bare number is refused except "0".
 * ERR_INVALID with a sentence naming the units. */
int conf_parse_duration(const char *text, int64_t *ms, struct report *r);
/* "512" "64KiB" "8GiB" (B, KiB, MiB, GiB, TiB) to bytes. */
int conf_parse_size(const char *text, uint64_t *bytes, struct report *r);
/* "1000" is a number of dead letters, "64MiB" their size. */
int conf_parse_letters(const char *text, struct letter_quota *quota, struct report *r);
/* "200/s" "10/m" "5/h", "0" = unlimited, to starts per second. */
int conf_parse_rate(const char *text, double *per_second, struct report *r);
/* ms as a person writes it: "250 ms", "4 s", "1 m 30 s", "24 h". Returns `out`. */
const char *conf_duration_text(int64_t ms, char out[32]);
const char *conf_number_text(int64_t number, char out[32]);
/* "16 MiB": the largest unit that divides it. Returns `out`. */
const char *conf_size_text(int64_t bytes, char out[32]);
/* The nearest of `names` to `word` (edit distance at most 2, or a third of the
 * word, and less than the word), or NULL. */
const char *conf_suggest(const char *word, const char *const *names, size_t count);

enum { CONF_LOG_NAME_BYTES = 128 };

/* The name of this host's log in the database of store.url. */
void conf_log_name(const struct conf *c, char out[CONF_LOG_NAME_BYTES]);
/* Whether it is the url of a PostgreSQL. */
bool conf_is_postgres(const char *url);

#endif
