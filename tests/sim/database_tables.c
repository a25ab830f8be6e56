/* database_tables.c - see database.h. */
#include "database_impl.h"

#include "io/pg/pg.h"
#include "memory.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- transactions --- */

struct sim_transaction *transaction_new(struct sim *s, const struct sim_statement *q) {
    struct sim_transaction *t = made(calloc(1, sizeof *t));
    t->node = q->node;
    t->id = q->id;
    t->next = s->database.transactions;
    s->database.transactions = t;
    return t;
}

struct sim_transaction *transaction_of(struct sim *s, unsigned node, uint64_t id) {
    struct sim_transaction *t = s->database.transactions;
    while (t != NULL && (node == 0 || t->node != node || t->id != id)) {
        t = t->next;
    }
    return t;
}

static struct sim_done *done_under(struct sim_database *d, const char *key) {
    for (size_t i = d->done_count; i-- > 0;) {
        if (strcmp(d->done[i].key, key) == 0) {
            return &d->done[i];
        }
    }
    return NULL;
}

static void add_done(struct sim_database *d, const struct sim_transaction *t) {
    if (t->done == NULL || done_under(d, t->done) != NULL) {
        return;
    }
    if (d->done_count == d->done_cap) {
        d->done_cap = d->done_cap * 2 + 64;
        d->done = made(realloc(d->done, d->done_cap * sizeof *d->done));
    }
    d->done[d->done_count++] =
        (struct sim_done){.key = made_copy(slice_of(t->done)),
                          .result = t->result == NULL ? NULL : made_copy(slice_of(t->result))};
}

static void add_sale(struct sim_database *d, const struct sim_sale *sale) {
    if (d->sale_count == d->sale_cap) {
        d->sale_cap = d->sale_cap * 2 + 64;
        d->sales = made(realloc(d->sales, d->sale_cap * sizeof *d->sales));
    }
    d->sales[d->sale_count++] = *sale;
    d->sold[sale->item] += sale->sold == 0 ? 0 : 1;
}

void transaction_end(struct sim *s, struct sim_transaction *t, bool commits) {
    struct sim_database *d = &s->database;
    struct sim_transaction **at = &d->transactions;
    while (*at != t) {
        at = &(*at)->next;
    }
    *at = t->next;
    for (size_t i = 0; commits && i < t->sale_count; i++) {
        add_sale(d, &t->sales[i]);
    }
    if (commits) {
        add_done(d, t);
    }
    if (t->done != NULL) {
        sim_tell(s, "the database %s %s", commits ? "commits" : "rolls back", t->done);
    }
    free(t->done);
    free(t->result);
    free(t);
}

/* --- statements --- */

static bool fails(struct sim_executed *out, const char *sqlstate) {
    out->sqlstate = sqlstate;
    return true;
}

/* service/event/name/edit: $1 to $4. */
static char *key_of(const struct sim_statement *q) {
    struct buf key;
    buf_init(&key, 4096);
    for (size_t i = 0; i < 4 && i < q->param_count; i++) {
        buf_printf(&key, "%s%s", i == 0 ? "" : "/", q->params[i]);
    }
    char *text = made_copy(buf_slice(&key));
    buf_clear(&key);
    return text;
}

static void give(struct sim_executed *out, const char *column, uint32_t type, const char *value) {
    out->rows = 1;
    out->column = column;
    out->type = type;
    out->has_row = true;
    out->is_null = value == NULL;
    (void)snprintf(out->value, sizeof out->value, "%s", value == NULL ? "" : value);
}

static bool give_result(struct sim *s, const char *key, struct sim_executed *out) {
    const struct sim_done *done = done_under(&s->database, key);
    if (done != NULL) {
        give(out, "result", PG_BYTEA, done->result);
    }
    return done != NULL;
}

/* Whoever comes second waits for the first one's end. */
static bool claim(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                  struct sim_executed *out) {
    if (!s->database.has_done) {
        return fails(out, "42P01");
    }
    char *key = key_of(q);
    for (const struct sim_transaction *o = s->database.transactions; o != NULL; o = o->next) {
        if (o != t && o->done != NULL && strcmp(o->done, key) == 0) {
            free(key);
            return false;
        }
    }
    if (!give_result(s, key, out)) {
        give(out, "result", PG_BYTEA, NULL);
    }
    t->done = key;
    return true;
}

static bool look(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                 struct sim_executed *out) {
    (void)t;
    char *key = key_of(q);
    if (!s->database.has_done) {
        (void)fails(out, "42P01");
    } else if (!give_result(s, key, out)) {
        out->column = "result";
        out->type = PG_BYTEA;
    }
    free(key);
    return true;
}

/* The result goes into the row that the transaction has claimed. */
static bool end(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                struct sim_executed *out) {
    char *key = key_of(q);
    bool its = t->done != NULL && strcmp(t->done, key) == 0 && q->param_count == 5;
    if (!its) {
        sim_fail(s, "a transaction ends with %s, and began with %s", key,
                 t->done == NULL ? "nothing" : t->done);
    } else {
        free(t->result);
        t->result = made_copy(slice_of(q->params[4]));
    }
    out->rows = its ? 1 : 0;
    free(key);
    return true;
}

/* Two hosts that make it at once: one of them may be told so. */
static bool make(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                 struct sim_executed *out) {
    (void)t;
    (void)q;
    bool clash = !s->database.has_done && !s->settling && sim_chance(s, 20);
    s->database.has_done = true;
    return clash ? fails(out, "23505") : true;
}

/* No world is as old as what is kept. */
static bool trim(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                 struct sim_executed *out) {
    (void)t;
    (void)out;
    if (strtoll(q->params[1], NULL, 10) < s->true_ms) {
        sim_fail(s, "zingq_done is trimmed to %s ms", q->params[1]);
    }
    return true;
}

static bool insert_sale(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                        struct sim_executed *out) {
    struct sim_sale sale = {.number = (uint32_t)strtoul(q->params[0], NULL, 10)};
    (void)snprintf(sale.name, sizeof sale.name, "%s", q->params[1]);
    out->rows = 1;
    if (t == NULL) {
        add_sale(&s->database, &sale);
    } else if (t->sale_count < TRANSACTION_SALES) {
        t->sales[t->sale_count++] = sale;
    }
    return true;
}

/* Holds the item until the transaction ends. */
static bool sell(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                 struct sim_executed *out) {
    unsigned item = (unsigned)strtoul(q->params[0] + 1, NULL, 10) % ITEMS;
    long own = 0;
    char sold[32];
    for (const struct sim_transaction *o = s->database.transactions; o != NULL; o = o->next) {
        if (o != t && (o->items & 1u << item) != 0) {
            return false;
        }
    }
    if (t == NULL || t->sale_count == 0) {
        sim_fail(s, "host %u sells item %u %s (call %llu of %llu)", q->of, item,
                 t == NULL ? "outside of a transaction" : "and nobody says what",
                 (unsigned long long)q->id, (unsigned long long)q->session);
        return true;
    }
    t->items |= 1u << item;
    for (size_t i = 0; i < t->sale_count; i++) {
        own += t->sales[i].item == item && t->sales[i].sold != 0 ? 1 : 0;
    }
    struct sim_sale *sale = &t->sales[t->sale_count - 1];
    sale->item = item;
    sale->sold = s->database.sold[item] + own + 1;
    (void)snprintf(sold, sizeof sold, "%ld", sale->sold);
    give(out, "sold", PG_INT8, sold);
    return true;
}

/* on conflict do nothing */
static bool see(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                struct sim_executed *out) {
    struct sim_database *d = &s->database;
    size_t number = strtoul(q->params[0], NULL, 10);
    (void)t;
    if (number >= d->seen_cap) {
        size_t cap = number * 2 + 64;
        d->seen = made(realloc(d->seen, cap));
        memset(d->seen + d->seen_cap, 0, cap - d->seen_cap);
        d->seen_cap = cap;
    }
    out->rows = d->seen[number] == 0 ? 1 : 0;
    d->seen[number] = 1;
    return true;
}

static const struct {
    const char *begin;
    bool writes;
    bool (*execute)(struct sim *, struct sim_transaction *, const struct sim_statement *,
                    struct sim_executed *);
} statements[] = {
    {"INSERT INTO zingq_done", true, claim},
    {"SELECT result FROM zingq_done", false, look},
    {"UPDATE zingq_done", true, end},
    {"CREATE TABLE IF NOT EXISTS zingq_done", true, make},
    {"DELETE FROM zingq_done", true, trim},
    {"insert into sales", true, insert_sale},
    {"update items", true, sell},
    {"insert into seen", true, see},
};

bool tables_execute(struct sim *s, struct sim_transaction *t, const struct sim_statement *q,
                    struct sim_executed *out) {
    *out = (struct sim_executed){0};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        if (strncmp(q->text, statements[i].begin, strlen(statements[i].begin)) == 0) {
            return statements[i].writes && q->scope == SQL_READS
                       ? fails(out, "25006")
                       : statements[i].execute(s, t, q, out);
        }
    }
    sim_fail(s, "the database does not know: %s", q->text);
    return true;
}

/* --- its books --- */

unsigned database_sales(const struct sim *s, uint32_t number, const char *name) {
    unsigned count = 0;
    for (size_t i = 0; i < s->database.sale_count; i++) {
        const struct sim_sale *sale = &s->database.sales[i];
        count += sale->number == number && strcmp(sale->name, name) == 0 ? 1 : 0;
    }
    return count;
}

bool database_sold(const struct sim *s, uint32_t number, const char *name, long sold) {
    for (size_t i = 0; i < s->database.sale_count; i++) {
        const struct sim_sale *sale = &s->database.sales[i];
        if (sale->number == number && strcmp(sale->name, name) == 0 && sale->sold == sold) {
            return true;
        }
    }
    return false;
}

void database_check_books(struct sim *s) {
    long sold[ITEMS] = {0};
    for (size_t i = 0; i < s->database.sale_count && !s->failed; i++) {
        const struct sim_sale *sale = &s->database.sales[i];
        if (sale->sold != ++sold[sale->item]) {
            sim_fail(s, "sale %s of %u: %ld of item %u were sold by then, not %ld", sale->name,
                     sale->number, sold[sale->item], sale->item, sale->sold);
        }
    }
}
