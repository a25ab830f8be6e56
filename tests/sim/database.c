/* database.c - see database.h. */
#include "database.h"

#include "database_impl.h"
#include "memory.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the door --- */

static void add(struct sim_database *d, struct sim_statement *q) {
    q->next = NULL;
    if (d->last_statement == NULL) {
        d->statements = q;
    } else {
        d->last_statement->next = q;
    }
    d->last_statement = q;
}

static void free_statement(struct sim_statement *q) {
    for (size_t i = 0; i < q->param_count; i++) {
        free(q->params[i]);
    }
    free((void *)q->params);
    free(q->text);
    free(q);
}

int database_start(struct sim *s, struct node *n, uint64_t id, const struct call_request *request) {
    struct sim_statement *q = made(calloc(1, sizeof *q));
    *q = (struct sim_statement){.node = n->place,
                                .of = n->place,
                                .id = id,
                                .session = request->session,
                                .scope = request->scope,
                                .text = made_copy((struct slice){request->body, request->body_len}),
                                .params = made(calloc(request->param_count + 1, sizeof(char *))),
                                .param_count = request->param_count,
                                .asked_ms = s->true_ms,
                                .timeout_ms = request->timeout_ms};
    for (size_t i = 0; i < q->param_count; i++) {
        q->params[i] = made_copy(slice_of(request->params[i]));
    }
    add(&s->database, q);
    sim_tell(s, "host %u asks the database, %llu of %llu: %.40s", n->number, (unsigned long long)id,
             (unsigned long long)q->session, q->text);
    return 0;
}

/* Nobody waits for it. A COMMIT that has left goes on. */
static void leave_statement(struct sim *s, struct sim_statement *q) {
    struct sim_transaction *t = transaction_of(s, q->node, q->session);
    struct sim_executed x;
    if (t != NULL && q->scope == SQL_COMMIT && !t->failed && sim_chance(s, 60)) {
        t->commits = tables_execute(s, t, q, &x);
    }
    if (t != NULL) {
        t->node = 0;
    }
    q->node = q->of = 0;
}

/* The server rolls back what its client began, as soon as it notices. */
static void leave(struct sim *s, unsigned node, bool all, uint64_t id) {
    for (struct sim_statement *q = s->database.statements; q != NULL; q = q->next) {
        if (q->node == node && (all || q->id == id)) {
            leave_statement(s, q);
        }
    }
    for (struct sim_transaction *t = s->database.transactions; t != NULL; t = t->next) {
        t->node = t->node == node && (all || t->id == id) ? 0 : t->node;
    }
}

void database_cancel(struct sim *s, struct node *n, uint64_t id) {
    leave(s, n->place, false, id);
}

void database_forget(struct sim *s, const struct node *n) {
    leave(s, n->place, true, 0);
}

/* --- answers --- */

/* Whether the outcome is open when no answer comes. */
static bool counts(const struct sim_statement *q) {
    return q->scope == SQL_ALONE || q->scope == SQL_REPEATS || q->scope == SQL_COMMIT;
}

static void hand_over(struct sim *s, const struct sim_statement *q, struct call_result *result) {
    if (q->node != 0) {
        engine_call_done(sim_place(s, q->node)->engine, q->id, result);
    }
    call_result_clear(result);
}

/* The answer of io/pg/pg.h. */
static void reply(struct sim *s, const struct sim_statement *q, const struct sim_executed *x) {
    struct call_result result = {.status = call_sqlstate(x->sqlstate)};
    buf_init(&result.headers, 4096);
    buf_init(&result.body, 4096);
    if (x->sqlstate == NULL) {
        buf_add_u64(&result.headers, x->rows);
        buf_add_u16(&result.headers, x->column == NULL ? 0 : 1);
    } else {
        (void)snprintf(result.error, sizeof result.error, "it is not to be");
    }
    if (x->sqlstate == NULL && x->column != NULL) {
        buf_add_u32(&result.headers, x->type);
        buf_add_lv(&result.headers, slice_of(x->column));
    }
    if (x->has_row) {
        buf_add_u8(&result.body, x->is_null ? 0 : 1);
    }
    if (x->has_row && !x->is_null) {
        buf_add_lv(&result.body, slice_of(x->value));
    }
    hand_over(s, q, &result);
}

/* The connection is gone, and its transaction with it. */
static void break_off(struct sim *s, const struct sim_statement *q, int code, bool sent) {
    struct call_result result = {.code = code, .sent = sent};
    struct sim_transaction *t = transaction_of(s, q->of, q->session);
    buf_init(&result.headers, 4096);
    buf_init(&result.body, 4096);
    (void)snprintf(result.error, sizeof result.error, "%s", error_text(code));
    if (t != NULL) {
        t->node = 0;
    }
    hand_over(s, q, &result);
}

static const char *a_sqlstate(struct sim *s) {
    static const char *const states[] = {"40001", "40P01", "55P03", "57014", "53300"};
    return states[sim_below(s, sizeof states / sizeof *states)];
}

/* In a transaction of its own: nothing, or all of it. */
static void do_alone(struct sim *s, const struct sim_statement *q, bool faults, int lost) {
    struct sim_executed x = {.sqlstate = faults && sim_chance(s, 8) ? a_sqlstate(s) : NULL};
    bool loses = faults && sim_chance(s, 12);
    bool does = x.sqlstate == NULL && (!loses || sim_chance(s, 50));
    if (does && !tables_execute(s, NULL, q, &x)) {
        sim_fail(s, "a statement waits that is a transaction of its own: %s", q->text);
    }
    if (loses || lost != 0) {
        break_off(s, q, loses ? ERR_NETWORK : lost, counts(q));
    } else {
        reply(s, q, &x);
    }
}

/* False: it waits for another transaction. */
static bool do_begin(struct sim *s, const struct sim_statement *q, bool faults) {
    struct sim_executed x = {.sqlstate = faults && sim_chance(s, 8) ? a_sqlstate(s) : NULL};
    struct sim_transaction *t = transaction_new(s, q);
    bool done = x.sqlstate != NULL || tables_execute(s, t, q, &x);
    if (!done || x.sqlstate != NULL) {
        transaction_end(s, t, false);
    } else if (faults && sim_chance(s, 6)) {
        t->node = 0;
        break_off(s, q, ERR_NETWORK, false);
        return true;
    }
    if (done) {
        reply(s, q, &x);
    }
    return done;
}

static bool do_within(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                      bool faults) {
    struct sim_executed x = {.sqlstate = t->failed                    ? "25P02"
                                         : faults && sim_chance(s, 8) ? a_sqlstate(s)
                                                                      : NULL};
    if (x.sqlstate == NULL && !tables_execute(s, t, q, &x)) {
        return false;
    }
    t->failed = x.sqlstate != NULL;
    if (faults && sim_chance(s, 6)) {
        break_off(s, q, ERR_NETWORK, false);
    } else {
        reply(s, q, &x);
    }
    return true;
}

/* Answered · broken before it left · left, and nobody knows · refused · not even the server knows */
static void do_commit(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                      uint64_t fate) {
    struct sim_executed x = {.sqlstate = t->failed ? "25P02" : NULL};
    if (x.sqlstate == NULL && !tables_execute(s, t, q, &x)) {
        sim_fail(s, "a transaction cannot end");
    }
    if (fate <= 1) {
        break_off(s, q, ERR_NETWORK, false);
    } else if (fate <= 5) {
        t->commits = !t->failed;
        break_off(s, q, fate == 2 ? ERR_TIMEOUT : ERR_NETWORK, true);
    } else if (fate <= 7 && x.sqlstate == NULL) {
        t->commits = fate == 6;
        t->node = fate == 6 ? 0 : t->node;
        x.sqlstate = fate == 6 ? "40003" : "40001";
        reply(s, q, &x);
    } else {
        transaction_end(s, t, x.sqlstate == NULL);
        reply(s, q, &x);
        return;
    }
    if (t->node != 0) { /* refused */
        transaction_end(s, t, false);
    }
}

/* False: it stays open. */
static bool answer(struct sim *s, const struct sim_statement *q, bool faults) {
    bool late = s->true_ms - q->asked_ms >= q->timeout_ms;
    bool within = q->scope == SQL_WITHIN || q->scope == SQL_COMMIT;
    struct sim_transaction *t = within ? transaction_of(s, q->of, q->session) : NULL;
    if (faults && sim_chance(s, 4)) { /* it has not even left */
        break_off(s, q, ERR_NETWORK, false);
    } else if (within && t == NULL) {
        break_off(s, q, ERR_NETWORK, false);
    } else if (q->scope == SQL_COMMIT) {
        do_commit(s, t, q, late ? 2 : faults ? sim_below(s, 16) : 15);
    } else if (late && within) {
        break_off(s, q, ERR_TIMEOUT, false);
    } else if (q->scope == SQL_WITHIN) {
        return do_within(s, t, q, faults);
    } else if (q->scope == SQL_BEGIN && (late || (q->node == 0 && sim_chance(s, 70)))) {
        break_off(s, q, ERR_TIMEOUT, false);
    } else if (q->scope == SQL_BEGIN) {
        return do_begin(s, q, faults);
    } else {
        do_alone(s, q, faults, late ? ERR_TIMEOUT : 0);
    }
    return true;
}

/* --- the server --- */

/* It notices that connections are gone, and ends what was left of them. */
static void notice(struct sim *s, bool faults) {
    struct sim_transaction *t = s->database.transactions;
    while (t != NULL) {
        struct sim_transaction *next = t->next;
        if (t->node == 0 && (!faults || sim_chance(s, 30))) {
            transaction_end(s, t, t->commits && !t->failed && !sim_chance(s, 15));
        }
        t = next;
    }
}

/* What was committed is there; every connection breaks. */
static void start_anew(struct sim *s) {
    sim_tell(s, "the database starts anew");
    for (struct sim_transaction *t = s->database.transactions; t != NULL; t = t->next) {
        t->node = 0;
    }
    notice(s, false);
}

void database_answer(struct sim *s, bool faults) {
    struct sim_database *d = &s->database;
    struct sim_statement *q = d->statements;
    d->statements = d->last_statement = NULL;
    if (faults && sim_chance(s, 2)) {
        start_anew(s);
    }
    notice(s, faults);
    while (q != NULL) {
        struct sim_statement *next = q->next;
        bool slow = faults && sim_below(s, 3) == 0;
        if (slow || !answer(s, q, faults)) {
            add(d, q);
        } else {
            free_statement(q);
        }
        q = next;
    }
}

size_t database_open(const struct sim *s) {
    size_t count = 0;
    for (const struct sim_statement *q = s->database.statements; q != NULL; q = q->next) {
        count++;
    }
    for (const struct sim_transaction *t = s->database.transactions; t != NULL; t = t->next) {
        count++;
    }
    return count;
}

void database_check(struct sim *s, struct node *n) {
    size_t count = 0;
    for (const struct sim_transaction *t = s->database.transactions; t != NULL; t = t->next) {
        count += t->node == n->place ? 1 : 0;
    }
    if (count > engine_running(n->engine)) {
        sim_fail(s, "host %u has %zu transactions open, and %zu attempts", n->number, count,
                 engine_running(n->engine));
    }
}

void database_clear(struct sim *s) {
    struct sim_database *d = &s->database;
    while (d->statements != NULL) {
        struct sim_statement *q = d->statements;
        d->statements = q->next;
        free_statement(q);
    }
    while (d->transactions != NULL) {
        transaction_end(s, d->transactions, false);
    }
    for (size_t i = 0; i < d->done_count; i++) {
        free(d->done[i].key);
        free(d->done[i].result);
    }
    free(d->done);
    free(d->sales);
    free(d->seen);
    *d = (struct sim_database){0};
}
