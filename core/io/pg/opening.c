/* opening.c - see io/pg/opening.h. A look-up under way cannot be ended. */
#include "io/pg/opening.h"

#include "base/buf.h"
#include "base/thread.h"

#include <stdbool.h>
#include <stdlib.h>

struct pg_opening {
    struct thread thread;
    PGconn *conn;
    char *url;
};

static void opening_free(struct pg_opening *o) {
    PQfinish(o->conn);
    thread_destroy(&o->thread);
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

static void open_it(struct thread *thread) {
    struct pg_opening *o = (struct pg_opening *)thread;
    o->conn = dial(o->url);
}

static void release(struct thread *thread) {
    opening_free((struct pg_opening *)thread);
}

struct pg_opening *pg_opening_begin(const char *url) {
    struct pg_opening *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return NULL;
    }
    thread_init(&o->thread);
    o->thread.run = open_it;
    o->thread.release = release;
    o->url = slice_dup(slice_of(url));
    if (o->url == NULL || thread_start(&o->thread) != 0) {
        opening_free(o);
        return NULL;
    }
    return o;
}

bool pg_opening_take(struct pg_opening *o, int64_t wait_ms, PGconn **conn) {
    *conn = NULL;
    if (!thread_wait(&o->thread, wait_ms)) {
        return false;
    }
    *conn = o->conn;
    o->conn = NULL;
    opening_free(o);
    return true;
}

void pg_opening_abandon(struct pg_opening *o) {
    if (o != NULL && thread_leave(&o->thread)) {
        opening_free(o);
    }
}
