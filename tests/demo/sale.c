/* sale.c - the plan of the sale, its messages, and what is seen of them; see sale.h. */
#include "sale.h"

#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAVES = BUYERS / SEATS, PRICE = 4200, ID_BYTES = 16, CANCEL_MS = 150, AGAIN_MS = 1500 };

const char *const reason_names[REASONS] = {
    "seat taken", "payment declined", "payment failed", "hold expired",
    "cancelled",  "invalid",          "another reason",
};

static const char *const concerts[CONCERTS] = {"jazz", "opera", "rock"};

/* Of so many bookings, how many are of a kind; only in the rush, so that the rest of the sale is
 * long enough to see the end of it. */
static const double shares[BUYER_KINDS] = {
    [BUYER_SLOW] = 0.04, [BUYER_LOST] = 0.02, [BUYER_CANCELS] = 0.03, [BUYER_INVALID] = 0.003};

/* Of the requests, how many are sent a second time, and how. */
static const double again_shares[LETTER_KINDS] = {
    [LETTER_AGAIN] = 0.05, [LETTER_KEYED] = 0.05, [LETTER_OTHER_KEY] = 0.02};

/* ---- chance ---- */

/* splitmix64 */
static uint64_t next_random(struct sale *s) {
    uint64_t z = s->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t below(struct sale *s, uint64_t limit) {
    return next_random(s) % limit;
}

static size_t pick(struct sale *s, const double *wanted, size_t count) {
    double at = (double)(next_random(s) >> 11) / 9007199254740992.0;
    for (size_t i = 0; i < count; i++) {
        if (at < wanted[i]) {
            return i;
        }
        at -= wanted[i];
    }
    return 0;
}

/* ---- the plan ---- */

const char *seat_concert(unsigned seat) {
    return concerts[seat % CONCERTS];
}

void seat_name(unsigned seat, char out[8]) {
    unsigned n = seat / CONCERTS;
    (void)snprintf(out, 8, "%c%u", (char)('A' + n / 20), n % 20 + 1);
}

static void plan_letter(struct sale *s, enum letter_kind kind, unsigned booking, int64_t at_ms) {
    if (s->letter_count < LETTERS_MAX) {
        s->letters[s->letter_count++] =
            (struct planned_letter){.at_ms = at_ms, .booking = booking, .kind = kind};
    }
}

static void plan_booking(struct sale *s, unsigned i, unsigned seat) {
    bool rush = i < BUYERS - SEATS;
    int64_t at_ms =
        rush ? (int64_t)below(s, RUSH_MS) : RUSH_MS + (int64_t)below(s, (uint64_t)SECOND_MS);
    struct booking *b = &s->bookings[i];
    b->seat = seat;
    b->kind = rush ? (enum buyer_kind)pick(s, shares, BUYER_KINDS) : BUYER_PLAIN;
    enum letter_kind again = (enum letter_kind)pick(s, again_shares, LETTER_KINDS);
    /* Of two under one key, both carry it. */
    plan_letter(s, again == LETTER_KEYED ? LETTER_KEYED : LETTER_REQUEST, i, at_ms);
    if (again != LETTER_REQUEST) {
        plan_letter(s, again, i, at_ms + (int64_t)below(s, 2) * AGAIN_MS);
    }
    if (b->kind == BUYER_CANCELS) {
        plan_letter(s, LETTER_CANCEL, i, at_ms + (int64_t)below(s, CANCEL_MS));
    }
}

/* Stable where the times are equal: a request goes before its copy and its cancellation. */
static int by_time(const void *a, const void *b) {
    const struct planned_letter *x = a;
    const struct planned_letter *y = b;
    if (x->at_ms != y->at_ms) {
        return x->at_ms < y->at_ms ? -1 : 1;
    }
    return (x->kind > y->kind) - (x->kind < y->kind);
}

static void make_plan(struct sale *s) {
    unsigned seats[SEATS];
    for (unsigned i = 0; i < SEATS; i++) {
        seats[i] = i;
    }
    for (unsigned wave = 0; wave < WAVES; wave++) {
        for (unsigned i = SEATS - 1; i > 0; i--) {
            unsigned j = (unsigned)below(s, i + 1);
            unsigned seat = seats[i];
            seats[i] = seats[j];
            seats[j] = seat;
        }
        for (unsigned i = 0; i < SEATS; i++) {
            plan_booking(s, wave * SEATS + i, seats[i]);
        }
    }
    for (int i = 0; i < CONCERTS; i++) {
        plan_letter(s, LETTER_NO_JSON, 0, (int64_t)below(s, RUSH_MS));
    }
    qsort(s->letters, s->letter_count, sizeof *s->letters, by_time);
}

/* ---- sending ---- */

static void booking_id(unsigned i, char out[ID_BYTES]) {
    (void)snprintf(out, ID_BYTES, "b-%04u", i);
}

struct booking *sale_booking(struct sale *s, const char *id) {
    char *end = NULL;
    if (id == NULL || strncmp(id, "b-", 2) != 0) {
        return NULL;
    }
    unsigned long i = strtoul(id + 2, &end, 10);
    return strlen(id) == 6 && *end == '\0' && i < BUYERS ? &s->bookings[i] : NULL;
}

static const char *source_of(enum buyer_kind kind) {
    return kind == BUYER_SLOW ? "tok_slow" : kind == BUYER_LOST ? "tok_lost" : "tok_visa";
}

static void write_request(const struct sale *s, unsigned i, char out[512]) {
    const struct booking *b = &s->bookings[i];
    char id[ID_BYTES];
    char seat[8];
    char mail[64];
    booking_id(i, id);
    seat_name(b->seat, seat);
    (void)snprintf(mail, sizeof mail, "\"email\":\"%s@example.org\",", id);
    (void)snprintf(out, 512,
                   "{\"booking_id\":\"%s\",\"event_id\":\"%s\",\"seat\":\"%s\","
                   "\"user\":\"buyer %s\",%s\"amount\":%d,\"currency\":\"eur\",\"source\":\"%s\"}",
                   id, seat_concert(b->seat), seat, id, b->kind == BUYER_INVALID ? "" : mail, PRICE,
                   source_of(b->kind));
}

static void write_cancel(const struct sale *s, unsigned i, char out[512]) {
    const struct booking *b = &s->bookings[i];
    char id[ID_BYTES];
    char seat[8];
    booking_id(i, id);
    seat_name(b->seat, seat);
    (void)snprintf(out, 512, "{\"booking_id\":\"%s\",\"event_id\":\"%s\",\"seat\":\"%s\"}", id,
                   seat_concert(b->seat), seat);
}

static void send_letter(struct sale *s, const struct planned_letter *planned, int64_t now_ms) {
    char payload[512] = "this is no JSON";
    char key[32];
    char id[ID_BYTES];
    booking_id(planned->booking, id);
    (void)snprintf(key, sizeof key, "%s-%s", planned->kind == LETTER_KEYED ? "key" : "other", id);
    bool keyed = planned->kind == LETTER_KEYED || planned->kind == LETTER_OTHER_KEY;
    bool cancels = planned->kind == LETTER_CANCEL;
    if (cancels) {
        write_cancel(s, planned->booking, payload);
    } else if (planned->kind != LETTER_NO_JSON) {
        write_request(s, planned->booking, payload);
    }
    /* A buyer stays with one till; MQTT 3.1.1 has no properties, so those with a key go elsewhere.
     */
    size_t till = planned->booking % (keyed ? TILLS - 1 : TILLS);
    peer_publish(&s->tills[till], cancels ? "booking/cancel" : "booking/request", payload,
                 keyed ? key : NULL);
    s->sent_of[planned->kind]++;
    if (planned->kind != LETTER_NO_JSON) {
        s->bookings[planned->booking].sent = true;
        s->bookings[planned->booking].sent_ms = now_ms;
    }
}

bool sale_send(struct sale *s, int64_t now_ms) {
    while (s->letters_sent < s->letter_count && s->letters[s->letters_sent].at_ms <= now_ms) {
        send_letter(s, &s->letters[s->letters_sent++], now_ms);
    }
    return s->letters_sent == s->letter_count;
}

bool sale_is_sent(struct sale *s) {
    for (size_t i = 0; i < TILLS; i++) {
        if (peer_acknowledged(&s->tills[i]) < s->tills[i].published) {
            return false;
        }
    }
    return s->letters_sent == s->letter_count;
}

/* ---- watching ---- */

static enum reason reason_of(const char *text) {
    for (size_t i = 0; text != NULL && i < REASON_OTHER; i++) {
        if (strcmp(text, reason_names[i]) == 0) {
            return (enum reason)i;
        }
    }
    return REASON_OTHER;
}

static void note_answer(struct sale *s, struct booking *b, const struct note *n,
                        const json_t *body) {
    const char *id = note_property(n, "zingq-id");
    if (b->answers > 0) {
        bool copy = strcmp(b->answer_id, id) == 0;
        b->copies += copy;
        b->answers += !copy;
        return;
    }
    b->answers = 1;
    (void)snprintf(b->answer_id, sizeof b->answer_id, "%s", id);
    b->confirmed = strncmp(n->topic, "booking/confirmed/", 18) == 0;
    s->answered++;
    if (b->confirmed) {
        const char *charge = json_string_value(json_object_get(body, "charge_id"));
        (void)snprintf(b->charge_id, sizeof b->charge_id, "%s", charge == NULL ? "" : charge);
        s->confirmed++;
        return;
    }
    b->reason = reason_of(json_string_value(json_object_get(body, "reason")));
    s->rejected++;
    s->rejected_for[b->reason]++;
}

static void mark(bool *flag, size_t *count) {
    *count += !*flag;
    *flag = true;
}

static void read_note(struct sale *s, const struct note *n) {
    json_t *body = json_read(slice_of(n->payload), "text", NULL);
    struct booking *b = sale_booking(s, json_string_value(json_object_get(body, "booking_id")));
    const char *what = n->topic + strlen("booking/");
    if (b == NULL) {
        s->foreign += strcmp(what, "request") != 0;
    } else if (strcmp(what, "request") == 0) {
        b->asked = true;
    } else if (strcmp(what, "seat-locked") == 0) {
        mark(&b->locked, &s->locked);
    } else if (strcmp(what, "paid") == 0) {
        mark(&b->paid, &s->paid);
    } else if (strcmp(what, "refund") == 0) {
        mark(&b->refund_asked, &s->refunds_asked);
    } else if (strncmp(what, "confirmed/", 10) == 0 || strncmp(what, "rejected/", 9) == 0) {
        note_answer(s, b, n, body);
    }
    json_decref(body);
}

void sale_watch(struct sale *s) {
    const struct note *n;
    while ((n = peer_note(&s->observer, s->notes_read)) != NULL) {
        read_note(s, n);
        s->notes_read++;
    }
}

/* ---- life ---- */

struct sale *sale_new(uint16_t port, uint64_t seed) {
    struct sale *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->random = seed;
    make_plan(s);
    peer_start(&s->observer, port, "observer", PEER_KEPT, "booking/#");
    for (size_t i = 0; i < TILLS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "till-%zu", i + 1);
        peer_start(&s->tills[i], port, id, i == TILLS - 1 ? PEER_MQTT311 : PEER_MQTT5, NULL);
    }
    return s;
}

void sale_free(struct sale *s) {
    for (size_t i = 0; i < TILLS; i++) {
        peer_clear(&s->tills[i]);
    }
    peer_clear(&s->observer);
    free(s);
}
