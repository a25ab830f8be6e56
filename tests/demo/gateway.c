/*
 * gateway.c - a payment gateway for the demo and the tests, in the manner of Stripe.
 *
 *   POST /v1/charges   amount currency source metadata[booking_id]   200, 402 card_declined
 *   POST /v1/refunds   charge                                        200
 *   GET  /v1/charges/search?query=metadata['booking_id']:'b-1'       the charges of a booking
 *   GET  /stats        counters
 *
 * Both POSTs need an Idempotency-Key: the same key with the same form gets the answer it got
 * before, with another form a 400, while it is under way a 409. It can be made to decline, to fail,
 * to be slow, and to lose answers (see usage); what happens depends on the seed and the keys alone,
 * so a run can be repeated. The books are kept in ledger.c.
 *
 * Some sources have a fate of their own:
 *   tok_chargeDeclined  402           tok_slow  charged, answered after --stall-ms
 *   tok_lost            charged, and no answer leaves, ever
 *   tok_webhook         202 pending: that it is paid comes later, by a webhook
 *
 * One thread: libmicrohttpd's epoll descriptor is polled, late answers wait in a list.
 */
#include "ledger.h"

#include "base/json.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

enum { FIELDS = 5, VALUE_MAX = 256, CONNECTIONS_MAX = 8000 };

static const char *const field_names[FIELDS] = {"amount", "currency", "source",
                                                "metadata[booking_id]", "charge"};

/* A request under way. */
struct job {
    struct MHD_Connection *connection;
    struct MHD_PostProcessor *form; /* NULL: no body expected */
    char values[FIELDS][VALUE_MAX];
    bool given[FIELDS], too_long;
    char key[VALUE_MAX]; /* "" = none that the ledger keeps busy */
    struct ledger_answer answer;
    bool decided;
    int64_t due_ms; /* when the answer may leave */
    TAILQ_ENTRY(job) link;
};

TAILQ_HEAD(job_list, job);

struct server {
    struct MHD_Daemon *daemon;
    struct ledger *ledger;
    long slow_ms;
    long stall_ms;        /* for the source tok_slow, beside slow_ms */
    struct job_list late; /* decided, waiting for due_ms, in that order */
};

static volatile sig_atomic_t stopping;

static void on_signal(int number) {
    (void)number;
    stopping = 1;
}

static int64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- one request ---- */

static enum MHD_Result on_field(void *ctx, enum MHD_ValueKind kind, const char *name,
                                const char *filename, const char *type, const char *encoding,
                                const char *data, uint64_t offset, size_t len) {
    (void)kind;
    (void)filename;
    (void)type;
    (void)encoding;
    struct job *job = ctx;
    for (size_t i = 0; i < FIELDS; i++) {
        if (strcmp(name, field_names[i]) != 0) {
            continue;
        }
        if (offset + len >= VALUE_MAX) {
            job->too_long = true;
            return MHD_YES;
        }
        memcpy(job->values[i] + offset, data, len);
        job->values[i][offset + len] = '\0';
        job->given[i] = true;
    }
    return MHD_YES;
}

static enum MHD_Result queue_json(struct MHD_Connection *connection, int status, json_t *body) {
    char *text = json_dumps(body);
    if (text == NULL) {
        return MHD_NO;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

/* The answer leaves: the connection gets it, or is closed if it is to be lost. */
static enum MHD_Result deliver(struct server *server, struct job *job) {
    if (job->answer.begun) {
        ledger_finish(server->ledger, job->key);
        job->answer.begun = false;
    }
    if (job->answer.drop) {
        return MHD_NO;
    }
    return queue_json(job->connection, job->answer.status, job->answer.body);
}

static const char *value_of(const struct job *job, size_t field) {
    return job->given[field] ? job->values[field] : NULL;
}

static void decide(struct server *server, struct job *job, bool refund) {
    const char *key =
        MHD_lookup_connection_value(job->connection, MHD_HEADER_KIND, "Idempotency-Key");
    struct ledger_request request = {.refund = refund,
                                     .key = key,
                                     .amount = value_of(job, 0),
                                     .currency = value_of(job, 1),
                                     .source = value_of(job, 2),
                                     .booking_id = value_of(job, 3),
                                     .charge = value_of(job, 4)};
    if (job->too_long) {
        request.key = NULL; /* refused like a request without a key */
    }
    ledger_decide(server->ledger, &request, &job->answer);
    (void)snprintf(job->key, sizeof job->key, "%s", key != NULL ? key : "");
    job->decided = true;
}

/* Keeps the list in the order of due_ms; nearly always the end is the place. */
static void put_late(struct server *server, struct job *job) {
    struct job *before = TAILQ_LAST(&server->late, job_list);
    while (before != NULL && before->due_ms > job->due_ms) {
        before = TAILQ_PREV(before, job_list, link);
    }
    if (before == NULL) {
        TAILQ_INSERT_HEAD(&server->late, job, link);
    } else {
        TAILQ_INSERT_AFTER(&server->late, before, job, link);
    }
}

static enum MHD_Result finish_post(struct server *server, struct job *job, bool refund) {
    if (!job->decided) {
        decide(server, job, refund);
        bool stalls = !refund && strcmp(job->values[2], "tok_slow") == 0;
        long wait = server->slow_ms + (stalls ? server->stall_ms : 0);
        if (wait > 0) {
            job->due_ms = now_ms() + wait;
            put_late(server, job);
            MHD_suspend_connection(job->connection);
            return MHD_YES;
        }
    }
    return deliver(server, job);
}

static enum MHD_Result begin(struct MHD_Connection *connection, bool post, void **own) {
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return MHD_NO;
    }
    job->connection = connection;
    if (post) { /* NULL without a form: then there are no fields */
        job->form = MHD_create_post_processor(connection, 4096, on_field, job);
    }
    *own = job;
    return MHD_YES;
}

static enum MHD_Result refuse(struct MHD_Connection *connection) {
    json_t *body = json_pack("{s:{s:s, s:s}}", "error", "type", "invalid_request_error", "message",
                             "no such method and path");
    enum MHD_Result queued = queue_json(connection, MHD_HTTP_NOT_FOUND, body);
    json_decref(body);
    return queued;
}

/* The booking in metadata['booking_id']:'b-1'; the only query there is. */
static bool parse_query(const char *query, char booking_id[VALUE_MAX]) {
    static const char before[] = "metadata['booking_id']:'";
    size_t skip = sizeof before - 1;
    if (query == NULL || strncmp(query, before, skip) != 0) {
        return false;
    }
    size_t len = strcspn(query + skip, "'");
    if (len >= VALUE_MAX || strcmp(query + skip + len, "'") != 0) {
        return false;
    }
    memcpy(booking_id, query + skip, len);
    booking_id[len] = '\0';
    return true;
}

/* Requests that change nothing. */
static enum MHD_Result look(struct server *server, struct MHD_Connection *connection,
                            const char *url) {
    const char *query = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "query");
    char booking_id[VALUE_MAX];
    json_t *body;
    if (strcmp(url, "/stats") == 0) {
        body = ledger_stats(server->ledger);
    } else if (strcmp(url, "/v1/charges/search") == 0 && parse_query(query, booking_id)) {
        body = ledger_search(server->ledger, booking_id);
    } else {
        return refuse(connection);
    }
    enum MHD_Result queued = queue_json(connection, MHD_HTTP_OK, body);
    json_decref(body);
    return queued;
}

static enum MHD_Result on_access(void *ctx, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *len, void **own) {
    (void)version;
    struct server *server = ctx;
    struct job *job = *own;
    bool post = strcmp(method, "POST") == 0;
    if (stopping) {
        return MHD_NO;
    }
    if (job == NULL) {
        return begin(connection, post, own);
    }
    if (*len > 0) {
        if (job->form != NULL) {
            (void)MHD_post_process(job->form, data, *len);
        }
        *len = 0;
        return MHD_YES;
    }
    if (post && strcmp(url, "/v1/charges") == 0) {
        return finish_post(server, job, false);
    }
    if (post && strcmp(url, "/v1/refunds") == 0) {
        return finish_post(server, job, true);
    }
    return post ? refuse(connection) : look(server, connection, url);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **own,
                         enum MHD_RequestTerminationCode why) {
    (void)connection;
    (void)why;
    struct server *server = ctx;
    struct job *job = *own;
    if (job == NULL) {
        return;
    }
    if (job->answer.begun) {
        ledger_finish(server->ledger, job->key);
    }
    if (job->form != NULL) {
        (void)MHD_destroy_post_processor(job->form);
    }
    json_decref(job->answer.body);
    free(job);
    *own = NULL;
}

/* ---- the server ---- */

static struct MHD_Daemon *listen_on(struct server *server, uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access,
                            server, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)CONNECTIONS_MAX, MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u,
                            MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_NOTIFY_COMPLETED,
                            on_completed, server, MHD_OPTION_END);
}

/* Resumes those whose time has come; on_access is then called again for each. */
static void release(struct server *server, int64_t now) {
    struct job *job;
    while ((job = TAILQ_FIRST(&server->late)) != NULL && job->due_ms <= now) {
        TAILQ_REMOVE(&server->late, job, link);
        MHD_resume_connection(job->connection);
    }
}

static int wait_ms(const struct server *server) {
    int64_t wait = 1000;
    MHD_UNSIGNED_LONG_LONG due;
    if (MHD_get_timeout(server->daemon, &due) == MHD_YES && (int64_t)due < wait) {
        wait = (int64_t)due;
    }
    const struct job *first = TAILQ_FIRST(&server->late);
    if (first != NULL && first->due_ms - now_ms() < wait) {
        wait = first->due_ms - now_ms();
    }
    return wait > 0 ? (int)wait : 0;
}

static void serve(struct server *server) {
    int fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    while (!stopping) {
        (void)MHD_run(server->daemon);
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        (void)poll(&ready, 1, wait_ms(server)); /* a signal ends it early, which is as well */
        release(server, now_ms());
    }
    release(server, INT64_MAX);
    (void)MHD_run(server->daemon);
    MHD_stop_daemon(server->daemon);
}

static int usage(void) {
    (void)fputs(
        "usage: gateway [--port N] [--decline RATE] [--fail RATE] [--timeout-rate RATE]\n"
        "               [--slow-ms N] [--stall-ms N] [--seed WORD] [--log FILE]\n"
        "  --port N            the port on 127.0.0.1; 0 (the default) any; printed on stdout\n"
        "  --decline RATE      share of charges declined for good (402)\n"
        "  --fail RATE         share of requests answered 500 without doing anything\n"
        "  --timeout-rate RATE share of requests carried out and then not answered\n"
        "  --slow-ms N         time before each answer\n"
        "  --stall-ms N        time more for the source tok_slow\n"
        "  --seed WORD         another word, another run\n"
        "  --log FILE          the record of all decisions, read again at the start\n",
        stderr);
    return 2;
}

struct options {
    struct ledger_rates rates;
    const char *log;
    unsigned long port;
    long slow_ms, stall_ms;
};

static bool parse(int argc, char **argv, struct options *o) {
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"decline", required_argument, NULL, 'd'},
                                            {"fail", required_argument, NULL, 'f'},
                                            {"timeout-rate", required_argument, NULL, 't'},
                                            {"slow-ms", required_argument, NULL, 'w'},
                                            {"stall-ms", required_argument, NULL, 'S'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"log", required_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'p':
            o->port = strtoul(optarg, NULL, 10);
            break;
        case 'd':
            o->rates.decline = strtod(optarg, NULL);
            break;
        case 'f':
            o->rates.fail = strtod(optarg, NULL);
            break;
        case 't':
            o->rates.timeout = strtod(optarg, NULL);
            break;
        case 'w':
            o->slow_ms = strtol(optarg, NULL, 10);
            break;
        case 'S':
            o->stall_ms = strtol(optarg, NULL, 10);
            break;
        case 's':
            o->rates.seed = optarg;
            break;
        case 'l':
            o->log = optarg;
            break;
        default:
            return false;
        }
    }
    return optind == argc && o->port <= UINT16_MAX;
}

int main(int argc, char **argv) {
    struct options o = {.rates.seed = "1"};
    if (!parse(argc, argv, &o)) {
        return usage();
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTERM, on_signal);
    (void)signal(SIGINT, on_signal);
    struct server server = {.slow_ms = o.slow_ms, .stall_ms = o.stall_ms};
    TAILQ_INIT(&server.late);
    server.ledger = ledger_open(o.log, &o.rates);
    if (server.ledger == NULL) {
        perror(o.log);
        return 3;
    }
    server.daemon = listen_on(&server, (uint16_t)o.port);
    if (server.daemon == NULL) {
        (void)fprintf(stderr, "gateway: cannot listen on 127.0.0.1:%lu\n", o.port);
        ledger_close(server.ledger);
        return 3;
    }
    (void)printf("%u\n", MHD_get_daemon_info(server.daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    (void)fflush(stdout);
    serve(&server);
    ledger_close(server.ledger);
    return 0;
}
