/*
 * gather.c - requests that are about all hosts, where several divide the keys: lists, of which each has
 * a part, and changes that all have to make.
 *
 * The request is repeated as an internal request of this host and asked of all others, at once. A
 * host that does not answer in time is named, and everything else is still told: of a list in the
 * header Zingq-Missing, [{"host": 2, "why": "..."}].
 *
 * The cursor of such a list has a place for each host. So a page that ends anywhere is followed by the
 * next row, whichever host has it; a host that did not answer has ended, and no page waits for it again.
 */
#include "web/admin/impl.h"

#include "base/json.h"
#include "base/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MISSING_TOLD = 8, /* hosts with the reason, of those in the header: it is bounded */
    WHY_BYTES = 160,
};

/* What one host has of it. */
struct gather_part {
    uint64_t asked; /* the id of the request to it; 0 = none */
    json_t *answer; /* NULL = none */
    json_t *next;   /* where it goes on behind all of the answer; NULL = that was all */
};

struct gather {
    TAILQ_ENTRY(gather) link;
    struct admin *admin;
    struct gateway_request *request; /* waits for the answers */
    struct gateway_request *local;   /* the same, while it is answered here; or NULL */
    struct gather_kind kind;         /* of a change: no order */
    uint64_t limit;
    struct gather_part parts[PARTITIONS]; /* by host, like: */
    struct merge_place places[PARTITIONS];
    size_t waiting;      /* answers still to come */
    json_t *missing;     /* [{"host", "why"}] */
    int refused;         /* the status of a host that refuses it; 0 = none does */
    char why[WHY_BYTES]; /* its sentence */
};

/* ---- life ---- */

static uint16_t host_count(const struct gather *g) {
    return g->admin->options.conf->hosts.share.count;
}

static void gather_free(struct gather *g) {
    for (size_t i = 0; i < PARTITIONS; i++) {
        if (g->parts[i].asked != 0) {
            ask_cancel(g->admin->options.ask, g->parts[i].asked);
        }
        json_decref(g->places[i].at);
        json_decref(g->parts[i].answer);
        json_decref(g->parts[i].next);
    }
    json_decref(g->missing);
    TAILQ_REMOVE(&g->admin->gathers, g, link);
    free(g);
}

void admin_forget_gathers(struct admin *a) {
    struct gather *g;
    while ((g = TAILQ_FIRST(&a->gathers)) != NULL) {
        if (g->local != NULL) {
            gateway_guest_free(g->local);
        }
        gather_free(g);
    }
}

/* NULL: answered 503. */
static struct gather *gather_new(struct admin *a, struct gateway_request *request) {
    struct gather *g = calloc(1, sizeof *g);
    json_t *missing = json_array();
    if (g == NULL || missing == NULL) {
        free(g);
        json_decref(missing);
        gateway_answer_error(request, 503, NULL, error_text(ERR_MEMORY));
        return NULL;
    }
    g->admin = a;
    g->request = request;
    g->missing = missing;
    TAILQ_INSERT_TAIL(&a->gathers, g, link);
    return g;
}

/* ---- the answers of hosts ---- */

static void note_missing(struct gather *g, uint16_t host, const char *why) {
    char text[WHY_BYTES];
    (void)snprintf(text, sizeof text, "%s", why);
    utf8_mend(text);
    g->places[host - 1].ended = true;
    (void)json_array_append_new(g->missing,
                                json_array_size(g->missing) < MISSING_TOLD
                                    ? json_pack("{s:i, s:s}", "host", (int)host, "why", text)
                                    : json_pack("{s:i}", "host", (int)host));
}

/* The host says no: of a list, because it has no such service. */
static void note_refusal(struct gather *g, uint16_t host, int status, const char *why) {
    if (g->refused == 0 || status == 400) {
        g->refused = status;
        (void)snprintf(g->why, sizeof g->why, "%s", why);
    }
    g->places[host - 1].ended = true;
    if (g->kind.order == NULL) {
        note_missing(g, host, why);
    }
}

/* NULL: the answer is not cut. */
static json_t *next_in(const struct gateway_reply *reply) {
    static const char name[] = "Zingq-Next: ";
    const char *at = reply->headers == NULL ? NULL : strstr(reply->headers, name);
    at = at == NULL ? NULL : at + sizeof name - 1;
    return at == NULL ? NULL : json_stringn(at, strcspn(at, "\n"));
}

static void take_reply(struct gather *g, uint16_t host, const struct gateway_reply *reply) {
    struct gather_part *part = &g->parts[host - 1];
    json_t *answer = json_read(reply->body, "answer", NULL);
    const char *why = json_string_value(json_object_get(answer, "error"));
    const json_t *first = json_array_get(answer, 0);
    bool placed = !g->kind.paged || first == NULL || json_object_get(first, "row") != NULL;
    why = why != NULL ? why : placed ? "its answer cannot be read" : "it runs another version";
    bool good = reply->status >= 200 && reply->status < 300 && answer != NULL && placed &&
                json_is_array(answer) == (g->kind.order != NULL);
    if (good) {
        part->answer = json_incref(answer);
        part->next = next_in(reply);
    } else if (reply->status == 400 || reply->status == 404) {
        note_refusal(g, host, reply->status, why);
    } else {
        note_missing(g, host, why);
    }
    json_decref(answer);
}

/* ---- the answer ---- */

/* The rows of a part, a new list; NULL when out of memory. */
static json_t *rows_of(const struct gather *g, const struct gather_part *part) {
    json_t *rows = g->kind.paged ? json_array() : json_incref(part->answer);
    size_t i;
    const json_t *item;
    if (!g->kind.paged) {
        return rows;
    }
    json_array_foreach(part->answer, i, item) {
        if (rows == NULL || json_array_append(rows, json_object_get(item, "row")) != 0) {
            json_decref(rows);
            return NULL;
        }
    }
    return rows;
}

/* Notes where the part goes on behind the rows that were taken. */
static void go_on(const struct gather_part *part, const struct merge_part *merged,
                  struct merge_place *place) {
    size_t taken = merged->taken;
    bool all = taken == json_array_size(part->answer);
    json_t *at = all         ? part->next
                 : taken > 0 ? json_object_get(json_array_get(part->answer, taken - 1), "at")
                             : place->at;
    place->ended = all && part->next == NULL;
    (void)json_incref(at);
    json_decref(place->at);
    place->at = at;
}

static void answer_list(struct gather *g, const struct merge_part *merged, json_t *list) {
    struct buf headers;
    for (uint16_t i = 0, at = 0; i < host_count(g); i++) {
        if (g->parts[i].answer != NULL) {
            go_on(&g->parts[i], &merged[at++], &g->places[i]);
        }
    }
    buf_init(&headers, GATEWAY_NEXT_BYTES + GATEWAY_MISSING_BYTES);
    if (g->kind.paged && !merge_all_ended(g->places, host_count(g))) {
        buf_add_str(&headers, "Zingq-Next: ");
        merge_write_places(g->places, host_count(g), &headers);
        buf_add_str(&headers, "\n");
    }
    if (json_array_size(g->missing) > 0) {
        buf_add_str(&headers, "Zingq-Missing: ");
        json_write(g->missing, &headers, JSON_ASCII);
        buf_add_str(&headers, "\n");
    }
    gateway_answer_json(g->request, 200, buf_str(&headers), list);
    buf_clear(&headers);
}

static void conclude_list(struct gather *g) {
    struct merge_part merged[PARTITIONS];
    size_t count = 0;
    bool failed = false;
    for (uint16_t i = 0; i < host_count(g); i++) {
        const struct gather_part *part = &g->parts[i];
        if (part->answer != NULL) {
            merged[count] = (struct merge_part){
                .host = (uint16_t)(i + 1), .rows = rows_of(g, part), .more = part->next != NULL};
            failed = merged[count++].rows == NULL || failed;
        }
    }
    json_t *list = failed ? NULL : merge_parts(merged, count, g->kind.order, g->limit);
    answer_list(g, merged, list);
    for (size_t i = 0; i < count; i++) {
        json_decref((json_t *)(uintptr_t)merged[i].rows);
    }
}

/* Adds "host 1 and host 3", as the answers say. */
static void add_hosts(const struct gather *g, struct buf *out) {
    size_t named = 0;
    for (uint16_t i = 0; i < host_count(g); i++) {
        if (g->parts[i].answer != NULL) {
            buf_printf(out, "%shost %u", named++ == 0 ? "" : ", ", i + 1u);
        }
    }
}

static void conclude_change(struct gather *g) {
    struct buf text;
    size_t i;
    const json_t *one;
    uint16_t own = g->admin->options.conf->hosts.share.place;
    if (json_array_size(g->missing) == 0) {
        gateway_answer_json(g->request, 200, NULL, json_incref(g->parts[own - 1].answer));
        return;
    }
    buf_init(&text, GATEWAY_BODY_BYTES_MAX);
    buf_add_str(&text, "done on ");
    add_hosts(g, &text);
    buf_add_str(&text, ", and not on");
    json_array_foreach(g->missing, i, one) {
        const char *why = json_string_value(json_object_get(one, "why"));
        buf_printf(&text, "%s host %lld (%s)", i == 0 ? "" : ",",
                   json_integer_value(json_object_get(one, "host")), why == NULL ? "?" : why);
    }
    gateway_answer_json(g->request, 503, NULL,
                        json_pack("{s:s, s:O}", "error", buf_str(&text), "missing", g->missing));
    buf_clear(&text);
}

static void conclude(struct gather *g) {
    const json_t *first = json_array_get(g->missing, 0);
    bool any = false;
    for (size_t i = 0; i < PARTITIONS; i++) {
        any = any || g->parts[i].answer != NULL;
    }
    if (g->refused == 400 || (!any && g->refused != 0)) {
        gateway_answer_error(g->request, g->refused, NULL, g->why);
    } else if (!any && first != NULL) {
        gateway_answer_error(g->request, 503, NULL,
                             json_string_value(json_object_get(first, "why")));
    } else if (g->kind.order == NULL) {
        conclude_change(g);
    } else {
        conclude_list(g);
    }
    gather_free(g);
}

/* ---- asking ---- */

static void answered(struct gather *g) {
    assert(g->waiting > 0);
    if (--g->waiting == 0) {
        conclude(g);
    }
}

static void on_end(void *ctx, uint64_t id, const struct ask_outcome *outcome) {
    struct gather *g = ctx;
    uint16_t host = 1;
    while (g->parts[host - 1].asked != id) {
        host++;
        assert(host <= PARTITIONS);
    }
    g->parts[host - 1].asked = 0;
    if (outcome->end == ASK_ANSWERED) {
        take_reply(g, host, outcome->reply);
    } else {
        note_missing(g, host, outcome->why);
    }
    answered(g);
}

static void on_local_answer(void *ctx, const struct gateway_reply *reply) {
    struct gather *g = ctx;
    uint16_t own = g->admin->options.conf->hosts.share.place;
    g->local = NULL;
    take_reply(g, own, reply);
    answered(g);
}

static void ask_here(struct gather *g, uint16_t host, const struct gateway_words *words) {
    if (gateway_guest_new(&g->local, words, g, on_local_answer) != 0) {
        note_missing(g, host, error_text(ERR_MEMORY));
        answered(g);
        return;
    }
    g->admin->request_here(g->admin, g->local);
}

static void ask_there(struct gather *g, uint16_t host, const struct gateway_words *words) {
    struct report r = {""};
    uint64_t *id = &g->parts[host - 1].asked;
    if (ask_start(g->admin->options.ask, host, words, g, on_end, id, &r) != 0) {
        *id = 0;
        note_missing(g, host, r.text);
        answered(g);
    }
}

static void add_pair(struct buf *list, const char *name, const char *value) {
    buf_add_lv(list, slice_of(name));
    buf_add_lv(list, slice_of(value));
}

/* Asks the host for its part. */
static void ask_host(struct gather *g, uint16_t host) {
    const char *place = json_string_value(g->places[host - 1].at);
    struct buf query;
    buf_init(&query, GATEWAY_BODY_BYTES_MAX);
    gateway_add_query(g->request, "before", &query);
    if (g->kind.order != NULL) {
        add_pair(&query, "part", "1");
    }
    if (place != NULL) {
        add_pair(&query, "before", place);
    }
    const struct gateway_words words = {.method = gateway_method(g->request),
                                        .path = gateway_path(g->request),
                                        .query = buf_slice(&query),
                                        .body = gateway_body(g->request),
                                        .final = true};
    g->waiting++;
    if (query.failed) {
        note_missing(g, host, error_text(ERR_MEMORY));
        answered(g);
    } else if (host == g->admin->options.conf->hosts.share.place) {
        ask_here(g, host, &words);
    } else {
        ask_there(g, host, &words);
    }
    buf_clear(&query);
}

/* The request is answered when all are done. */
static void ask_all(struct gather *g) {
    uint16_t count = host_count(g);
    g->waiting = 1; /* so that it ends below */
    for (uint16_t host = 1; host <= count; host++) {
        if (!g->places[host - 1].ended) {
            ask_host(g, host);
        }
    }
    answered(g);
}

/* ---- the request ---- */

bool admin_is_part(const struct gateway_request *request) {
    return gateway_is_final(request) && gateway_query(request, "part") != NULL;
}

bool admin_gather(struct admin *a, const struct gather_kind *kind, const struct call *call) {
    struct gateway_request *request = call->request;
    if (a->options.ask == NULL || gateway_is_final(request) ||
        gateway_query(request, "host") != NULL) {
        return false;
    }
    struct gather *g = gather_new(a, request);
    if (g == NULL) {
        return true;
    }
    g->kind = *kind;
    /* what is not a limit is refused by the hosts */
    (void)admin_number(gateway_query(request, "limit"), 1, READING_ITEMS_MAX, kind->limit,
                       &g->limit);
    const char *before = kind->paged ? gateway_query(request, "before") : NULL;
    if (before != NULL && !merge_read_places(before, g->places, host_count(g))) {
        gateway_answer_error(request, 400, NULL, "before must be the value of Zingq-Next");
        gather_free(g);
        return true;
    }
    ask_all(g);
    return true;
}

void admin_gather_change(struct admin *a, struct gateway_request *request) {
    struct gather *g = gather_new(a, request);
    if (g != NULL) {
        ask_all(g);
    }
}
