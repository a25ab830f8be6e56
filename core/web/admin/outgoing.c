/*
 * outgoing.c - GET /api/outbox and /api/delayed: publishes that have not left this host.
 *
 * A page of the outbox is read from its first row on, because what a row is held behind comes before
 * it; rows of earlier pages are passed over.
 */
#include "web/admin/impl.h"

#include <inttypes.h>
#include <stdio.h>

static int refuse_cursor(struct report *report_out) {
    (void)report(report_out, ERR_INVALID, "before must be the value of Zingq-Next");
    return 400;
}

static void nothing_to_clear(struct reading *r) {
    (void)r;
}

/* ---- the outbox ---- */

static int begin_outbox(struct admin *a, struct reading *r, const char *name,
                        struct report *report_out) {
    (void)a;
    (void)name;
    const char *before = gateway_query(r->request, "before");
    uint64_t refused;
    if (!admin_option(r->request, "refused", 0, 1, 0, &refused, report_out)) {
        return 400;
    }
    r->of.outbox.refused_only = refused != 0;
    bool ok = admin_number(before, 1, UINT64_MAX, 0, &r->of.outbox.shown_seq);
    return ok ? 0 : refuse_cursor(report_out);
}

static void mark_outbox(struct reading *r) {
    (void)snprintf(r->next, sizeof r->next, "%" PRIu64, r->of.outbox.walk.seq);
}

static int step_outbox(struct admin *a, struct reading *r) {
    (void)a;
    struct outbox_walk *walk = &r->of.outbox.walk;
    struct publication p;
    bool held = false;
    int code = outbox_walk_next(r->journal, walk, &p, &held);
    if (code != 0) {
        return code;
    }
    if (walk->seq <= r->of.outbox.shown_seq) {
        r->rows = 0; /* an earlier page: else a long outbox would have no last one */
        return 0;
    }
    bool wanted = p.refused_ms != 0 || !r->of.outbox.refused_only;
    if (wanted && !admin_read_add(r, outbox_json(&p, held))) {
        return ERR_MEMORY;
    }
    if (admin_read_full(r)) {
        mark_outbox(r);
        return ERR_NOTFOUND;
    }
    return 0;
}

/* ---- delayed publishes ---- */

static int begin_delayed(struct admin *a, struct reading *r, const char *name,
                         struct report *report_out) {
    (void)a;
    (void)name;
    const char *before = gateway_query(r->request, "before");
    bool ok = before == NULL || uuid_parse(slice_of(before), &r->of.delayed);
    return ok ? 0 : refuse_cursor(report_out);
}

static void mark_delayed(struct reading *r) {
    char id[UUID_TEXT_BYTES + 1];
    (void)snprintf(r->next, sizeof r->next, "%s", uuid_text(&r->of.delayed, id));
}

static int step_delayed(struct admin *a, struct reading *r) {
    (void)a;
    struct delayed delayed;
    struct publication p;
    int code = journal_delayed_next(r->journal, &r->of.delayed, &delayed, &p);
    if (code == 0 && !admin_read_add(r, delayed_json(&delayed, &p))) {
        code = ERR_MEMORY;
    }
    if (code == 0 && admin_read_full(r)) {
        mark_delayed(r);
        return ERR_NOTFOUND;
    }
    return code;
}

/* ---- the requests ---- */

void admin_read_outbox(void *ctx, const struct call *call) {
    static const struct reading_kind kind = {
        100, true, &merge_by_host, begin_outbox, step_outbox, mark_outbox, nothing_to_clear};
    admin_read_as(ctx, &kind, call);
}

void admin_read_delayed(void *ctx, const struct call *call) {
    static const struct reading_kind kind = {
        100, true, &merge_by_host, begin_delayed, step_delayed, mark_delayed, nothing_to_clear};
    admin_read_as(ctx, &kind, call);
}
