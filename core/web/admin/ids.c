/*
 * ids.c - ids by their last digits: GET /api/ids/<digits>, and every other request that names an id.
 *
 * Such a request waits until the whole id is known, which then takes the place of the digits in it:
 * nothing else needs to know of them, nor does the record of the change. Where hosts divide the keys,
 * all of them are asked, because another one may have an id with the same end.
 *
 * While a host does not answer, what was found is good enough to be looked at, but not to be changed.
 */
#include "web/admin/impl.h"

#include "base/json.h"
#include "query/ids.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct find {
    TAILQ_ENTRY(find) link;
    struct admin *admin;
    struct gateway_request *request; /* waits for the id */
    struct gateway_request *local;   /* the question, while it is answered here; or NULL */
    enum id_of of;
    char tail[UUID_TAIL_MAX + 1];
    bool listing; /* the ids themselves are the answer */
    struct id_list found;
    size_t waiting;             /* answers still to come */
    uint64_t asked[PARTITIONS]; /* by host: the id of the request; 0 = none */
    bool silent;                /* a host may know more: */
    char why[256];
};

/* ---- the ids of this host ---- */

static bool parse_of(const struct gateway_request *request, enum id_of *of) {
    const char *text = gateway_query(request, "of");
    *of = ID_OF_EVENT;
    while (text != NULL && *of < ID_OF_KINDS && strcmp(text, id_of_name(*of)) != 0) {
        (*of)++;
    }
    return *of < ID_OF_KINDS;
}

static int begin_ids(struct admin *a, struct reading *r, const char *name,
                     struct report *report_out) {
    (void)a;
    enum id_of of;
    if (!parse_of(r->request, &of)) {
        (void)report(report_out, ERR_INVALID, "of is event, letter or publish");
        return 400;
    }
    if (!id_search_init(&r->of.ids, of, slice_of(name))) {
        (void)report(report_out, ERR_INVALID, "give the last %d to %d hex digits of an id",
                     UUID_TAIL_MIN, UUID_TAIL_MAX);
        return 400;
    }
    return 0;
}

static int step_ids(struct admin *a, struct reading *r) {
    (void)a;
    const struct id_list *found = &r->of.ids.found;
    char id[UUID_TEXT_BYTES + 1];
    int code = id_search_step(&r->of.ids, r->journal);
    for (size_t i = 0; code == ERR_NOTFOUND && i < found->count; i++) {
        if (!admin_read_add(r, json_string(uuid_text(&found->ids[i], id)))) {
            return ERR_MEMORY;
        }
    }
    return code;
}

static void clear_ids(struct reading *r) {
    (void)r;
}

void admin_read_ids(void *ctx, const struct call *call) {
    static const struct reading_kind kind = {IDS_FOUND_MAX, true, NULL,     begin_ids,
                                             step_ids,      NULL, clear_ids};
    admin_read_as(ctx, &kind, call);
}

/* ---- life ---- */

static void find_free(struct find *f) {
    struct admin *a = f->admin;
    for (size_t i = 0; i < PARTITIONS; i++) {
        if (f->asked[i] != 0) {
            ask_cancel(a->options.ask, f->asked[i]);
        }
    }
    TAILQ_REMOVE(&a->finds, f, link);
    free(f);
}

void admin_forget_finds(struct admin *a) {
    struct find *f;
    while ((f = TAILQ_FIRST(&a->finds)) != NULL) {
        if (f->local != NULL) {
            gateway_guest_free(f->local);
        }
        find_free(f);
    }
}

/* ---- the answer ---- */

static json_t *ids_json(const struct id_list *found) {
    char id[UUID_TEXT_BYTES + 1];
    json_t *list = json_array();
    for (size_t i = 0; i < found->count; i++) {
        if (json_array_append_new(list, json_string(uuid_text(&found->ids[i], id))) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static void refuse_several(const struct find *f) {
    struct buf text;
    buf_init(&text, 1024);
    id_list_tell(&f->found, f->tail, &text);
    gateway_answer_json(
        f->request, 409, NULL,
        json_pack("{s:s, s:o}", "error", buf_str(&text), "ids", ids_json(&f->found)));
    buf_clear(&text);
}

static void refuse_none(const struct find *f) {
    char text[512];
    (void)snprintf(text, sizeof text, "no %s has an id that ends in \"%s\"%s%s", id_of_what(f->of),
                   f->tail, f->silent ? " on the hosts that answered: " : "", f->why);
    gateway_answer_error(f->request, f->silent ? 503 : 404, NULL, text);
}

static void refuse_doubt(const struct find *f) {
    char text[512];
    (void)snprintf(text, sizeof text,
                   "another id may end in \"%s\", too: give the whole one, or wait: %s", f->tail,
                   f->why);
    gateway_answer_error(f->request, 503, NULL, text);
}

/* Puts the whole id in place of the digits, and lets the request go on. */
static void complete(struct find *f) {
    struct gateway_request *request = f->request;
    struct call call = {.request = request};
    char id[UUID_TEXT_BYTES + 1];
    char path[128];
    (void)uuid_text(&f->found.ids[0], id);
    (void)route_find(f->admin->routes, gateway_method(request), gateway_path(request), &call);
    const struct parts *parts = &call.parts;
    bool kept;
    if (parts->count > 2) {
        struct slice verb = parts->count > 3 ? parts->at[3] : slice_of("");
        (void)snprintf(path, sizeof path, "/api/%.*s/%s%s%.*s", (int)parts->at[1].len,
                       parts->at[1].data, id, verb.len > 0 ? "/" : "", (int)verb.len, verb.data);
        kept = gateway_set_path(request, path);
    } else {
        kept = gateway_set_query(request, "id", id);
    }
    if (kept) {
        f->admin->request_here(f->admin, request);
    } else {
        gateway_answer_error(request, 503, NULL, error_text(ERR_MEMORY));
    }
}

static void conclude(struct find *f) {
    bool reads = strcmp(gateway_method(f->request), "POST") != 0;
    if (f->listing && (f->found.count > 0 || !f->silent)) {
        gateway_answer_json(f->request, 200, NULL, ids_json(&f->found));
    } else if (f->found.count > 1) {
        refuse_several(f);
    } else if (f->found.count == 0) {
        refuse_none(f);
    } else if (f->silent && !reads) {
        refuse_doubt(f);
    } else {
        complete(f);
    }
    find_free(f);
}

/* ---- asking ---- */

static void answered(struct find *f) {
    assert(f->waiting > 0);
    if (--f->waiting == 0) {
        conclude(f);
    }
}

static void note_silence(struct find *f, const char *why) {
    if (!f->silent) {
        f->silent = true;
        (void)snprintf(f->why, sizeof f->why, "%s", why);
    }
}

static void take_reply(struct find *f, const struct gateway_reply *reply) {
    json_t *list = reply->status == 200 ? json_read(reply->body, "answer", NULL) : NULL;
    size_t i;
    const json_t *item;
    if (list == NULL) {
        note_silence(f, "a host could not search all of its ids");
    }
    json_array_foreach(list, i, item) {
        struct uuid id;
        if (uuid_parse(slice_of(json_string_value(item)), &id)) {
            (void)id_list_add(&f->found, &id); /* full: several enough */
        }
    }
    json_decref(list);
}

static void on_end(void *ctx, uint64_t id, const struct ask_outcome *outcome) {
    struct find *f = ctx;
    size_t i = 0;
    while (f->asked[i] != id) {
        i++;
        assert(i < PARTITIONS);
    }
    f->asked[i] = 0;
    if (outcome->end == ASK_ANSWERED) {
        take_reply(f, outcome->reply);
    } else {
        note_silence(f, outcome->why);
    }
    answered(f);
}

static void on_local_answer(void *ctx, const struct gateway_reply *reply) {
    struct find *f = ctx;
    f->local = NULL;
    take_reply(f, reply);
    answered(f);
}

static void ask_there(struct find *f, uint16_t host, const struct gateway_words *words) {
    struct report r = {""};
    uint64_t *id = &f->asked[host - 1];
    f->waiting++;
    if (ask_start(f->admin->options.ask, host, words, f, on_end, id, &r) != 0) {
        *id = 0;
        note_silence(f, r.text);
        answered(f);
    }
}

static void ask_here(struct find *f, const struct gateway_words *words) {
    f->waiting++;
    if (gateway_guest_new(&f->local, words, f, on_local_answer) != 0) {
        note_silence(f, error_text(ERR_MEMORY));
        answered(f);
        return;
    }
    f->admin->request_here(f->admin, f->local);
}

/* Answers the request when all are done. */
static void ask_all(struct find *f, bool others) {
    const struct division *share = &f->admin->options.conf->hosts.share;
    char path[64];
    struct buf query;
    buf_init(&query, 64);
    buf_add_lv(&query, slice_of("of"));
    buf_add_lv(&query, slice_of(id_of_name(f->of)));
    (void)snprintf(path, sizeof path, "/api/ids/%s", f->tail);
    const struct gateway_words words = {
        .method = "GET", .path = path, .query = buf_slice(&query), .final = true};
    f->waiting = 1; /* so that it ends below */
    for (uint16_t host = 1; others && host <= share->count; host++) {
        if (host != share->place) {
            ask_there(f, host, &words);
        }
    }
    ask_here(f, &words);
    buf_clear(&query);
    answered(f);
}

/* ---- which requests ---- */

/* The last digits that a request has where an id belongs; empty: it has none. */
static struct slice tail_in(const struct call *call, enum id_of *of) {
    static const struct {
        const char *noun;
        enum id_of of;
    } nouns[] = {{"events", ID_OF_EVENT},
                 {"cancel", ID_OF_EVENT},
                 {"dlq", ID_OF_LETTER},
                 {"outbox", ID_OF_PUBLISH}};
    const struct parts *parts = &call->parts;
    struct slice text = {"", 0};
    *of = ID_OF_EVENT;
    for (size_t i = 0; parts->count > 2 && i < sizeof nouns / sizeof *nouns; i++) {
        if (slice_is(parts->at[1], nouns[i].noun)) {
            text = parts->at[2];
            *of = nouns[i].of;
        }
    }
    if (call->route->serve == admin_rerun) {
        text = slice_of(gateway_query(call->request, "id"));
    } else if (call->route->serve == admin_read_ids && parse_of(call->request, of)) {
        text = parts->at[2];
    }
    return uuid_is_tail(text) ? text : slice_of("");
}

/* False: ?host= names another host, or none. */
static bool is_for_us(const struct admin *a, const struct gateway_request *request) {
    const struct division *share = &a->options.conf->hosts.share;
    const char *host = gateway_query(request, "host");
    uint64_t place;
    return host == NULL ||
           (admin_number(host, 1, share->count, 0, &place) && place == share->place);
}

bool admin_find(struct admin *a, const struct call *call) {
    struct gateway_request *request = call->request;
    bool listing = call->route->serve == admin_read_ids;
    bool others = a->options.ask != NULL && !gateway_is_final(request) &&
                  gateway_query(request, "host") == NULL;
    enum id_of of;
    struct slice tail = tail_in(call, &of);
    if (tail.len == 0 || (listing && !others) || !is_for_us(a, request)) {
        return false;
    }
    struct find *f = calloc(1, sizeof *f);
    if (f == NULL) {
        gateway_answer_error(request, 503, NULL, error_text(ERR_MEMORY));
        return true;
    }
    *f = (struct find){.admin = a, .request = request, .of = of, .listing = listing};
    (void)snprintf(f->tail, sizeof f->tail, "%.*s", (int)tail.len, tail.data);
    TAILQ_INSERT_TAIL(&a->finds, f, link);
    ask_all(f, others);
    return true;
}
