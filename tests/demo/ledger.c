/* ledger.c - the payment gateway's books; see ledger.h. */
#include "ledger.h"

#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One idempotency key. */
struct record {
    char *key;
    json_t *params; /* string: what was asked under this key the first time */
    unsigned attempts;
    int status;     /* 0: nothing final has been decided */
    json_t *answer; /* with status */
    bool busy;      /* a request under this key is being answered */
};

/* One successful charge. */
struct charge {
    char *id;
    char *booking_id; /* "" = none was given */
    json_int_t amount;
    bool refunded;
};

struct counters {
    json_int_t charges, refunds, declines, failures, unanswered, replays, conflicts, errors;
    json_int_t charged, refunded; /* sums of amounts */
};

struct ledger {
    struct ledger_rates rates;
    int log;                 /* -1: none */
    void *entries, *charges; /* search trees */
    struct counters count;
};

static void *checked(void *memory) {
    if (memory == NULL) {
        (void)fputs("gateway: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static int compare_entries(const void *a, const void *b) {
    return strcmp(((const struct record *)a)->key, ((const struct record *)b)->key);
}

static int compare_charges(const void *a, const void *b) {
    return strcmp(((const struct charge *)a)->id, ((const struct charge *)b)->id);
}

static struct record *entry_of(struct ledger *ledger, const char *key) {
    struct record probe = {.key = (char *)(uintptr_t)key};
    struct record **found = tfind(&probe, &ledger->entries, compare_entries);
    if (found != NULL) {
        return *found;
    }
    struct record *entry = checked(calloc(1, sizeof *entry));
    entry->key = checked(strdup(key));
    (void)checked(tsearch(entry, &ledger->entries, compare_entries));
    return entry;
}

static struct charge *find_charge(struct ledger *ledger, const char *id) {
    struct charge probe = {.id = (char *)(uintptr_t)id};
    struct charge **found = tfind(&probe, &ledger->charges, compare_charges);
    return found != NULL ? *found : NULL;
}

static void add_charge(struct ledger *ledger, const char *id, const char *booking_id,
                       json_int_t amount) {
    assert(find_charge(ledger, id) == NULL);
    struct charge *charge = checked(calloc(1, sizeof *charge));
    charge->id = checked(strdup(id));
    charge->booking_id = checked(strdup(booking_id != NULL ? booking_id : ""));
    charge->amount = amount;
    (void)checked(tsearch(charge, &ledger->charges, compare_charges));
}

/* ---- decisions ---- */

/* FNV-1a over the words, then a finishing mix (splitmix64), so that all bits count. */
static uint64_t hash(const char *seed, const char *what, const char *key, unsigned attempt) {
    char text[600];
    int len = snprintf(text, sizeof text, "%s/%s/%u/%s", seed, what, attempt, key);
    uint64_t h = 14695981039346656037u;
    for (int i = 0; i < len && i < (int)sizeof text - 1; i++) {
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    }
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

static bool draw(const struct ledger *ledger, const char *what, const struct record *entry,
                 unsigned attempt, double share) {
    uint64_t h = hash(ledger->rates.seed, what, entry->key, attempt);
    return (double)(h >> 11) / 9007199254740992.0 < share;
}

static json_t *error_body(const char *type, const char *code, const char *message) {
    return checked(
        json_pack("{s:{s:s, s:s, s:s}}", "error", "type", type, "code", code, "message", message));
}

/* ---- the log ---- */

static void log_line(struct ledger *ledger, const struct ledger_request *request,
                     const struct record *entry, const char *outcome, json_int_t amount) {
    if (ledger->log < 0) {
        return;
    }
    const char *id = json_string_value(json_object_get(entry->answer, "id"));
    json_t *line = checked(json_pack(
        "{s:s, s:s, s:s, s:s?, s:I, s:s?, s:s?, s:i, s:O?, s:O?}", "kind",
        request->refund ? "refund" : "charge", "outcome", outcome, "key", entry->key, "booking_id",
        request->booking_id, "amount", amount, "charge", request->charge, "id", id, "status",
        entry->status, "params", entry->params, "answer", entry->answer));
    char *text = checked(json_dumps(line));
    json_decref(line);
    size_t len = strlen(text);
    text[len] = '\n'; /* in the place of the terminator: one write, whole lines */
    if (write(ledger->log, text, len + 1) != (ssize_t)(len + 1)) {
        perror("gateway: the log cannot be written");
        abort();
    }
    free(text);
}

static bool is(const json_t *line, const char *name, const char *value) {
    const char *text = json_string_value(json_object_get(line, name));
    return text != NULL && strcmp(text, value) == 0;
}

/* Takes one line of the log back into the books. */
static void recall(struct ledger *ledger, const json_t *line) {
    const char *key = json_string_value(json_object_get(line, "key"));
    if (key == NULL) {
        return;
    }
    struct record *entry = entry_of(ledger, key);
    json_int_t amount = json_integer_value(json_object_get(line, "amount"));
    entry->attempts++;
    if (entry->params == NULL) {
        entry->params = json_incref(json_object_get(line, "params"));
    }
    if (is(line, "outcome", "failed")) {
        ledger->count.failures++;
        return;
    }
    if (is(line, "outcome", "lost")) {
        ledger->count.unanswered++;
        return;
    }
    entry->status = (int)json_integer_value(json_object_get(line, "status"));
    entry->answer = json_incref(json_object_get(line, "answer"));
    if (is(line, "outcome", "declined")) {
        ledger->count.declines++;
    } else if (is(line, "kind", "charge")) {
        add_charge(ledger, json_string_value(json_object_get(line, "id")),
                   json_string_value(json_object_get(line, "booking_id")), amount);
        ledger->count.charges++;
        ledger->count.charged += amount;
    } else {
        struct charge *charge =
            find_charge(ledger, json_string_value(json_object_get(line, "charge")));
        assert(charge != NULL);
        charge->refunded = true;
        ledger->count.refunds++;
        ledger->count.refunded += amount;
    }
}

static int read_log(struct ledger *ledger, const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return errno == ENOENT ? 0 : -1;
    }
    char *text = NULL;
    size_t cap = 0;
    while (getline(&text, &cap, file) > 0) {
        json_t *line = json_read(slice_of(text), "text",
                                 NULL); /* the last may be torn: then it never happened */
        if (line != NULL) {
            recall(ledger, line);
            json_decref(line);
        }
    }
    free(text);
    return fclose(file);
}

struct ledger *ledger_open(const char *log, const struct ledger_rates *rates) {
    struct ledger *ledger = checked(calloc(1, sizeof *ledger));
    ledger->rates = *rates;
    ledger->log = -1;
    if (log == NULL) {
        return ledger;
    }
    if (read_log(ledger, log) == 0) {
        ledger->log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if (ledger->log < 0) {
        ledger_close(ledger);
        return NULL;
    }
    return ledger;
}

static void free_entry(void *node) {
    struct record *entry = node;
    free(entry->key);
    json_decref(entry->params);
    json_decref(entry->answer);
    free(entry);
}

static void free_charge(void *node) {
    struct charge *charge = node;
    free(charge->id);
    free(charge->booking_id);
    free(charge);
}

void ledger_close(struct ledger *ledger) {
    tdestroy(ledger->entries, free_entry);
    tdestroy(ledger->charges, free_charge);
    if (ledger->log >= 0) {
        (void)close(ledger->log);
    }
    free(ledger);
}

/* ---- requests ---- */

static void answer_with(struct ledger_answer *answer, int status, json_t *body) {
    answer->status = status;
    answer->body = body;
}

/* A whole number of at least 1, or 0. */
static json_int_t parse_amount(const char *text) {
    char *end = NULL;
    errno = 0;
    long long amount = text != NULL && text[0] != '\0' ? strtoll(text, &end, 10) : 0;
    return end != NULL && *end == '\0' && errno == 0 && amount > 0 ? amount : 0;
}

/* The complaint about a request that is wrong in itself, or NULL. */
static const char *flaw_of(const struct ledger_request *request) {
    if (request->key == NULL || request->key[0] == '\0' || strlen(request->key) > 255) {
        return "an Idempotency-Key header of 1 to 255 bytes is required";
    }
    if (request->refund) {
        return request->charge == NULL ? "missing parameter: charge" : NULL;
    }
    if (parse_amount(request->amount) == 0) {
        return "amount must be a positive whole number of minor units";
    }
    if (request->currency == NULL || strlen(request->currency) != 3) {
        return "currency must be a three-letter code";
    }
    if (request->source == NULL || request->source[0] == '\0') {
        return "missing parameter: source";
    }
    return NULL;
}

/* What was asked, in one order of fields, so that a retry may write its form differently. */
static json_t *params_of(const struct ledger_request *r) {
    return checked(json_sprintf(
        "%s|%s|%s|%s|%s|%s", r->refund ? "refund" : "charge", r->amount != NULL ? r->amount : "",
        r->currency != NULL ? r->currency : "", r->source != NULL ? r->source : "",
        r->booking_id != NULL ? r->booking_id : "", r->charge != NULL ? r->charge : ""));
}

static void decide_charge(struct ledger *ledger, const struct ledger_request *request,
                          struct record *entry) {
    json_int_t amount = parse_amount(request->amount);
    bool later = strcmp(request->source, "tok_webhook") == 0;
    bool declined = strcmp(request->source, "tok_chargeDeclined") == 0 ||
                    (!later && draw(ledger, "decline", entry, 0, ledger->rates.decline));
    if (declined) {
        entry->status = 402;
        entry->answer = error_body("card_error", "card_declined", "Your card was declined.");
        ledger->count.declines++;
        log_line(ledger, request, entry, "declined", amount);
        return;
    }
    char id[40];
    (void)snprintf(id, sizeof id, "ch_%016llx",
                   (unsigned long long)hash(ledger->rates.seed, "id", entry->key, 0));
    entry->status = later ? 202 : 200;
    entry->answer =
        checked(json_pack("{s:s, s:s, s:s, s:b, s:I, s:s, s:{s:s}}", "id", id, "object", "charge",
                          "status", later ? "pending" : "succeeded", "paid", (int)!later, "amount",
                          amount, "currency", request->currency, "metadata", "booking_id",
                          request->booking_id != NULL ? request->booking_id : ""));
    add_charge(ledger, id, request->booking_id, amount);
    ledger->count.charges++;
    ledger->count.charged += amount;
    log_line(ledger, request, entry, "succeeded", amount);
}

/* False: there is nothing to refund, which is answered but not remembered. */
static bool decide_refund(struct ledger *ledger, const struct ledger_request *request,
                          struct record *entry, struct ledger_answer *answer) {
    struct charge *charge = find_charge(ledger, request->charge);
    if (charge == NULL || charge->refunded) {
        ledger->count.errors++;
        answer_with(answer, charge == NULL ? 404 : 400,
                    error_body("invalid_request_error",
                               charge == NULL ? "resource_missing" : "charge_already_refunded",
                               charge == NULL ? "No such charge."
                                              : "The charge has already been refunded."));
        return false;
    }
    char id[40];
    (void)snprintf(id, sizeof id, "re_%016llx",
                   (unsigned long long)hash(ledger->rates.seed, "id", entry->key, 0));
    entry->status = 200;
    entry->answer =
        checked(json_pack("{s:s, s:s, s:s, s:I, s:s}", "id", id, "object", "refund", "status",
                          "succeeded", "amount", charge->amount, "charge", charge->id));
    charge->refunded = true;
    ledger->count.refunds++;
    ledger->count.refunded += charge->amount;
    log_line(ledger, request, entry, "succeeded", charge->amount);
    return true;
}

/* Whether the key stands in the way: used for something else, or in use right now. */
static bool conflicts(struct ledger *ledger, struct record *entry, json_t *params,
                      struct ledger_answer *answer) {
    if (entry->params != NULL && !json_equal(entry->params, params)) {
        answer_with(answer, 400,
                    error_body("idempotency_error", "idempotency_key_reused",
                               "This Idempotency-Key was used with other parameters."));
    } else if (entry->busy) {
        answer_with(answer, 409,
                    error_body("idempotency_error", "idempotency_key_in_use",
                               "A request under this Idempotency-Key is still under way."));
    } else {
        return false;
    }
    ledger->count.conflicts++;
    return true;
}

void ledger_decide(struct ledger *ledger, const struct ledger_request *request,
                   struct ledger_answer *answer) {
    *answer = (struct ledger_answer){0};
    const char *flaw = flaw_of(request);
    if (flaw != NULL) {
        ledger->count.errors++;
        answer_with(answer, 400, error_body("invalid_request_error", "parameter_invalid", flaw));
        return;
    }
    struct record *entry = entry_of(ledger, request->key);
    json_t *params = params_of(request);
    if (conflicts(ledger, entry, params, answer)) {
        json_decref(params);
        return;
    }
    json_decref(entry->params);
    entry->params = params;
    unsigned attempt = ++entry->attempts;
    bool replay = entry->status != 0;
    if (replay) {
        ledger->count.replays++;
    } else if (draw(ledger, "fail", entry, attempt, ledger->rates.fail)) {
        ledger->count.failures++;
        log_line(ledger, request, entry, "failed", parse_amount(request->amount));
        answer_with(answer, 500, error_body("api_error", "internal", "Something went wrong."));
        return;
    } else if (!request->refund) {
        decide_charge(ledger, request, entry);
    } else if (!decide_refund(ledger, request, entry, answer)) {
        return;
    }
    answer_with(answer, entry->status, json_incref(entry->answer));
    answer->drop = draw(ledger, "timeout", entry, attempt, ledger->rates.timeout) ||
                   (!request->refund && strcmp(request->source, "tok_lost") == 0);
    if (answer->drop) {
        ledger->count.unanswered++;
        log_line(ledger, request, entry, "lost", 0);
    }
    answer->begun = entry->busy = true;
}

void ledger_finish(struct ledger *ledger, const char *key) {
    struct record *entry = entry_of(ledger, key);
    assert(entry->busy);
    entry->busy = false;
}

/* What twalk_r carries along. */
struct search {
    const char *booking_id;
    json_t *found;
};

static void note_if_found(const void *node, VISIT visit, void *closure) {
    const struct charge *charge = *(struct charge *const *)node;
    struct search *search = closure;
    if ((visit != postorder && visit != leaf) ||
        strcmp(charge->booking_id, search->booking_id) != 0) {
        return;
    }
    json_t *row = checked(json_pack("{s:s, s:s, s:s, s:I, s:b}", "id", charge->id, "object",
                                    "charge", "status", "succeeded", "amount", charge->amount,
                                    "refunded", charge->refunded));
    (void)json_array_append_new(search->found, row);
}

json_t *ledger_search(const struct ledger *ledger, const char *booking_id) {
    struct search search = {.booking_id = booking_id, .found = checked(json_array())};
    twalk_r(ledger->charges, note_if_found, &search);
    return checked(json_pack("{s:s, s:o}", "object", "search_result", "data", search.found));
}

json_t *ledger_stats(const struct ledger *ledger) {
    const struct counters *c = &ledger->count;
    return checked(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "charges",
                             c->charges, "refunds", c->refunds, "declines", c->declines, "failures",
                             c->failures, "unanswered", c->unanswered, "replays", c->replays,
                             "conflicts", c->conflicts, "errors", c->errors, "charged", c->charged,
                             "refunded", c->refunded));
}
