/*
 * opening.c - see io/pg/opening.h.
 *
 * What both threads use is freed by whoever lets go of it last: a look-up under way cannot be ended.
 */
#include "io/pg/opening.h"

#include "base/buf.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct pg_opening {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t ended;
    bool over;      /* conn is there */
    bool abandoned; /* nobody waits for it any more */
    PGconn *conn;
    char *url; /* the thread's */
};

static void opening_free(struct pg_opening *o) {
    PQfinish(o->conn);
    (void)pthread_cond_destroy(&o->ended);
    (void)pthread_mutex_destroy(&o->lock);
    free(o->url);
    free(o);
}

/* What stands before the url is a default, what stands behind it overrides. Kerberos blocks. */
static PGconn *dial(const char *url) {
    static const char *const names[] = {
        "connect_timeout", "tcp_user_timeout", "target_session_attrs", "fallback_application_name",
        "dbname",          "gssencmode",       "client_encoding",      NULL};
    const char *const values[] = {"5", "5000", "read-write", "zingq", url, "disable", "UTF8", NULL};
    return PQconnectdbParams(names, values, 1);
}

static void *open_it(void *arg) {
    struct pg_opening *o = arg;
    PGconn *conn = dial(o->url);
    (void)pthread_mutex_lock(&o->lock);
    o->conn = conn;
    o->over = true;
    bool abandoned = o->abandoned;
    (void)pthread_cond_signal(&o->ended);
    (void)pthread_mutex_unlock(&o->lock);
    if (abandoned) {
        opening_free(o);
    }
    return NULL;
}

static bool make_lock(struct pg_opening *o) {
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0) {
        return false;
    }
    bool made = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&o->ended, &monotonic) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    if (made && pthread_mutex_init(&o->lock, NULL) != 0) {
        (void)pthread_cond_destroy(&o->ended);
        return false;
    }
    return made;
}

struct pg_opening *pg_opening_begin(const char *url) {
    struct pg_opening *o = calloc(1, sizeof *o);
    if (o == NULL || !make_lock(o)) {
        free(o);
        return NULL;
    }
    o->url = slice_dup(slice_of(url));
    if (o->url == NULL || thread_start(open_it, o) != 0) {
        opening_free(o);
        return NULL;
    }
    return o;
}

static struct timespec after_ms(int64_t ms) {
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

bool pg_opening_take(struct pg_opening *o, int64_t wait_ms, PGconn **conn) {
    const struct timespec until = after_ms(wait_ms);
    (void)pthread_mutex_lock(&o->lock);
    for (int rc = 0; !o->over && rc == 0;) {
        rc = pthread_cond_timedwait(&o->ended, &o->lock, &until);
    }
    bool over = o->over;
    *conn = o->conn;
    o->conn = NULL;
    (void)pthread_mutex_unlock(&o->lock);
    if (over) {
        opening_free(o);
    }
    return over;
}

void pg_opening_abandon(struct pg_opening *o) {
    if (o == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&o->lock);
    o->abandoned = true;
    bool over = o->over;
    (void)pthread_mutex_unlock(&o->lock);
    if (over) {
        opening_free(o);
    }
}
