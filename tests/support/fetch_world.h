/*
 * fetch_world.h - a loop with struct fetch on it, a real HTTP server (libmicrohttpd, in a thread of
 * this program) and, if asked for, a real SMTP server (aiosmtpd, a child process running
 * tests/demo/smtp_sink.py, which names what each recipient does).
 */
#ifndef ZINGQ_TEST_FETCH_WORLD_H
#define ZINGQ_TEST_FETCH_WORLD_H

#include "io/fetch/fetch.h"

#include <microhttpd.h>
#include <sys/types.h>

enum { RESULTS_MAX = 1100, CROWD = 1000, LARGE_BYTES = 4 << 20 /* the body of /large */ };

struct world {
    uv_loop_t loop;
    struct fetch *fetch;
    struct call_result results[RESULTS_MAX]; /* by id */
    int done[RESULTS_MAX];                   /* times on_done came */
    size_t done_count;
    struct MHD_Daemon *http;
    uint16_t http_port;
    int connections;                       /* accepted by the HTTP server since the start */
    struct MHD_Connection *_Atomic silent; /* suspended until the end of the test */
    char *huge;                            /* the body of /huge */
    pid_t smtp;
    uint16_t smtp_port;
    char smtp_log[64]; /* what the SMTP server accepted, a JSON line a mail */
};

/* Setups and the teardown for cmocka; *state is the world. */
int fetch_world_open(void **state);
int fetch_world_open_with_smtp(void **state);
int fetch_world_close(void **state);

/* Runs the loop until so many calls have been handed over since the start. */
void run_until(struct world *w, size_t done_count);
/* Runs one call to its end and frees the request. */
struct call_result *call(struct world *w, uint64_t id, struct call_request *request);
/* A port of this machine that nobody listens on: bound, never listened. The caller closes the
 * socket that keeps it. */
int closed_port(uint16_t *port);

struct call_request *http_request(const char *method, uint16_t port, const char *path);
/* One recipient; more with call_request_to. */
struct call_request *mail_request(struct world *w, const char *to, const char *message);

#endif
