/*
 * connect.c - opening a connection: the names of its hosts become addresses (io/pg/name.c looks them
 * up), and libpq connects to the first of these that answers, as its url says.
 *
 * libpq itself would look names up with a call that blocks; given `hostaddr` beside `host` it does
 * not, and still checks certificates against the name.
 */
#include "io/pg/impl.h"

#include "base/limits.h"
#include "base/url.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIST_BYTES_MAX = 64 << 10 };

struct pg_look_up {
    uv_async_t wake; /* first: a name has been looked up */
    bool waking;     /* it is a handle of the loop */
    struct pg *pg;
    struct pg_link *link;
    struct pg_question *question;   /* NULL: none is looked up now */
    PQconninfoOption *options;      /* of the url */
    struct slice hosts, ports;      /* what is left to look up; in `defaults` or `options` */
    PQconninfoOption *defaults;     /* of the environment; NULL = not needed */
    struct buf host, address, port; /* the lists for libpq: an entry for each address */
    size_t count;
};

/* ---- the url ---- */

static PQconninfoOption *find(PQconninfoOption *options, const char *keyword) {
    for (PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        if (strcmp(o->keyword, keyword) == 0) {
            return o;
        }
    }
    return NULL;
}

static const char *value_of(PQconninfoOption *options, const char *keyword) {
    const PQconninfoOption *o = find(options, keyword);
    return o == NULL || o->val == NULL || o->val[0] == '\0' ? NULL : o->val;
}

int pg_check_url(const char *url, struct report *r) {
    char *wrong = NULL;
    char text[256];
    PQconninfoOption *options = PQconninfoParse(url, &wrong);
    if (options == NULL) {
        pg_take_text(text, sizeof text, wrong == NULL ? "out of memory" : wrong);
        (void)url_cut_logins(text);
        PQfreemem(wrong);
        return report(r, ERR_INVALID, "%s", text);
    }
    bool service = value_of(options, "service") != NULL;
    PQconninfoFree(options);
    return service ? report(r, ERR_INVALID, "write the host into the url instead of a service") : 0;
}

int pg_check(const struct conf *conf, struct report *r) {
    struct report of_store;
    if (conf->store_url[0] != '\0' && pg_check_url(conf->store_url, &of_store) != 0) {
        return report(r, ERR_INVALID, "%s: store: url: %s", conf->file, of_store.text);
    }
    for (size_t i = 0; i < conf->database_count; i++) {
        const struct database_conf *d = &conf->databases[i];
        struct report wrong;
        if (d->url[0] != '\0' && pg_check_url(d->url, &wrong) != 0) {
            return report(r, ERR_INVALID, "%s:%d: database \"%s\": url: %s", conf->file, d->line,
                          d->name, wrong.text);
        }
    }
    return 0;
}

/* ---- lists ---- */

/* Takes the next item of a comma-separated list. */
static struct slice take_item(struct slice *list) {
    const char *comma = list->len == 0 ? NULL : memchr(list->data, ',', list->len);
    struct slice item = {list->data, comma == NULL ? list->len : (size_t)(comma - list->data)};
    size_t taken = item.len + (comma == NULL ? 0 : 1);
    *list = (struct slice){list->data + taken, list->len - taken};
    return item;
}

static void add_item(struct buf *list, struct slice item, bool first) {
    if (!first) {
        buf_add_u8(list, ',');
    }
    buf_add_slice(list, item);
}

static size_t count_items(struct slice list) {
    size_t count = 1;
    for (size_t i = 0; i < list.len; i++) {
        count += list.data[i] == ',' ? 1 : 0;
    }
    return count;
}

/* The first `by` items go to the end, round and round. */
static void rotate(struct buf *list, size_t by) {
    struct slice rest = buf_slice(list);
    struct buf rotated;
    buf_init(&rotated, LIST_BYTES_MAX);
    for (by %= count_items(rest); by > 0; by--) {
        (void)take_item(&rest);
    }
    if (rest.len == list->len) {
        return;
    }
    buf_add_slice(&rotated, rest);
    add_item(&rotated, (struct slice){list->data, list->len - rest.len - 1}, false);
    rotated.failed = rotated.failed || list->failed;
    buf_clear(list);
    *list = rotated;
}

/* ---- connecting ---- */

/* The options of libpq: those of the url, but for the ones that are set here. */
enum { OPTIONS_MAX = 80, OWN_OPTIONS = 6 };

static bool is_own(const char *keyword) {
    static const char *const own[] = {"host",       "hostaddr",        "port",
                                      "gssencmode", "client_encoding", "service"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (strcmp(keyword, own[i]) == 0) {
            return true;
        }
    }
    return false;
}

static PGconn *start(struct pg_look_up *n) {
    const char *names[OPTIONS_MAX + 1] = {
        "host", "hostaddr", "port", "gssencmode", "client_encoding", "fallback_application_name"};
    const char *values[OPTIONS_MAX + 1] = {
        buf_str(&n->host), buf_str(&n->address), buf_str(&n->port), "disable", "UTF8", "zingq"};
    size_t count = OWN_OPTIONS;
    for (const PQconninfoOption *o = n->options; o->keyword != NULL && count < OPTIONS_MAX; o++) {
        if (o->val != NULL && !is_own(o->keyword)) {
            names[count] = o->keyword;
            values[count++] = o->val;
        }
    }
    names[count] = NULL;
    bool lists = n->host.failed || n->address.failed || n->port.failed;
    return lists ? NULL : PQconnectStartParams(names, values, 0);
}

static void fail(struct pg_link *link, const char *text) {
    pg_take_text(link->database->error, sizeof link->database->error, text);
    (void)url_cut_logins(link->database->error);
    link->database->pg->hooks.failed(link);
}

static void step(struct pg_link *link, PostgresPollingStatusType wants) {
    if (wants == PGRES_POLLING_OK) {
        link->database->error[0] = '\0';
        link->database->pg->hooks.ready(link);
    } else if (wants == PGRES_POLLING_FAILED) {
        fail(link, PQerrorMessage(link->conn));
    } else if (!pg_link_watch(link, wants == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE)) {
        fail(link, "its socket cannot be watched");
    } else if (link->patience_ms > 0) {
        uint64_t by = uv_now(link->database->pg->loop) + link->patience_ms;
        link->until_ms = by < link->latest_ms ? by : link->latest_ms;
        pg_due(link->database->pg, link->until_ms);
    }
}

static void connect_on(struct pg_link *link) {
    pg_link_unwatch(link); /* libpq may close it, and open another of the same number */
    step(link, PQconnectPoll(link->conn));
}

/* libpq goes on to the next address after an error, but waits for a silent one without end. */
static void order_addresses(struct pg_link *link) {
    struct pg_look_up *n = link->names;
    const char *given = value_of(n->options, "connect_timeout");
    long seconds = given == NULL ? 0 : strtol(given, NULL, 10);
    if (count_items(buf_slice(&n->address)) == 1) {
        return;
    }
    link->patience_ms = seconds <= 0                     ? PG_ADDRESS_MS
                        : seconds < PG_CONNECT_MS / 1000 ? (uint64_t)seconds * 1000
                                                         : PG_CONNECT_MS;
    link->first = link->database->first;
    rotate(&n->host, link->first);
    rotate(&n->address, link->first);
    rotate(&n->port, link->first);
}

static void connect_now(struct pg_link *link) {
    order_addresses(link);
    link->conn = start(link->names);
    pg_forget_names(link);
    link->state = LINK_CONNECTING;
    link->on_socket = connect_on;
    if (link->conn == NULL) {
        fail(link, "out of memory");
    } else if (PQstatus(link->conn) == CONNECTION_BAD) {
        fail(link, PQerrorMessage(link->conn));
    } else {
        step(link, PGRES_POLLING_WRITING);
    }
}

/* ---- names ---- */

static void on_wake_closed(uv_handle_t *handle) {
    struct pg_look_up *n = (struct pg_look_up *)handle;
    struct pg *pg = n->pg;
    free(n);
    pg_handle_closed(pg);
}

void pg_forget_names(struct pg_link *link) {
    struct pg_look_up *n = link->names;
    link->names = NULL;
    if (n == NULL) {
        return;
    }
    pg_forget_name(n->question);
    PQconninfoFree(n->options);
    PQconninfoFree(n->defaults);
    buf_clear(&n->host);
    buf_clear(&n->address);
    buf_clear(&n->port);
    if (n->waking) {
        uv_close((uv_handle_t *)&n->wake, on_wake_closed);
    } else {
        free(n);
    }
}

/* One entry of the lists. */
static void add_address(struct pg_look_up *n, struct slice host, struct slice address,
                        struct slice port) {
    bool first = n->count++ == 0;
    add_item(&n->host, host, first);
    add_item(&n->address, address, first);
    add_item(&n->port, port, first);
}

/* The host that is being looked up, and its port: one port is that of all hosts. */
static struct slice next_port(struct pg_look_up *n) {
    return memchr(n->ports.data, ',', n->ports.len) == NULL ? n->ports : take_item(&n->ports);
}

static void look_up_next(struct pg_look_up *n, struct pg_link *link);

static void add_addresses(struct pg_look_up *n, const struct addrinfo *list) {
    struct slice host = take_item(&n->hosts);
    struct slice port = next_port(n);
    for (const struct addrinfo *a = list; a != NULL && n->count < SQL_ADDRESSES_MAX;
         a = a->ai_next) {
        char text[NI_MAXHOST];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) ==
            0) {
            add_address(n, host, slice_of(text), port);
        }
    }
}

static void on_wake(uv_async_t *wake) {
    struct pg_look_up *n = (struct pg_look_up *)wake;
    struct pg_link *link = n->link;
    const struct addrinfo *list = NULL;
    int error = 0;
    if (n->question == NULL || !pg_name_answered(n->question, &error, &list)) {
        return;
    }
    struct slice hosts = n->hosts;
    struct slice host = take_item(&hosts);
    if (error != 0) {
        (void)snprintf(link->database->error, sizeof link->database->error, "%.*s: %s",
                       (int)(host.len > 100 ? 100 : host.len), host.data, gai_strerror(error));
    }
    add_addresses(n, list);
    pg_forget_name(n->question);
    n->question = NULL;
    look_up_next(n, link);
}

/* The question that looks up `host`. ERR_LIMIT, ERR_SYSTEM, ERR_MEMORY. */
static int look_up(struct pg_look_up *n, struct slice host) {
    if (!n->waking && uv_async_init(n->pg->loop, &n->wake, on_wake) != 0) {
        return ERR_SYSTEM;
    }
    n->pg->handles += n->waking ? 0 : 1;
    n->waking = true;
    return pg_ask_name(&n->question, host, &n->wake);
}

static bool is_address(struct slice host) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr out;
    int len = snprintf(text, sizeof text, "%.*s", (int)host.len, host.data);
    return len < (int)sizeof text &&
           (inet_pton(AF_INET, text, &out) == 1 || inet_pton(AF_INET6, text, &out) == 1);
}

/* Sockets of this machine have a path, or "@" and a name; "" is libpq's default, one of these. */
static bool is_local(struct slice host) {
    return host.len == 0 || host.data[0] == '/' || host.data[0] == '@';
}

/* Goes through the hosts up to the next one that has a name. */
static void look_up_next(struct pg_look_up *n, struct pg_link *link) {
    while (n->hosts.len > 0) {
        struct slice rest = n->hosts;
        struct slice host = take_item(&rest);
        bool there = is_local(host) || is_address(host);
        if (!there && n->count < SQL_ADDRESSES_MAX) {
            int code = look_up(n, host);
            if (code == ERR_LIMIT || code == ERR_SYSTEM) { /* it says nothing of the database */
                link->database->pg->hooks.put_off(link);
            } else if (code != 0) {
                fail(link, "the name of its host cannot be looked up");
            }
            return;
        }
        n->hosts = rest;
        struct slice port = next_port(n);
        if (there && n->count < SQL_ADDRESSES_MAX) {
            add_address(n, host, is_local(host) ? slice_of("") : host, port);
        }
    }
    if (n->count == 0) { /* the reason is there already */
        link->database->pg->hooks.failed(link);
        return;
    }
    connect_now(link);
}

/* Without a host in the url libpq takes the environment's. */
static const char *setting(struct pg_look_up *n, const char *keyword) {
    const char *given = value_of(n->options, keyword);
    if (given == NULL) {
        n->defaults = n->defaults == NULL ? PQconndefaults() : n->defaults;
        given = value_of(n->defaults, keyword);
    }
    return given == NULL ? "" : given;
}

int pg_connect(struct pg_link *link) {
    struct pg_look_up *n = calloc(1, sizeof *n);
    if (n == NULL) {
        return ERR_MEMORY;
    }
    n->pg = link->database->pg;
    n->link = link;
    n->options = PQconninfoParse(link->database->conf->url, NULL);
    buf_init(&n->host, LIST_BYTES_MAX);
    buf_init(&n->address, LIST_BYTES_MAX);
    buf_init(&n->port, LIST_BYTES_MAX);
    link->names = n;
    if (n->options == NULL) {
        return ERR_MEMORY;
    }
    n->hosts = slice_of(setting(n, "host"));
    n->ports = slice_of(setting(n, "port"));
    const char *addresses = value_of(n->options, "hostaddr");
    if (addresses != NULL) { /* nothing to look up */
        buf_add_str(&n->host, n->hosts.len == 0 ? "" : n->hosts.data);
        buf_add_str(&n->address, addresses);
        buf_add_str(&n->port, n->ports.data);
        connect_now(link);
        return 0;
    }
    if (n->hosts.len == 0) {
        add_address(n, slice_of(""), slice_of(""), n->ports);
    }
    look_up_next(n, link);
    return 0;
}
