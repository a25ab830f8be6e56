/* ask.c - the connection of a struct cluster: statements, and what comes of them. */
#include "cluster/cluster_impl.h"
#include "cluster/schema.h"

#include <sodium.h>
#include <stdlib.h>

int cluster_new(struct cluster **out, const struct cluster_options *options, struct report *r) {
    const struct pg_line_options line = {.url = options->url, .patience_ms = options->patience_ms};
    struct cluster *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    c->options = *options;
    randombytes_buf(&c->token, sizeof c->token);
    buf_init(&c->kept, PG_ANSWER_BYTES);
    int code = pg_line_new(&c->line, &line, r);
    if (code != 0) {
        cluster_free(c);
        return code;
    }
    *out = c;
    return 0;
}

void cluster_free(struct cluster *c) {
    if (c == NULL) {
        return;
    }
    pg_line_free(c->line);
    buf_clear(&c->kept);
    free(c);
}

void cluster_begin(const struct cluster *c, struct pg_params *params) {
    params->count = 0;
    pg_add(params, slice_of(c->options.cluster));
}

int cluster_tell_none(const struct cluster *c, struct report *r) {
    return report(r, ERR_NOTFOUND,
                  "the database of store.url has no cluster \"%s\" (cluster.name): `zingq cluster "
                  "init` makes it",
                  c->options.cluster);
}

int cluster_judge(const struct cluster *c, int code, struct report *r) {
    return code == 0 || code == ERR_NOTFOUND ? code
           : code == ERR_MEMORY
               ? report(r, code, "%s", error_text(code))
               : cluster_refused(c->line, code, "the tables of the cluster cannot be used", r);
}

int cluster_connect(struct cluster *c, struct report *r) {
    int code = pg_line_connect(c->line, c->options.patience_ms);
    if (code != 0) {
        return report(r, code, "the database of store.url: %s",
                      code == ERR_MEMORY ? error_text(code) : pg_line_error(c->line));
    }
    code = c->known ? 0 : schema_find(c->line, r);
    c->known = code == 0;
    return code == ERR_NOTFOUND ? cluster_tell_none(c, r) : code;
}

int cluster_ask_long(struct cluster *c, const struct pg_statement *statement,
                     const struct pg_params *params, struct buf *kept, struct pg_row *row,
                     struct report *r) {
    int code = cluster_connect(c, r);
    return code == 0 ? cluster_judge(c, pg_line_ask(c->line, statement, params, kept, row), r)
                     : code;
}

int cluster_ask(struct cluster *c, const struct pg_statement *statement,
                const struct pg_params *params, struct pg_row *row, struct report *r) {
    return cluster_ask_long(c, statement, params, &c->kept, row, r);
}
