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
 *
 * An answer of a host may end before its rows do. While the page has room, that host is asked for those
 * behind them: else the page would end early where one host has more of the newest rows than others.
 *
 * What is asked of other hosts is limited (ASKS_MAX). Handlers have their part, all of these requests
 * together have the rest: those that it has no room for wait for others to end.
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
    GATHERS_MAX = 64, /* that wait or are answered */
};

static const char NO_ROOM[] = "limits.memory has no room for the list: try again";
static const char TOO_MANY[] = "too many requests for all hosts at once: try again";

static_assert(PARTITIONS - 1 <= ASKS_MAX - ASKS_OF_HANDLERS_MAX, "there is room for one at least");

/* What one host has of it. */
struct gather_part {
    uint64_t asked; /* the id of the request to it; 0 = none */
    json_t *answer; /* NULL = none */
    json_t *next;   /* where it goes on behind all of the answer; NULL = that was all */
    size_t bytes;   /* of the answer */
};

struct gather {
    TAILQ_ENTRY(gather) link;
    struct admin *admin;
    struct gateway_request *request; /* waits for the answers */
    struct gateway_request *local;   /* the same, while it is answered here; or NULL */
    struct gather_kind kind;         /* of a change: no order */
    uint64_t limit;
    uint64_t since_ms;                    /* it came, or was begun; the loop's clock */
    bool begun;                           /* it has its share of ASKS_MAX */
    struct gather_part parts[PARTITIONS]; /* by host, like: */
    struct merge_place places[PARTITIONS];
    struct merge_part merged[PARTITIONS]; /* the rows are owned */
    json_t *list;                         /* the rows of the page so far */
    size_t list_bytes;                    /* about */
    size_t taken_bytes;                   /* of the memory budget */
    size_t waiting;                       /* answers still to come */
    json_t *missing;                      /* [{"host", "why"}] */
    bool silent; /* a host that is missing has not refused it: it may have what others lack */
    int refused; /* the status of a host that refuses it; 0 = none does */
    bool faulty; /* whatever others answer, that is the answer */
    char why[WHY_BYTES]; /* its sentence */
};

/* ---- life ---- */

static uint16_t host_count(const struct gather *g) {
    return g->admin->options.conf->hosts.share.count;
}

static uint64_t now_ms(const struct admin *a) {
    return uv_now(a->options.loop);
}

static void forget_answer(struct gather *g, size_t i) {
    struct gather_part *part = &g->parts[i];
    json_decref(part->answer);
    json_decref(part->next);
    json_decref((json_t *)(uintptr_t)g->merged[i].rows);
    *part = (struct gather_part){.asked = part->asked};
    g->merged[i] = (struct merge_part){.host = (uint16_t)(i + 1)};
}

static void gather_free(struct gather *g) {
    for (size_t i = 0; i < PARTITIONS; i++) {
        if (g->parts[i].asked != 0) {
            ask_cancel(g->admin->options.ask, g->parts[i].asked);
        }
        forget_answer(g, i);
        json_decref(g->places[i].at);
    }
    memory_give(g->admin->options.memory, MEMORY_BODIES, g->taken_bytes);
    json_decref(g->list);
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

static size_t count_gathers(const struct admin *a) {
    size_t count = 0;
    const struct gather *g;
    TAILQ_FOREACH(g, &a->gathers, link) {
        count++;
    }
    return count;
}

/* NULL: answered 503. */
static struct gather *gather_new(struct admin *a, struct gateway_request *request) {
    bool room = count_gathers(a) < GATHERS_MAX;
    struct gather *g = room ? calloc(1, sizeof *g) : NULL;
    json_t *missing = json_array();
    json_t *list = json_array();
    if (g == NULL || missing == NULL || list == NULL) {
        free(g);
        json_decref(missing);
        json_decref(list);
        gateway_answer_error(request, 503, NULL, room ? error_text(ERR_MEMORY) : TOO_MANY);
        return NULL;
    }
    g->admin = a;
    g->request = request;
    g->missing = missing;
    g->list = list;
    g->since_ms = now_ms(a);
    TAILQ_INSERT_TAIL(&a->gathers, g, link);
    return g;
}

/* ---- the answers of hosts ---- */

/* `unknown`: it may have made the change. */
static void add_missing(struct gather *g, uint16_t host, const char *why, bool unknown) {
    char text[WHY_BYTES];
    (void)snprintf(text, sizeof text, "%s", why);
    utf8_mend(text);
    g->places[host - 1].ended = true;
    bool told = json_array_size(g->missing) < MISSING_TOLD;
    json_t *one = told ? json_pack("{s:i, s:s}", "host", (int)host, "why", text)
                       : json_pack("{s:i}", "host", (int)host);
    if (unknown && one != NULL) {
        (void)json_object_set_new(one, "unknown", json_true());
    }
    (void)json_array_append_new(g->missing, one);
}

static void note_missing(struct gather *g, uint16_t host, const char *why) {
    g->silent = true;
    add_missing(g, host, why, false);
}

/* There is no asking, so the request fails, and not the host. */
static void note_fault(struct gather *g, int status, const char *why) {
    g->faulty = true;
    g->refused = status;
    (void)snprintf(g->why, sizeof g->why, "%s", why);
}

static bool is_own(const struct gather *g, uint16_t host) {
    return host == g->admin->options.conf->hosts.share.place;
}

/* True if a 404 says that the host has no service of that name. */
static bool names_service(const struct gather *g) {
    static const char state[] = "/api/state/";
    return gateway_query(g->request, "service") != NULL ||
           strncmp(gateway_path(g->request), state, sizeof state - 1) == 0;
}

/* The host says no. Of a list: it has no such service; or the client is wrong, if this host says so: another
 * one may be of another version. */
static void note_refusal(struct gather *g, uint16_t host, int status, const char *why) {
    bool list = g->kind.order != NULL;
    if (list && status == 400 && is_own(g, host)) {
        note_fault(g, status, why);
    } else if (g->refused == 0 || (status == 400 && !g->faulty)) {
        g->refused = status;
        (void)snprintf(g->why, sizeof g->why, "%s", why);
    }
    g->places[host - 1].ended = true;
    if (!list || status == 400) {
        add_missing(g, host, why, false);
    } else if (!names_service(g)) {
        note_missing(g, host, "it runs another version");
    }
}

/* NULL: the answer is not cut. */
static json_t *next_in(const struct gateway_reply *reply) {
    static const char name[] = "Zingq-Next: ";
    const char *at = reply->headers == NULL ? NULL : strstr(reply->headers, name);
    at = at == NULL ? NULL : at + sizeof name - 1;
    return at == NULL ? NULL : json_stringn(at, strcspn(at, "\n"));
}

static void take_rows(struct gather *g, uint16_t host, size_t bytes) {
    struct memory *memory = g->admin->options.memory;
    struct gather_part *part = &g->parts[host - 1];
    json_t *rows = merge_rows(part->answer, g->kind.paged);
    bool room = bytes <= memory_room(memory, MEMORY_BODIES);
    if (rows == NULL || !room) {
        note_fault(g, 503, room ? error_text(ERR_MEMORY) : NO_ROOM);
    }
    memory_take(memory, MEMORY_BODIES, bytes);
    g->taken_bytes += bytes;
    part->bytes = bytes;
    g->merged[host - 1] =
        (struct merge_part){.host = host, .rows = rows, .more = part->next != NULL};
}

static void take_reply(struct gather *g, uint16_t host, const struct gateway_reply *reply) {
    json_t *answer = json_read(reply->body, "answer", NULL);
    const char *why = json_string_value(json_object_get(answer, "error"));
    bool list = g->kind.order != NULL;
    json_t *next = next_in(reply);
    bool good = reply->status >= 200 && reply->status < 300 && answer != NULL &&
                json_is_array(answer) == list &&
                (!list || merge_is_listed(answer, g->kind.paged)) &&
                (next == NULL || merge_is_place(json_string_value(next)));
    if (good) {
        g->parts[host - 1].answer = answer;
        g->parts[host - 1].next = next;
        if (list) {
            take_rows(g, host, reply->body.len);
        }
        return;
    }
    json_decref(next);
    why = why != NULL      ? why
          : answer == NULL ? "its answer cannot be read"
                           : "it runs another version";
    if (reply->status == 400 || reply->status == 404) {
        note_refusal(g, host, reply->status, why);
    } else {
        note_missing(g, host, why);
    }
    json_decref(answer);
}

/* ---- asking ---- */

static void work(struct admin *a);

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
        g->silent = true;
        add_missing(g, host, outcome->why, g->kind.order == NULL && outcome->end == ASK_SILENT);
    }
    g->waiting--;
    work(g->admin);
}

static void on_local_answer(void *ctx, const struct gateway_reply *reply) {
    struct gather *g = ctx;
    uint16_t own = g->admin->options.conf->hosts.share.place;
    g->local = NULL;
    take_reply(g, own, reply);
    g->waiting--;
    work(g->admin);
}

static void ask_here(struct gather *g, uint16_t host, const struct gateway_words *words) {
    if (gateway_guest_new(&g->local, words, g, on_local_answer) != 0) {
        note_missing(g, host, error_text(ERR_MEMORY));
        return;
    }
    g->waiting++;
    g->admin->request_here(g->admin, g->local);
}

static void ask_there(struct gather *g, uint16_t host, const struct gateway_words *words) {
    struct report r = {""};
    uint64_t *id = &g->parts[host - 1].asked;
    int code = ask_start(g->admin->options.ask, host, words, g, on_end, id, &r);
    if (code == 0) {
        g->waiting++;
        return;
    }
    *id = 0;
    if (code == ERR_LIMIT && g->kind.order != NULL) {
        note_fault(g, 503, r.text);
    } else {
        note_missing(g, host, r.text);
    }
}

/* Asks the host for its part. Of groups for all it can tell: each has a share of their counts. */
static void ask_host(struct gather *g, uint16_t host) {
    const char *place = json_string_value(g->places[host - 1].at);
    bool groups = g->kind.order != NULL && g->kind.order->groups;
    char most[16];
    struct buf query;
    buf_init(&query, GATEWAY_BODY_BYTES_MAX);
    gateway_add_query(g->request, groups ? "limit" : "before", &query);
    if (groups) {
        (void)snprintf(most, sizeof most, "%d", READING_ITEMS_MAX);
        admin_add_pair(&query, "limit", most);
    }
    if (g->kind.order != NULL) {
        admin_add_pair(&query, "part", "1");
    }
    admin_add_pair(&query, "before", place);
    const struct gateway_words words = {.method = gateway_method(g->request),
                                        .path = gateway_path(g->request),
                                        .query = buf_slice(&query),
                                        .body = gateway_body(g->request),
                                        .final = true};
    if (query.failed) {
        note_missing(g, host, error_text(ERR_MEMORY));
    } else if (is_own(g, host)) {
        ask_here(g, host, &words);
    } else {
        ask_there(g, host, &words);
    }
    buf_clear(&query);
}

static void ask_all(struct gather *g) {
    g->begun = true;
    g->since_ms = now_ms(g->admin);
    g->waiting = 1; /* so that an answer within this call does not end it */
    for (uint16_t host = 1; host <= host_count(g); host++) {
        if (!g->places[host - 1].ended) {
            ask_host(g, host);
        }
    }
    g->waiting--;
}

/* ---- the answer ---- */

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

static void answer_list(struct gather *g) {
    struct buf headers;
    for (uint16_t i = 0; i < host_count(g); i++) {
        if (g->parts[i].answer != NULL) {
            go_on(&g->parts[i], &g->merged[i], &g->places[i]);
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
    if (headers.failed) {
        gateway_answer_error(g->request, 503, NULL, error_text(ERR_MEMORY));
    } else {
        gateway_answer_json(g->request, 200, buf_str(&headers), json_incref(g->list));
    }
    buf_clear(&headers);
}

/* Adds to the page what is known to come next. False: out of memory. */
static bool merge_on(struct gather *g) {
    size_t before[PARTITIONS];
    for (uint16_t i = 0; i < host_count(g); i++) {
        before[i] = g->merged[i].taken;
    }
    json_t *rows =
        merge_parts(g->merged, host_count(g), g->kind.order, g->limit - json_array_size(g->list));
    bool good = rows != NULL;
    size_t at;
    json_t *row;
    json_array_foreach(rows, at, row) {
        good = json_array_append(g->list, row) == 0 && good;
    }
    json_decref(rows);
    for (uint16_t i = 0; i < host_count(g); i++) {
        size_t all = json_array_size(g->merged[i].rows);
        size_t taken = g->merged[i].taken - before[i];
        g->list_bytes += all == 0 ? 0 : g->parts[i].bytes * taken / all;
    }
    return good;
}

/* True if the host has told rows, all of them are in the page, and there are more. */
static bool is_drained(const struct gather *g, uint16_t host) {
    const struct merge_part *merged = &g->merged[host - 1];
    return merged->more && merged->taken > 0 && merged->taken == json_array_size(merged->rows);
}

/* True if a host is asked again, because the page has room for what it has behind its answer. */
static bool ask_on(struct gather *g) {
    bool asked = false;
    bool room = json_array_size(g->list) < g->limit && g->list_bytes < READING_BYTES_MAX &&
                now_ms(g->admin) < g->since_ms + ASK_ANSWER_MS;
    g->waiting = 1;
    for (uint16_t host = 1; room && host <= host_count(g); host++) {
        if (is_drained(g, host)) {
            go_on(&g->parts[host - 1], &g->merged[host - 1], &g->places[host - 1]);
            forget_answer(g, host - 1u);
            ask_host(g, host);
            asked = true;
        }
    }
    g->waiting--;
    return asked;
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

/* Adds "not on host 2 (why)" for those whose outcome is known, or is not. */
static void add_missing_hosts(const struct gather *g, bool unknown, const char *before,
                              struct buf *out) {
    size_t i;
    const json_t *one;
    json_array_foreach(g->missing, i, one) {
        const char *why = json_string_value(json_object_get(one, "why"));
        if ((json_object_get(one, "unknown") != NULL) == unknown) {
            buf_printf(out, "%s host %lld (%s)", before,
                       json_integer_value(json_object_get(one, "host")), why == NULL ? "?" : why);
            before = ",";
        }
    }
}

static void conclude_change(struct gather *g, bool any) {
    struct buf text;
    uint16_t own = g->admin->options.conf->hosts.share.place;
    if (json_array_size(g->missing) == 0) {
        gateway_answer_json(g->request, 200, NULL, json_incref(g->parts[own - 1].answer));
        return;
    }
    buf_init(&text, GATEWAY_BODY_BYTES_MAX);
    buf_add_str(&text, any ? "done on " : "");
    add_hosts(g, &text);
    add_missing_hosts(g, true, any ? ", perhaps on" : "perhaps done on", &text);
    add_missing_hosts(g, false, text.len > 0 ? ", and not on" : "not done on", &text);
    gateway_answer_json(g->request, 503, NULL,
                        json_pack("{s:s, s:O}", "error", buf_str(&text), "missing", g->missing));
    buf_clear(&text);
}

/* True if a host is asked on. */
static bool conclude_list(struct gather *g, bool any) {
    if (!any && json_array_size(g->list) == 0) {
        gateway_answer_error(
            g->request, 503, NULL,
            json_string_value(json_object_get(json_array_get(g->missing, 0), "why")));
    } else if (!merge_on(g)) {
        gateway_answer_error(g->request, 503, NULL, error_text(ERR_MEMORY));
    } else if (ask_on(g)) {
        return true;
    } else {
        answer_list(g);
    }
    return false;
}

static void conclude(struct gather *g) {
    bool any = false;
    for (size_t i = 0; i < PARTITIONS; i++) {
        any = any || g->parts[i].answer != NULL;
    }
    bool refused = !any && json_array_size(g->list) == 0 && g->refused != 0 &&
                   !(g->refused == 404 && g->silent);
    if (g->faulty || refused) {
        gateway_answer_error(g->request, g->refused, NULL, g->why);
    } else if (g->kind.order == NULL) {
        conclude_change(g, any);
    } else if (conclude_list(g, any)) {
        return;
    }
    gather_free(g);
}

/* ---- one after the other ---- */

/* Whether the asks of one more fit. */
static bool fits(const struct admin *a) {
    size_t each = a->options.conf->hosts.share.count - 1u;
    size_t asks = each;
    const struct gather *g;
    TAILQ_FOREACH(g, &a->gathers, link) {
        asks += g->begun ? each : 0;
    }
    return asks <= ASKS_MAX - ASKS_OF_HANDLERS_MAX;
}

/* One that can go on; NULL: there is none. They are begun in their order. */
static struct gather *find_due(const struct admin *a) {
    bool room = fits(a);
    struct gather *g;
    TAILQ_FOREACH(g, &a->gathers, link) {
        bool late = !g->begun && now_ms(a) > g->since_ms + ASK_ANSWER_MS;
        if ((g->begun && g->waiting == 0) || late || (!g->begun && room)) {
            return g;
        }
    }
    return NULL;
}

/* Each that is answered makes room for others, which is soon: nobody is waited for longer than
 * ASK_ANSWER_MS. */
static void work(struct admin *a) {
    struct gather *g;
    while ((g = find_due(a)) != NULL) {
        if (g->begun) {
            conclude(g);
        } else if (fits(a)) {
            ask_all(g);
        } else {
            gateway_answer_error(g->request, 503, NULL, TOO_MANY);
            gather_free(g);
        }
    }
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
    uint64_t limit;
    struct report r = {""};
    if (!admin_limit(request, kind->limit, &limit, &r)) {
        gateway_answer_error(request, 400, NULL, r.text);
        return true;
    }
    struct gather *g = gather_new(a, request);
    if (g == NULL) {
        return true;
    }
    g->kind = *kind;
    g->limit = limit;
    const char *before = kind->paged ? gateway_query(request, "before") : NULL;
    if (before != NULL && !merge_read_places(before, g->places, host_count(g))) {
        gateway_answer_error(request, 400, NULL, "before must be the value of Zingq-Next");
        gather_free(g);
        return true;
    }
    work(a);
    return true;
}

void admin_gather_change(struct admin *a, struct gateway_request *request) {
    if (gather_new(a, request) != NULL) {
        work(a);
    }
}
