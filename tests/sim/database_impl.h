/*
 * database_impl.h - what the files of the database share; nobody else includes it.
 */
#ifndef ZINGQ_SIM_DATABASE_IMPL_H
#define ZINGQ_SIM_DATABASE_IMPL_H

#include "database.h"

#include "base/buf.h"

enum { TRANSACTION_SALES = 8 };

struct sim_transaction {
    struct sim_transaction *next;
    unsigned node;  /* whose it is; 0 = its connection is gone, and the server does not know yet */
    uint64_t id;    /* of the call that began it */
    bool commits;   /* its COMMIT has left */
    bool failed;    /* by an error: it can only end */
    char *done;     /* the row of zingq_done that it has claimed */
    char *result;   /* what it has written there; NULL = nothing */
    unsigned items; /* a bit for each that it holds */
    struct sim_sale sales[TRANSACTION_SALES];
    size_t sale_count;
};

/* What came of a statement. */
struct sim_executed {
    const char *sqlstate; /* NULL = it was executed */
    uint64_t rows;
    const char *column; /* of the row that it gives; NULL = none */
    uint32_t type;
    bool is_null, has_row;
    char value[256];
};

/* Executes it in that transaction, or in one of its own when there is none. False: it waits for
 * another transaction. */
bool tables_execute(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                    struct sim_executed *out);
/* A transaction that the statement begins. */
struct sim_transaction *transaction_new(struct sim *s, const struct sim_statement *q);
struct sim_transaction *transaction_of(struct sim *s, unsigned node, uint64_t id);
/* It is over. */
void transaction_end(struct sim *s, struct sim_transaction *t, bool commits);

#endif
