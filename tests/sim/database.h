/*
 * database.h - the PostgreSQL of the simulator, one for all hosts: it is asked where they ask io/pg,
 * and has transactions, locks and books of its own, which live on when a host dies.
 *
 *   database.c         statements under way: their connections break, their answers are lost or late,
 *                      the server starts anew, a COMMIT goes on after its host is gone
 *   database_tables.c  transactions, the locks that they hold, and what they have written
 *
 * It knows the statements of zing.sql.once and those of scripts/sell.lua, by how they begin.
 */
#ifndef ZINGQ_SIM_DATABASE_H
#define ZINGQ_SIM_DATABASE_H

#include "event/call.h"
#include "node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

enum { SALE_NAME_BYTES = 16, ITEMS = 12 /* one a key, see load.h */, DATABASE_CALM = 200 };

/* A row of "sales": what was done, of whom, and how much was sold of its item with it. */
struct sim_sale {
    uint32_t number;
    char name[SALE_NAME_BYTES];
    unsigned item;
    long sold; /* 0 = the statement that says so is missing */
};

/* A row of zingq_done. */
struct sim_done {
    char *key, *result; /* result: as text */
};

/* A statement that a host waits for, or does no more. */
struct sim_statement {
    struct sim_statement *next;
    unsigned node; /* a place; 0 = nobody waits for it */
    unsigned of;   /* whose transaction it is in; 0 = that is gone */
    uint64_t id, session;
    enum sql_scope scope;
    char *text, **params;
    size_t param_count;
    int64_t asked_ms, timeout_ms;
};

struct sim_transaction;

struct sim_database {
    struct sim_statement *statements, *last_statement;
    struct sim_transaction *transactions;
    unsigned calm; /* rounds since the faults of all others are over: its own go on for a while */
    bool has_done; /* the table zingq_done was made */
    struct sim_done *done;
    size_t done_count, done_cap;
    struct sim_sale *sales;
    size_t sale_count, sale_cap;
    uint8_t *seen; /* the table "seen": how often each number was put into it */
    size_t seen_cap;
    long sold[ITEMS];
};

/* The door: as pg_start and pg_cancel. */
int database_start(struct sim *s, struct node *n, uint64_t id, const struct call_request *request);
void database_cancel(struct sim *s, struct node *n, uint64_t id);
/* The host is gone: its connections are, as soon as the server notices. */
void database_forget(struct sim *s, const struct node *n);
/* Executes some of what is open, or all. */
void database_answer(struct sim *s, bool faults);
/* Statements that are open, and transactions. */
size_t database_open(const struct sim *s);
/* A host keeps no transaction open that none of its attempts is in. */
void database_check(struct sim *s, struct node *n);
/* How many sales of that name the event has; *sold: what the last one came to. */
unsigned database_sales(const struct sim *s, uint32_t number, const char *name);
/* Whether one of these came to so much. */
bool database_sold(const struct sim *s, uint32_t number, const char *name, long sold);
/* What is sold of each item is what its sales say. */
void database_check_books(struct sim *s);
void database_clear(struct sim *s);

#endif
