/*
 * mimic.h - a server on a loopback port that says what a script says, whatever it is asked: for
 * fuzzers of what peers answer.
 *
 * A script is a list of answers with 0xFF 0xFE between them. The first one is given when a client
 * connects, and one more each time something comes from it, or nothing for 3 ms; after the last one the
 * server closes its side.
 */
#ifndef TESTS_MIMIC_H
#define TESTS_MIMIC_H

#include "base/buf.h"

#include <uv.h>

struct mimic {
    uv_loop_t loop;
    uv_tcp_t server;
    uv_tcp_t *client; /* the connection; NULL = there is none */
    size_t open;      /* connections, with those that are being closed */
    uv_timer_t guard; /* of mimic_play */
    uv_timer_t pace;  /* of a client that waits */
    uint16_t port;
    struct slice script; /* what is left of it */
    bool over;           /* the script has ended */
    unsigned waits;      /* since mimic_play */
    char bytes[65536];
};

/* Made at the first call, with its loop; the same one afterwards. */
struct mimic *mimic_get(void);
/* The next connection hears the script, which is borrowed. */
void mimic_play(struct mimic *m, struct slice script);
/* A turn of the loop; waits for something to do. */
void mimic_turn(struct mimic *m);
/* Ends the connection, if there is one. */
void mimic_end(struct mimic *m);

#endif
