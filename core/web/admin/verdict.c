/*
 * verdict.c - see web/admin/verdict.h.
 *
 * A rule is a row: its level, whether it applies, and what it says. What the host warns of comes from
 * host/terms.c and is taken over as it is: bad, if the host is not ready because of it. A share of
 * failed attempts counts only if it is a share of enough attempts.
 */
#include "web/admin/verdict.h"

#include "base/about.h"
#include "base/limits.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { OLD_MS = 300000, FULL_S = 24 * 3600, FULL_SOON_S = 3600 };

static const double failing = 0.05;
static const double failing_mostly = 0.5;
static const double store_full = 0.8;

enum level { LEVEL_WARN, LEVEL_BAD };

struct sentence {
    enum level level;
    const char *code;    /* names it, with the service */
    const char *service; /* NULL = of the host */
    const char *text;
    const char *more;    /* or NULL */
    const char *link;    /* the dashboard's page */
    const char *command; /* what shows more of it, or NULL */
};

static void add(struct verdict *v, const struct sentence *s) {
    json_t *one =
        json_pack("{s:s, s:s, s:s?, s:s, s:s?, s:s, s:s?}", "level",
                  s->level == LEVEL_BAD ? "bad" : "warn", "code", s->code, "service", s->service,
                  "text", s->text, "more", s->more, "link", s->link, "command", s->command);
    if (json_array_append_new(s->level == LEVEL_BAD ? v->bad : v->warn, one) != 0) {
        v->unsaid++;
    }
}

void verdict_begin(struct verdict *v) {
    *v = (struct verdict){.bad = json_array(), .warn = json_array()};
}

/* --- the host --- */

static bool is_among(const json_t *list, const char *text) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *other = json_string_value(json_array_get(list, i));
        if (other != NULL && strcmp(other, text) == 0) {
            return true;
        }
    }
    return false;
}

void verdict_of_host(struct verdict *v, const json_t *host) {
    const json_t *warnings = json_object_get(host, "warnings");
    const json_t *blocking = json_object_get(host, "blocking");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *text = json_string_value(json_array_get(warnings, i));
        if (text != NULL) {
            add(v, &(struct sentence){.level = is_among(blocking, text) ? LEVEL_BAD : LEVEL_WARN,
                                      .code = "host",
                                      .text = text,
                                      .link = "#/host"});
        }
    }
}

/* --- the engine --- */

static void add_store(struct verdict *v, const struct engine_status *s, double full_s) {
    char about[ABOUT_BYTES];
    struct report r;
    double share = s->store_max == 0 ? 0 : (double)s->store_used / (double)s->store_max;
    struct sentence one = {.code = "store", .text = r.text, .link = "#/host"};
    if (s->store_low != NULL) {
        return; /* the host warns of it */
    }
    if (full_s < FULL_S) {
        (void)report(&r, 0,
                     "at this rate the store is full in %s: raise store.max_size, or shorten "
                     "store.keep_done",
                     about_seconds(full_s, about));
        one.level = full_s < FULL_SOON_S ? LEVEL_BAD : LEVEL_WARN;
        add(v, &one);
    } else if (share > store_full) {
        (void)report(&r, 0,
                     "the store is %.0f %% full: raise store.max_size, or shorten "
                     "store.keep_done",
                     share * 100);
        add(v, &one);
    }
}

void verdict_of_engine(struct verdict *v, const struct engine_status *s, double full_s) {
    struct report r;
    if (!s->accepts) {
        add(v,
            &(struct sentence){
                .level = LEVEL_BAD,
                .code = "accepts",
                .text = "nothing is accepted, because the backlog or the store is "
                        "full, or the database of its log is away: new messages wait at the broker",
                .link = "#/host"});
    }
    if (s->outbox_refused > 0) {
        (void)report(&r, 0, "the broker refuses %" PRIu64 " publish%s", s->outbox_refused,
                     s->outbox_refused == 1 ? "" : "es");
        add(v, &(struct sentence){.level = LEVEL_BAD,
                                  .code = "refused",
                                  .text = r.text,
                                  .link = "#/outbox",
                                  .command = "zingq outbox list --refused"});
    }
    add_store(v, s, full_s);
}

/* --- a service --- */

struct look {
    const struct engine_service_status *s;
    int64_t now_ms;
};

static bool is_refused(const struct look *l, struct report *r) {
    (void)report(r, 0, "the saved script was refused, the last good one stays");
    return l->s->script_error != NULL;
}

static bool needs_person(const struct look *l, struct report *r) {
    uint64_t count = l->s->books.needs_person;
    (void)report(r, 0, "%" PRIu64 " dead letter%s half done what cannot be undone without a person",
                 count, count == 1 ? " has" : "s have");
    return count > 0;
}

/* Share of the last minute's attempts that failed; 0 if there were too few of them. */
static double failed_share(const struct look *l) {
    uint64_t attempts = (uint64_t)l->s->lately.done_1min + l->s->lately.failures_1min;
    return attempts < VERDICT_ATTEMPTS ? 0 : l->s->lately.failure_rate;
}

static bool say_failing(const struct look *l, struct report *r) {
    (void)report(r, 0, "%.0f %% of the attempts of the last minute failed",
                 l->s->lately.failure_rate * 100);
    return true;
}

static bool fails_mostly(const struct look *l, struct report *r) {
    return failed_share(l) >= failing_mostly && say_failing(l, r);
}

static bool fails_often(const struct look *l, struct report *r) {
    double share = failed_share(l);
    return share > failing && share < failing_mostly && say_failing(l, r);
}

static bool has_dead(const struct look *l, struct report *r) {
    uint64_t count = l->s->books.dead;
    (void)report(r, 0, "%" PRIu64 " dead letter%s for a person", count,
                 count == 1 ? " waits" : "s wait");
    return count > 0;
}

static bool is_removed(const struct look *l, struct report *r) {
    (void)report(r, 0, "%s%s; %" PRIu64 " of its events wait",
                 l->s->heir != NULL ? "being moved to " : "no longer in topics.conf, nothing runs",
                 l->s->heir != NULL ? l->s->heir : "", books_waiting(&l->s->books));
    return l->s->removed;
}

static bool is_paused(const struct look *l, struct report *r) {
    uint64_t count = books_waiting(&l->s->books);
    (void)report(r, 0, "paused; %" PRIu64 " event%s", count, count == 1 ? " waits" : "s wait");
    return l->s->paused && l->s->active && !l->s->removed;
}

static bool is_throttled(const struct look *l, struct report *r) {
    char about[ABOUT_BYTES];
    double left_s = (double)(l->s->throttled_until_ms - l->now_ms) / 1000;
    if (left_s <= 0) {
        return false;
    }
    (void)report(r, 0, "slowed down at its handler's wish for another %s",
                 about_seconds(left_s, about));
    return true;
}

static bool is_late(const struct look *l, struct report *r) {
    char about[ABOUT_BYTES];
    (void)report(r, 0, "its oldest event has waited %s",
                 about_seconds((double)l->s->oldest_ms / 1000, about));
    return l->s->oldest_ms > OLD_MS && !l->s->paused && !l->s->removed;
}

static bool is_full(const struct look *l, struct report *r) {
    (void)report(r, 0, "its part of the store has no room left");
    for (unsigned i = 0; i < RUN_QUOTAS; i++) {
        if (l->s->kept_full[i]) {
            return true;
        }
    }
    return false;
}

#define PAGE_SERVICE "#/service/%s"
#define PAGE_DEAD "#/dead?service=%s"

static const struct verdict_rule {
    enum level level;
    const char *code;
    bool (*holds)(const struct look *l, struct report *r);
    const char *link, *command; /* with the service's name */
} rules[] = {
    {LEVEL_BAD, "script", is_refused, PAGE_SERVICE, "zingq check"},
    {LEVEL_BAD, "needs-person", needs_person, PAGE_DEAD, "zingq dlq list --service %s"},
    {LEVEL_BAD, "failing", fails_mostly, PAGE_SERVICE, "zingq events --service %s --state retry"},
    {LEVEL_WARN, "failing", fails_often, PAGE_SERVICE, "zingq events --service %s --state retry"},
    {LEVEL_WARN, "dead", has_dead, PAGE_DEAD, "zingq dlq groups --service %s"},
    {LEVEL_WARN, "removed", is_removed, PAGE_SERVICE, "zingq move --from %s --to OTHER"},
    {LEVEL_WARN, "paused", is_paused, PAGE_SERVICE, "zingq resume %s"},
    {LEVEL_WARN, "throttled", is_throttled, PAGE_SERVICE, NULL},
    {LEVEL_WARN, "late", is_late, "#/keys?service=%s", "zingq keys list --service %s"},
    {LEVEL_WARN, "full", is_full, PAGE_SERVICE, NULL},
};

/* `format` is of a row and has the service's name in place of its %s. */
static const char *fill(const char *format, const char *service, char *out, size_t size) {
    const char *at = format == NULL ? NULL : strstr(format, "%s");
    if (at == NULL) {
        return format;
    }
    (void)snprintf(out, size, "%.*s%s%s", (int)(at - format), format, service, at + 2);
    return out;
}

void verdict_of_service(struct verdict *v, const struct engine_service_status *s, int64_t now_ms) {
    const struct look look = {s, now_ms};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        const struct verdict_rule *rule = &rules[i];
        char link[NAME_BYTES_MAX + 64];
        char command[NAME_BYTES_MAX + 64];
        struct report r;
        if (rule->holds(&look, &r)) {
            add(v, &(struct sentence){.level = rule->level,
                                      .code = rule->code,
                                      .service = s->name,
                                      .text = r.text,
                                      .more = rule->holds == is_refused ? s->script_error : NULL,
                                      .link = fill(rule->link, s->name, link, sizeof link),
                                      .command =
                                          fill(rule->command, s->name, command, sizeof command)});
        }
    }
}

/* --- the whole --- */

json_t *verdict_end(struct verdict *v) {
    size_t bad = json_array_size(v->bad) + v->unsaid;
    size_t count = bad + json_array_size(v->warn);
    char text[64] = "all is well";
    if (count > 0) {
        (void)snprintf(text, sizeof text, "%zu thing%s to look at", count, count == 1 ? "" : "s");
    }
    for (size_t i = 0; i < json_array_size(v->warn); i++) {
        (void)json_array_append(v->bad, json_array_get(v->warn, i));
    }
    json_decref(v->warn);
    return json_pack("{s:s, s:s, s:o}", "level",
                     bad > 0     ? "bad"
                     : count > 0 ? "warn"
                                 : "good",
                     "text", text, "sentences", v->bad);
}
