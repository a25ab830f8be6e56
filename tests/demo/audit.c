/*
 * audit.c - the promises of the booking system as rows: a sentence, and who checks it. A check
 * writes what it counted, or the first thing it found wrong.
 */
#include "audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DETAIL_BYTES = 200, SHOWN_MAX = 200 };

/* ---- the summary ---- */

static void row(const char *name, size_t value, const char *more) {
    (void)printf("  %-18s %6zu   %s\n", name, value, more);
}

static void print_reasons(const struct sale *s) {
    const char *between = "  ";
    (void)printf("  %-18s %6zu ", "rejected", s->rejected);
    for (size_t i = 0; i < REASONS; i++) {
        if (s->rejected_for[i] > 0) {
            (void)printf("%s%s %zu", between, reason_names[i], s->rejected_for[i]);
            between = ", ";
        }
    }
    (void)printf("\n");
}

static size_t sum(const struct audit *a, size_t figure) {
    return (size_t)books_sum(&a->host, figure);
}

#define SUM(audit, field) sum(audit, offsetof(struct service_books, field))

static size_t count_mails(const struct sale *s, bool copies) {
    size_t count = 0;
    for (size_t i = 0; i < BUYERS; i++) {
        count += copies ? s->bookings[i].mail_copies : s->bookings[i].mails;
    }
    return count;
}

static size_t copies_sent(const struct sale *s) {
    return s->sent_of[LETTER_AGAIN] + s->sent_of[LETTER_OTHER_KEY] + s->sent_of[LETTER_KEYED] / 2;
}

void audit_print_summary(const struct audit *a) {
    const struct sale *s = a->sale;
    char text[DETAIL_BYTES];
    (void)printf("\nThe sale\n");
    (void)snprintf(text, sizeof text, "and %zu requests twice, %zu cancellations, %zu without JSON",
                   copies_sent(s), s->sent_of[LETTER_CANCEL], s->sent_of[LETTER_NO_JSON]);
    row("buyers", BUYERS, text);
    (void)snprintf(text, sizeof text, "of %d seats in %d concerts", SEATS, CONCERTS);
    row("sold", s->confirmed, text);
    print_reasons(s);
    (void)snprintf(text, sizeof text, "charged; %zu declined, %zu failures, %zu answers lost",
                   a->gateway.declines, a->gateway.failures, a->gateway.lost);
    row("paid", a->gateway.charges, text);
    row("refunded", a->gateway.refunds, "charged, but the seat was gone");
    (void)snprintf(text, sizeof text, "attempts after a failure; %zu cut off by a kill",
                   SUM(a, crashes));
    row("retried", SUM(a, retries), text);
    row("expired", s->rejected_for[REASON_EXPIRED], "seats held, not paid in time, free again");
    row("dead letters", SUM(a, dead), "kept for a person to look at");
    row("emails", count_mails(s, false), "tickets");
    row("duplicates", SUM(a, duplicates), "dropped");
    (void)printf("  %-18s %6.1f s %.0f bookings/s, at the pace of the buyers\n", "duration",
                 a->seconds, (double)s->answered / a->seconds);
}

/* ---- promises ---- */

typedef bool check_fn(const struct audit *a, char detail[DETAIL_BYTES]);

#define SAY(detail, ...) (void)snprintf(detail, DETAIL_BYTES, __VA_ARGS__)

static bool no_seat_is_sold_twice(const struct audit *a, char detail[DETAIL_BYTES]) {
    unsigned owners[SEATS] = {0};
    for (unsigned i = 0; i < BUYERS; i++) {
        const struct booking *b = &a->sale->bookings[i];
        if (!b->confirmed || ++owners[b->seat] == 1) {
            continue;
        }
        char seat[8];
        seat_name(b->seat, seat);
        SAY(detail, "seat %s of %s was sold again, to b-%04u", seat, seat_concert(b->seat), i);
        return false;
    }
    SAY(detail, "%zu confirmations, %zu seats", a->sale->confirmed, a->sale->confirmed);
    return true;
}

static bool nobody_is_charged_twice(const struct audit *a, char detail[DETAIL_BYTES]) {
    for (unsigned i = 0; i < BUYERS; i++) {
        const struct booking *b = &a->sale->bookings[i];
        if (b->charges > 1) {
            SAY(detail, "b-%04u was charged %u times", i, b->charges);
            return false;
        }
    }
    SAY(detail, "the gateway's books: %zu charges, one a booking at most", a->gateway.charges);
    return a->gateway.strangers == 0;
}

static bool money_stays_only_for_seats(const struct audit *a, char detail[DETAIL_BYTES]) {
    for (unsigned i = 0; i < BUYERS; i++) {
        const struct booking *b = &a->sale->bookings[i];
        unsigned kept = b->charges - b->refunds;
        if (kept != (b->confirmed ? 1 : 0)) {
            SAY(detail, "b-%04u, %s, was charged %u and refunded %u times", i,
                b->confirmed ? "confirmed" : "not confirmed", b->charges, b->refunds);
            return false;
        }
    }
    SAY(detail, "%zu charges kept, %zu given back", a->sale->confirmed, a->gateway.refunds);
    return true;
}

static bool everyone_is_answered_once(const struct audit *a, char detail[DETAIL_BYTES]) {
    size_t copies = 0;
    size_t unanswered = 0;
    for (unsigned i = 0; i < BUYERS; i++) {
        const struct booking *b = &a->sale->bookings[i];
        copies += b->copies;
        unanswered += b->answers == 0;
        if (b->answers > 1) {
            SAY(detail, "b-%04u got %u answers", i, b->answers);
            return false;
        }
    }
    if (unanswered > 0) {
        SAY(detail, "%zu buyers have no answer", unanswered);
        return false;
    }
    SAY(detail, "%zu confirmed, %zu rejected%s", a->sale->confirmed, a->sale->rejected,
        copies > 0 ? "; some came again under the same id" : "");
    return a->sale->foreign == 0 && (copies == 0 || a->killed);
}

static bool reasons_are_those_promised(const struct audit *a, char detail[DETAIL_BYTES]) {
    for (unsigned i = 0; i < BUYERS; i++) {
        const struct booking *b = &a->sale->bookings[i];
        bool invalid = b->answers > 0 && !b->confirmed && b->reason == REASON_INVALID;
        bool other = b->answers > 0 && !b->confirmed && b->reason == REASON_OTHER;
        if (invalid != (b->kind == BUYER_INVALID) || other) {
            SAY(detail, "b-%04u was rejected as \"%s\"", i, reason_names[b->reason]);
            return false;
        }
    }
    SAY(detail, "%zu requests were not valid", a->sale->rejected_for[REASON_INVALID]);
    return true;
}

static bool each_sale_has_one_mail(const struct audit *a, char detail[DETAIL_BYTES]) {
    for (unsigned i = 0; i < BUYERS; i++) {
        const struct booking *b = &a->sale->bookings[i];
        if (b->mails != (b->confirmed ? 1 : 0)) {
            SAY(detail, "b-%04u, %s, got %u mails", i, b->confirmed ? "confirmed" : "not confirmed",
                b->mails);
            return false;
        }
    }
    size_t copies = count_mails(a->sale, true);
    SAY(detail, "%zu mails, %zu copies under the same Message-ID", a->sale->confirmed, copies);
    return a->mail_strangers == 0 && (copies == 0 || a->killed);
}

static bool duplicates_change_nothing(const struct audit *a, char detail[DETAIL_BYTES]) {
    const struct sale *s = a->sale;
    size_t known = copies_sent(s);
    size_t dropped = SUM(a, duplicates);
    SAY(detail, "%zu dropped by the rule, %zu of them under another key", dropped,
        s->sent_of[LETTER_OTHER_KEY]);
    return dropped >= known && (dropped == known || a->killed);
}

static bool nothing_is_left_over(const struct audit *a, char detail[DETAIL_BYTES]) {
    SAY(detail, "%zu waiting, %" PRId64 " in the outbox, %" PRId64 " delayed", SUM(a, waiting),
        a->host.outbox, a->host.delayed);
    return a->settled && books_are_closed(&a->host);
}

static bool the_books_balance(const struct audit *a, char detail[DETAIL_BYTES]) {
    for (size_t i = 0; i < a->host.count; i++) {
        const struct service_books *s = &a->host.services[i];
        int64_t ends = s->waiting + s->done + s->dead + s->discarded + s->expired + s->duplicates;
        if (s->accepted != ends) {
            SAY(detail, "%s accepted %" PRId64 " and knows of %" PRId64, s->name, s->accepted,
                ends);
            return false;
        }
    }
    SAY(detail, "%zu accepted = %zu done + %zu dead + %zu dropped", SUM(a, accepted), SUM(a, done),
        SUM(a, dead), SUM(a, duplicates));
    return a->host.count > 0;
}

static const struct {
    const char *sentence;
    check_fn *holds;
} promises[] = {
    {"no seat is sold twice", no_seat_is_sold_twice},
    {"nobody is charged twice", nobody_is_charged_twice},
    {"who has no seat has the money back", money_stays_only_for_seats},
    {"everyone is answered exactly once", everyone_is_answered_once},
    {"only invalid requests are invalid", reasons_are_those_promised},
    {"one e-mail for each seat sold", each_sale_has_one_mail},
    {"duplicates change nothing", duplicates_change_nothing},
    {"nothing is left over", nothing_is_left_over},
    {"the books balance", the_books_balance},
};

size_t audit_print_promises(const struct audit *a) {
    size_t broken = 0;
    (void)printf("\nWhat was promised\n");
    for (size_t i = 0; i < sizeof promises / sizeof *promises; i++) {
        char detail[DETAIL_BYTES] = "";
        bool holds = promises[i].holds(a, detail);
        broken += !holds;
        (void)printf("  %s %-36s %s\n", holds ? "✓" : "✗", promises[i].sentence, detail);
    }
    (void)printf("\n");
    return broken;
}

/* ---- who was not answered ---- */

/* The last place where the booking was seen, of which the next one has nothing. */
static const char *whereabouts(const struct booking *b) {
    if (b->decided) {
        return "the host has decided and published: its answer was not delivered";
    }
    if (b->holds) {
        return "the host holds its seat: the payment has not come to an end";
    }
    if (b->locked) {
        return "the host held its seat: neither payment nor expiry came";
    }
    if (b->asked) {
        return "delivered to the observer, but the host has no trace of it";
    }
    return b->sent ? "sent, and delivered to nobody" : "not sent";
}

void audit_print_unanswered(const struct audit *a, const struct host_folders *hosts) {
    size_t shown = 0;
    if (a->sale->answered == BUYERS) {
        return;
    }
    (void)printf("Who was not answered%s\n",
                 books_read_state(hosts, a->sale) ? "" : " (a host does not tell its state)");
    for (unsigned i = 0; i < BUYERS && shown < SHOWN_MAX; i++) {
        const struct booking *b = &a->sale->bookings[i];
        if (b->answers == 0) {
            shown++;
            (void)printf("  b-%04u, %s, sent at %6.3f s: %s\n", i, seat_concert(b->seat),
                         (double)b->sent_ms / 1000, whereabouts(b));
        }
    }
    (void)printf("\n");
}
