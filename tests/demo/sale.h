/*
 * sale.h - the flash sale of the demo: who asks for which seat and when, and what became of it.
 *
 * The plan is made from a seed before anything is sent, so a sale can be repeated. Each of the 500
 * seats is wanted by four of the 2,000 buyers: three times in a rush of a few seconds, in which
 * there is one seat for three, and once more while payments fail and holds run out.
 *
 * What the sale looks like from outside is filled in from the messages on booking/#; audit.c adds
 * what the payment gateway and the mail server have in their books.
 */
#ifndef DEMO_SALE_H
#define DEMO_SALE_H

#include "peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONCERTS = 3,
    SEATS = 500,
    BUYERS = 2000,
    LETTERS_MAX = 4096,
    RUSH_MS = 4000,  /* 1,500 requests */
    SECOND_MS = 6000 /* 500 more, after the rush */
};

/* What is special about a buyer. */
enum buyer_kind {
    BUYER_PLAIN,
    BUYER_SLOW,    /* the payment takes longer than the seat is held */
    BUYER_LOST,    /* charged, but the gateway's answer is always lost */
    BUYER_CANCELS, /* changes their mind right away */
    BUYER_INVALID, /* gives no address for the mail */
    BUYER_KINDS
};

/* How a booking was rejected; the texts are in reason_names. */
enum reason {
    REASON_SEAT_TAKEN,
    REASON_DECLINED,
    REASON_FAILED,
    REASON_EXPIRED,
    REASON_CANCELLED,
    REASON_INVALID,
    REASON_OTHER, /* none that the booking system promises */
    REASONS
};

extern const char *const reason_names[REASONS];

/* One booking: one buyer, one seat. */
struct booking {
    unsigned seat; /* 0 to SEATS - 1, over all concerts */
    enum buyer_kind kind;
    bool sent;
    int64_t sent_ms; /* from the start of the sale; the last time */
    /* Seen on the broker. */
    bool asked, locked, paid, refund_asked;
    /* Of the host's state, looked at when an answer is missing. */
    bool holds, decided;
    unsigned answers;   /* with different zingq-ids */
    unsigned copies;    /* the same answer once more: MQTT delivers at least once */
    char answer_id[40]; /* the zingq-id of the first */
    bool confirmed;     /* else, with an answer, rejected */
    enum reason reason; /* of a rejection */
    char charge_id[40]; /* of a confirmation */
    /* Read from the books of the gateway and of the mail server. */
    unsigned charges, refunds;
    unsigned mails, mail_copies; /* a copy has the Message-ID of the one before */
    char message_id[128];
};

enum letter_kind {
    LETTER_REQUEST,
    LETTER_AGAIN,     /* the same request once more */
    LETTER_KEYED,     /* the same request, under an idempotency-key */
    LETTER_OTHER_KEY, /* the same request under a key of its own, which the service's rule outweighs */
    LETTER_CANCEL,
    LETTER_NO_JSON,
    LETTER_KINDS
};

/* Something to be sent. */
struct planned_letter {
    int64_t at_ms; /* from the start of the sale */
    unsigned booking;
    enum letter_kind kind;
};

enum { TILLS = 3 }; /* connections of the sellers; the last one speaks MQTT 3.1.1 */

struct sale {
    struct booking bookings[BUYERS];
    struct planned_letter letters[LETTERS_MAX]; /* by time */
    size_t letter_count, letters_sent;
    size_t sent_of[LETTER_KINDS];
    uint64_t random;
    struct peer tills[TILLS], observer;
    size_t notes_read; /* of the observer's */
    size_t foreign;    /* messages about bookings that nobody made */
    size_t locked, paid, refunds_asked, answered, confirmed, rejected;
    size_t rejected_for[REASONS];
};

/* Makes the plan and connects to the broker. Returns NULL when out of memory; ends the program when
 * the broker does not answer. */
struct sale *sale_new(uint16_t port, uint64_t seed);
void sale_free(struct sale *s);

/* Sends what is due by then; true when everything has been sent. */
bool sale_send(struct sale *s, int64_t now_ms);
/* Whether the broker has acknowledged everything that was sent. */
bool sale_is_sent(struct sale *s);
/* Reads what came on booking/# since the last time. */
void sale_watch(struct sale *s);

/* "jazz", and the seat's name in that concert. */
const char *seat_concert(unsigned seat);
void seat_name(unsigned seat, char out[8]);
/* The booking with this id; NULL when nobody made one. */
struct booking *sale_booking(struct sale *s, const char *id);

#endif
