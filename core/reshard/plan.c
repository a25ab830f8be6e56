/*
 * plan.c - the number of each folder, and what the services' rules imply.
 */
#include "reshard/impl.h"

#include "journal/owner.h"
#include "conf/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- numbers --- */

static bool parse_division(const char *text, struct division *out) {
    char *end = NULL;
    unsigned long count =
        text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : PARTITIONS + 1;
    if (count > PARTITIONS || *end != '/' || end[1] < '0' || end[1] > '9') {
        return false;
    }
    unsigned long place = strtoul(end + 1, &end, 10);
    *out = (struct division){.count = (uint16_t)count, .place = (uint16_t)place};
    return *end == '\0' && place <= count;
}

int reshard_read_division(struct journal *j, const char *path, struct division *out,
                          struct report *r) {
    char text[32] = "1/1";
    struct slice value;
    int code = journal_text_get(j, RESHARD_DIVISION, &value);
    if (code == 0) {
        size_t len = value.len < sizeof text ? value.len : 0;
        memcpy(text, value.data, len);
        text[len] = '\0';
    }
    if (code != 0 && code != ERR_NOTFOUND) {
        return report(r, code, "%s cannot be read: %s", path, error_text(code));
    }
    return parse_division(text, out)
               ? 0
               : report(r, ERR_CORRUPT, "%s does not tell which host's it is", path);
}

/* ERR_EXISTS: the row belongs to a key, and so to a host outside of the division. Rows that hosts
 * keep for themselves are allowed. */
static int visit_new(struct reshard *re, size_t from, enum store_table t, struct slice key,
                     struct slice value) {
    const struct folder *f = &re->folders[from];
    struct row_sight sight;
    if (t == TABLE_META || t == TABLE_ASIDE || t >= TABLE_DEDUPE) {
        return 0;
    }
    int code = journal_row_look(t, key, value, &sight);
    if (code != 0 || !sight.has_service || sight.service >= journal_service_count(f->journal)) {
        return code == 0 ? ERR_EXISTS : code;
    }
    enum keeping keeping = f->rules[sight.service].keeping;
    return keeping == OWN || keeping == ANYWHERE ? 0 : ERR_EXISTS;
}

static int check_old(struct reshard *re, size_t i, struct report *r) {
    const struct folder *f = &re->folders[i];
    struct division d = {0};
    if (!f->has_store) {
        return report(
            r, ERR_INVALID,
            "host %zu of %u is missing: there is no store in %s; the folders are those of "
            "hosts 1 to %u, in this order, before any new one",
            i + 1, (unsigned)re->from_count, f->path, (unsigned)re->from_count);
    }
    int code = reshard_read_division(f->journal, f->path, &d, r);
    if (code != 0 || (d.count == re->from_count && d.place == i + 1)) {
        return code;
    }
    return report(r, ERR_INVALID,
                  "%s is host %u of %u, where host %zu of %u is wanted: give the folders of one "
                  "division, all of them, in the order of their numbers",
                  f->path, (unsigned)d.place, (unsigned)d.count, i + 1, (unsigned)re->from_count);
}

/* What an earlier reshard left in a folder that it emptied may stay there. */
static int check_new(struct reshard *re, size_t i, struct report *r) {
    const struct folder *f = &re->folders[i];
    struct division d = {0};
    int code = f->has_store ? reshard_read_division(f->journal, f->path, &d, r) : 0;
    if (code != 0 || d.count == 0) {
        return code;
    }
    code = reshard_walk_folder(re, i, visit_new);
    if (code != ERR_EXISTS) {
        return code == 0 ? 0 : report(r, code, "%s cannot be read: %s", f->path, error_text(code));
    }
    return report(r, ERR_INVALID,
                  "%s is to be new, host %zu of %u, and has a store with rows, of host %u of %u",
                  f->path, i + 1, (unsigned)re->to_count, (unsigned)d.place, (unsigned)d.count);
}

static int check_number(const struct reshard *re, struct report *r) {
    unsigned from = re->from_count;
    unsigned to = re->to_count;
    size_t wanted = from > to ? from : to;
    if (re->folder_count == wanted) {
        return 0;
    }
    char what[STORE_PATH_BYTES + 64];
    if (re->folder_count > wanted) {
        (void)snprintf(what, sizeof what, "%s is one too many", re->folders[wanted].path);
    } else if (re->folder_count < from) {
        (void)snprintf(what, sizeof what, "that of host %zu of %u is missing", re->folder_count + 1,
                       from);
    } else {
        (void)snprintf(what, sizeof what, "a new one for host %zu is missing",
                       re->folder_count + 1);
    }
    return report(
        r, ERR_INVALID,
        "%s is host 1 of %u; from %u to %u takes %zu folder%s, in the order of the hosts' "
        "numbers: %s",
        re->folders[0].path, from, from, to, wanted, wanted == 1 ? "" : "s", what);
}

/* `zingq leave` ends the session. */
static bool has_session(const struct folder *f) {
    struct slice text;
    return f->has_store && journal_text_get(f->journal, "session", &text) == 0 && text.len > 0;
}

int reshard_plan(struct reshard *re, struct report *r) {
    struct division first = {.count = 1};
    if (!re->folders[0].has_store) {
        return report(r, ERR_NOTFOUND, "no store in %s: the first folder is that of host 1",
                      re->folders[0].path);
    }
    int code = reshard_read_division(re->folders[0].journal, re->folders[0].path, &first, r);
    if (code == 0 && first.count == 0) {
        code = report(r, ERR_INVALID,
                      "%s has been emptied by a reshard: it belongs to no host any more",
                      re->folders[0].path);
    }
    re->from_count = first.count;
    code = code == 0 ? check_number(re, r) : code;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        struct reshard_view *view = &re->folders[i].view;
        bool old = i < re->from_count;
        code = old ? check_old(re, i, r) : check_new(re, i, r);
        view->from = old ? (uint16_t)(i + 1) : 0;
        view->to = i < re->to_count ? (uint16_t)(i + 1) : 0;
        view->session = has_session(&re->folders[i]);
    }
    return code;
}

/* --- rules --- */

/* `origin`: journal_service_origin. */
static struct service_rule rule_of(const struct reshard *re, const char *name, const char *origin) {
    uint64_t lane = journal_lane(slice_of(origin), (struct slice){"", 0});
    struct service_rule rule = {
        .keeping = BY_KEY, .ordered = true, .keyless = journal_partition(lane)};
    size_t i;
    if (!conf_find_heir(re->conf, slice_of(name), &i)) {
        return rule; /* it is no longer in topics.conf: treat it as if it had keys */
    }
    const struct service_conf *s = &re->conf->services[i];
    rule.ordered = s->ordered;
    rule.keeping = !s->share ? OWN : s->independent ? ANYWHERE : s->ordered ? BY_KEY : BY_CHANCE;
    return rule;
}

static int read_rules(struct reshard *re, struct folder *f) {
    uint16_t count = journal_service_count(f->journal);
    f->rules = calloc((size_t)count + 1, sizeof *f->rules);
    for (uint16_t n = 0; f->rules != NULL && n < count; n++) {
        const char *name = journal_service_name(f->journal, n);
        f->rules[n] = name == NULL ? rule_of(re, "", "")
                                   : rule_of(re, name, journal_service_origin(f->journal, n));
    }
    return f->rules == NULL ? ERR_MEMORY : 0;
}

/* A publish from outside is deduplicated by the host that took it, without a key; duplicates of a
 * message without a key are looked for by the host responsible for its identity. Both may be
 * another host from now on. */
static void find_shared_partitions(struct reshard *re) {
    re->to_all[owner_partition_of_publish()] = true;
    for (size_t i = 0; i < re->conf->service_count; i++) {
        const struct service_conf *s = &re->conf->services[i];
        struct service_rule rule = rule_of(re, s->name, service_origin(s));
        re->independents = re->independents || rule.keeping == ANYWHERE;
        if (rule.keeping == BY_CHANCE) {
            re->to_all[rule.keyless] = true;
        }
    }
}

int reshard_read_rules(struct reshard *re) {
    int code = 0;
    find_shared_partitions(re);
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        code = re->folders[i].store == NULL ? 0 : read_rules(re, &re->folders[i]);
    }
    return code;
}
