/*
 * follow.c - one event and everything that belongs to it, across hosts: GET /api/events/<id> where
 * hosts divide the keys.
 *
 * An event for two services may be on two hosts, and what its handler publishes on a third. Each
 * host reports what it has; here the answers are combined: first those about the id, then, one
 * after the other, those of the other hosts about each publish. The number of such questions is
 * limited, like the tree of a single host: beyond the limit the answer is cut.
 *
 * A host that does not answer is named in "unanswered"; everything else is still reported.
 */
#include "web/admin/impl.h"

#include "base/json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRANSIT_SKEW_MS = 2000 };

/* A question: which events came of this id? */
struct question {
    json_t *about; /* the document, or a publish in it, whose "events" are extended; owned */
    uint16_t from; /* the host that reported it and need not be asked; 0 = none was asked yet */
};

struct follow {
    TAILQ_ENTRY(follow) link;
    struct admin *admin;
    struct gateway_request *request; /* waits for the answer */
    struct gateway_request *local;   /* the current question, while it is answered here; or NULL */
    json_t *document;
    struct question questions[FOLLOW_QUESTIONS_MAX];
    size_t count, at;           /* number of questions; the current one */
    uint64_t asked[PARTITIONS]; /* by host: the id of the current request; 0 = none */
    size_t waiting;             /* answers to the current question still to come */
    bool found, cut, failed;
    int64_t forwards_since_ms; /* since when something has been on its way; INT64_MAX = nothing */
    bool unanswered[PARTITIONS];
    char why[256]; /* of the first host that did not answer */
    bool unsent;   /* true: the question was not even sent */
};

/* ---- life ---- */

static void follow_free(struct follow *f) {
    struct admin *a = f->admin;
    for (size_t i = 0; i < PARTITIONS; i++) {
        if (f->asked[i] != 0) {
            ask_cancel(a->options.ask, f->asked[i]);
        }
    }
    for (size_t i = 0; i < f->count; i++) {
        json_decref(f->questions[i].about);
    }
    json_decref(f->document);
    TAILQ_REMOVE(&a->follows, f, link);
    free(f);
}

void admin_forget_follows(struct admin *a) {
    struct follow *f;
    while ((f = TAILQ_FIRST(&a->follows)) != NULL) {
        if (f->local != NULL) {
            gateway_guest_free(f->local);
        }
        follow_free(f);
    }
}

/* ---- combining ---- */

static void add_question(struct follow *f, json_t *about, uint16_t from) {
    if (f->count == FOLLOW_QUESTIONS_MAX) {
        f->cut = true;
        return;
    }
    f->questions[f->count++] = (struct question){json_incref(about), from};
}

/* Adds a question for each publish below the event: other hosts may have taken it, too, or
 * alone. */
static void question_publishes(struct follow *f, json_t *event, uint16_t host, int depth) {
    size_t i;
    json_t *publish;
    json_array_foreach(json_object_get(event, "publishes"), i, publish) {
        size_t k;
        json_t *below;
        json_t *events = json_object_get(publish, "events");
        add_question(f, publish, host);
        json_array_foreach(events, k, below) {
            if (depth < HOPS_MAX) {
                question_publishes(f, below, host, depth + 1);
            }
        }
    }
}

static void set_hosts(json_t *event, uint16_t host, int depth) {
    size_t i;
    json_t *publish;
    (void)json_object_set_new(event, "host", json_integer(host));
    json_array_foreach(json_object_get(event, "publishes"), i, publish) {
        size_t k;
        json_t *below;
        json_array_foreach(json_object_get(publish, "events"), k, below) {
            if (depth < HOPS_MAX) {
                set_hosts(below, host, depth + 1);
            }
        }
    }
}

/* Fields that only one host can know: the others leave them unchanged. */
static void keep_notes(struct follow *f, json_t *answer) {
    bool events = json_array_size(json_object_get(answer, "events")) > 0;
    json_t *causes = json_object_get(answer, "causes");
    if (!events) {
        (void)json_object_set(f->document, "state", json_object_get(answer, "state"));
    }
    if (json_object_get(answer, "due_at") != NULL) {
        (void)json_object_set(f->document, "due_at", json_object_get(answer, "due_at"));
    }
    if (json_array_size(causes) > json_array_size(json_object_get(f->document, "causes"))) {
        (void)json_object_set(f->document, "causes", causes);
    }
}

static void take_answer(struct follow *f, uint16_t host, struct slice body) {
    struct question *q = &f->questions[f->at];
    json_t *answer = json_read(body, "answer", NULL);
    json_t *events = json_object_get(answer, "events");
    json_t *known = json_object_get(q->about, "events");
    size_t i;
    json_t *event;
    if (known == NULL) {
        known = json_array();
        f->failed = json_object_set_new(q->about, "events", known) != 0 || f->failed;
    }
    json_int_t since_ms = json_integer_value(json_object_get(answer, "forwards_since_ms"));
    if (json_object_get(answer, "forwards_since_ms") != NULL && since_ms < f->forwards_since_ms) {
        f->forwards_since_ms = since_ms;
    }
    f->found = f->found || (f->at == 0 && answer != NULL);
    f->cut = f->cut || json_is_true(json_object_get(answer, "cut"));
    json_array_foreach(events, i, event) {
        set_hosts(event, host, 0);
        question_publishes(f, event, host, 0);
        f->failed = json_array_append(known, event) != 0 || f->failed;
    }
    if (f->at == 0 && answer != NULL) {
        keep_notes(f, answer);
    }
    json_decref(answer);
}

/* ---- the answer ---- */

struct tally {
    size_t events;
    int64_t newest_ms; /* time of the latest publish that lacks an event */
    bool missing;      /* a service takes such a topic, but no event of it was found */
    bool working, dead, discarded, expired;
};

/* Notes whether every service that takes the topic has an event, for the document or a publish. */
static void note_missing(const struct conf *conf, struct tally *tally, const json_t *about,
                         const char *topic) {
    size_t takers = 0;
    struct uuid id;
    const char *text = json_string_value(json_object_get(about, "id"));
    for (size_t i = 0; topic != NULL && i < conf->service_count; i++) {
        takers += service_wants(&conf->services[i], topic) ? 1 : 0;
    }
    if (topic != NULL && json_array_size(json_object_get(about, "events")) >= takers) {
        return;
    }
    tally->missing = true;
    if (text != NULL && uuid_parse(slice_of(text), &id) && uuid_ms(&id) > tally->newest_ms) {
        tally->newest_ms = uuid_ms(&id);
    }
}

static void tally_events(const struct conf *conf, const json_t *events, struct tally *tally,
                         int depth) {
    size_t i;
    const json_t *event;
    json_array_foreach(events, i, event) {
        enum event_state state = EVENT_READY;
        const char *name = json_string_value(json_object_get(event, "state"));
        size_t k;
        const json_t *publish;
        if (name != NULL && event_state_parse(name, &state)) {
            tally->events++;
            tally->working = tally->working || !event_state_ended(state);
            tally->dead = tally->dead || event_state_dead(state);
            tally->discarded = tally->discarded || state == EVENT_DISCARDED;
            tally->expired = tally->expired || state == EVENT_EXPIRED;
        }
        json_array_foreach(json_object_get(event, "publishes"), k, publish) {
            note_missing(conf, tally, publish,
                         json_string_value(json_object_get(publish, "topic")));
            if (depth < HOPS_MAX) {
                tally_events(conf, json_object_get(publish, "events"), tally, depth + 1);
            }
        }
    }
}

/* An apparent end is none while what is missing may be on its way to its host, or on a host that
 * does not answer. Clocks of hosts may differ by up to TRANSIT_SKEW_MS; beyond that, an end is seen
 * late. */
static const char *state_now(const struct follow *f, const struct tally *tally, const char *noted) {
    const char *state = tally->events == 0 ? noted
                        : tally->working   ? "working"
                        : tally->dead      ? "dead"
                        : tally->expired   ? "expired"
                        : tally->discarded ? "discarded"
                                           : "done";
    bool ended =
        tally->events > 0 ? !tally->working && !tally->dead : strcmp(state, "published") == 0;
    bool open = ended && tally->missing;
    if (open && tally->newest_ms + TRANSIT_SKEW_MS >= f->forwards_since_ms) {
        return "working";
    }
    return open && f->why[0] != '\0' ? "unknown" : state;
}

/* Like trace_state, but across all hosts. */
static void set_state(struct follow *f) {
    struct tally tally = {.events = 0};
    const char *noted = json_string_value(json_object_get(f->document, "state"));
    const json_t *events = json_object_get(f->document, "events");
    const json_t *topic = json_object_get(json_array_get(events, 0), "topic");
    note_missing(f->admin->options.conf, &tally, f->document, json_string_value(topic));
    tally_events(f->admin->options.conf, events, &tally, 0);
    const char *state = state_now(f, &tally, noted == NULL ? "published" : noted);
    f->failed = json_object_set_new(f->document, "state", json_string(state)) != 0 || f->failed;
    f->failed = json_object_set_new(f->document, "cut", json_boolean(f->cut)) != 0 || f->failed;
}

static void name_unanswered(struct follow *f) {
    json_t *list = json_array();
    for (size_t i = 0; i < PARTITIONS; i++) {
        if (f->unanswered[i]) {
            f->failed =
                json_array_append_new(list, json_integer((json_int_t)i + 1)) != 0 || f->failed;
        }
    }
    f->failed = json_object_set_new(f->document, "unanswered", list) != 0 || f->failed;
}

static void conclude(struct follow *f) {
    char text[512];
    set_state(f);
    name_unanswered(f);
    if (f->failed) {
        gateway_answer_error(f->request, 503, NULL, "out of memory");
    } else if (f->found) {
        gateway_answer_json(f->request, 200, NULL, json_incref(f->document));
    } else if (f->why[0] == '\0') {
        gateway_answer_error(f->request, 404, NULL, "no host has anything of that id");
    } else {
        (void)snprintf(text, sizeof text, "no other host has anything of that id, and %s", f->why);
        gateway_answer_error(f->request, f->unsent ? 503 : 504, NULL, text);
    }
    follow_free(f);
}

/* ---- asking ---- */

static void ask_next(struct follow *f);

static void answered(struct follow *f) {
    assert(f->waiting > 0);
    if (--f->waiting > 0) {
        return;
    }
    f->at++;
    ask_next(f);
}

static void note_silence(struct follow *f, uint16_t host, bool unsent, const char *why) {
    f->unanswered[host - 1] = true;
    if (f->why[0] == '\0') {
        f->unsent = unsent;
        (void)snprintf(f->why, sizeof f->why, "%s", why);
    }
}

static void take_reply(struct follow *f, uint16_t host, const struct gateway_reply *reply) {
    if (reply->status == 200) {
        take_answer(f, host, reply->body);
    } else if (reply->status != 404) {
        note_silence(f, host, true, "a host could not tell of it");
    }
}

static void on_end(void *ctx, uint64_t id, const struct ask_outcome *outcome) {
    struct follow *f = ctx;
    uint16_t host = 1;
    while (f->asked[host - 1] != id) {
        host++;
        assert(host <= PARTITIONS);
    }
    f->asked[host - 1] = 0;
    if (outcome->end == ASK_ANSWERED) {
        take_reply(f, host, outcome->reply);
    } else {
        note_silence(f, host, outcome->end == ASK_UNSENT, outcome->why);
    }
    answered(f);
}

static void on_local_answer(void *ctx, const struct gateway_reply *reply) {
    struct follow *f = ctx;
    f->local = NULL;
    take_reply(f, f->admin->options.conf->hosts.share.place, reply);
    answered(f);
}

static void ask_here(struct follow *f, const struct gateway_words *words) {
    if (gateway_guest_new(&f->local, words, f, on_local_answer) != 0) {
        f->failed = true;
        answered(f);
        return;
    }
    f->admin->request_here(f->admin, f->local);
}

static void ask_there(struct follow *f, uint16_t host, const struct gateway_words *words) {
    struct report r = {""};
    int code = ask_start(f->admin->options.ask, host, words, f, on_end, &f->asked[host - 1], &r);
    if (code != 0) {
        f->asked[host - 1] = 0;
        note_silence(f, host, true, r.text);
        answered(f);
    }
}

/* Asks every host except the one that reported it; answers the request when all questions are
 * done. */
static void ask_next(struct follow *f) {
    const struct division *share = &f->admin->options.conf->hosts.share;
    char path[64];
    if (f->at == f->count || f->failed) {
        conclude(f);
        return;
    }
    struct question *q = &f->questions[f->at];
    const char *id = json_string_value(json_object_get(q->about, "id"));
    (void)snprintf(path, sizeof path, "/api/events/%.*s", UUID_TEXT_BYTES, id == NULL ? "" : id);
    const struct gateway_words words = {.method = "GET", .path = path, .final = true};
    uint16_t from = q->from;
    f->waiting = share->count - (from != 0 ? 1u : 0u) + 1; /* plus one, so that it ends below */
    for (uint16_t host = 1; host <= share->count; host++) {
        if (host == share->place && host != from) {
            ask_here(f, &words);
        } else if (host != from) {
            ask_there(f, host, &words);
        }
    }
    answered(f);
}

void admin_follow(struct admin *a, struct slice id, struct gateway_request *request) {
    struct follow *f = calloc(1, sizeof *f);
    if (f != NULL) {
        f->document = json_pack("{s:s#, s:s, s:[], s:[]}", "id", id.data, (int)id.len, "state",
                                "published", "causes", "events");
    }
    if (f == NULL || f->document == NULL) {
        free(f);
        gateway_answer_error(request, 503, NULL, "out of memory");
        return;
    }
    f->admin = a;
    f->request = request;
    f->forwards_since_ms = INT64_MAX;
    TAILQ_INSERT_TAIL(&a->follows, f, link);
    add_question(f, f->document, 0);
    ask_next(f);
}
