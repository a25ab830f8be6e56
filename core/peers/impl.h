/*
 * impl.h - shared by peers/ask.c (requests, the connection), peers/ask_visit.c (requests of
 * others), peers/ask_ticket.c and peers/ask_window.c; nobody else includes it.
 */
#ifndef ZINGQ_PEERS_IMPL_H
#define ZINGQ_PEERS_IMPL_H

#include "peers/ask.h"
#include "journal/owner.h"
#include "peers/ask_wire.h"
#include "base/limits.h"
#include "base/mids.h"

#include <sys/queue.h>

enum {
    ASK_TICKET_BYTES = 16,
    ASK_ID_BYTES = 16,
    CORRELATION_BYTES = ASK_TICKET_BYTES + ASK_ID_BYTES, /* both, in this order */
    ASK_TOO_EARLY = 425,      /* the status of RFC 8470 for what may be a repetition */
    PACKET_ROOM_BYTES = 4096, /* of a packet, for everything but its payload */
    NOBODY = 0x10,            /* PUBACK: no matching subscribers */
    WATCHES = 2,
};

/* A request of ours, from ask_start to its end. */
struct asking {
    TAILQ_ENTRY(asking) link;
    uint64_t id;
    uint16_t place;
    uint8_t correlation[CORRELATION_BYTES]; /* with the ticket that it was last sent under */
    struct buf payload;
    uint64_t deadline_ms; /* the loop's clock */
    int mid;              /* packet id while sent and unacknowledged; else 0 */
    unsigned sends;
    bool sent, ended;
    enum ask_end end;
    struct ask_reply reply;
    char why[256];
    void *ctx;
    ask_on_end *on_end;
};
TAILQ_HEAD(asking_list, asking);

/* A request of another host: it has arrived, is being served, or its reply waits to be sent. */
struct visit {
    TAILQ_ENTRY(visit) link;
    struct ask *ask;
    uint16_t from;
    uint8_t correlation[CORRELATION_BYTES];
    struct buf payload; /* the request; then the reply */
    size_t request_bytes;
    struct gateway_request *request; /* while it is served */
    bool replaced;                   /* the reply says that the real one was too large */
};
TAILQ_HEAD(visit_list, visit);

struct ask {
    struct ask_options options;
    const struct division *share;
    char ask_topic[OWNER_TOPIC_BYTES], answer_topic[OWNER_TOPIC_BYTES];
    size_t payload_max;
    uv_timer_t timer;           /* the next deadline */
    struct asking_list askings; /* sorted by deadline */
    size_t asking_count;
    uint64_t last_id;
    struct visit_list arrived, served, replies;
    size_t visit_count, reply_count;
    size_t visit_bytes;                            /* of requests not answered yet */
    size_t asking_bytes;                           /* of payloads of ours not answered yet */
    size_t reply_bytes;                            /* of payloads not sent yet */
    uint8_t tickets[PARTITIONS][ASK_TICKET_BYTES]; /* of the others, by number; zeros: unknown */
    uint8_t ticket[ASK_TICKET_BYTES];              /* ours */
    uint8_t seen[ASK_SEEN_MAX][ASK_ID_BYTES];      /* of requests with our ticket */
    size_t seen_count;
    bool connected, watched;
    unsigned unanswered; /* SUBSCRIBEs without a SUBACK on this connection */
    unsigned beaten;     /* consecutive connections that ended with one */
    uint64_t rest_until_ms;
    uint8_t refused; /* the reason of a refused subscription; 0 = none */
    struct mids under_way;
    size_t unproven;   /* publishes without their PUBACK */
    size_t window;     /* how many of these are allowed */
    uint64_t ended[3]; /* counters, by enum ask_end */
    uint64_t visits, repeated;
};

/* peers/ask_ticket.c: correlations have their length */
void ask_ticket_renew(struct ask *a);
/* Whether the request carries our ticket. */
bool ask_ticket_is_valid(const struct ask *a, struct slice correlation);
/* Whether such a request came before; if not, it is remembered. */
bool ask_ticket_seen(struct ask *a, struct slice correlation);
/* The answer to a request with another ticket; and whether an answer is one. */
struct gateway_reply ask_ticket_reply(const struct ask *a);
bool ask_ticket_is_reply(const struct gateway_reply *reply);

/* peers/ask_window.c */
/* The window of this connection, from its broker's limits. */
void ask_window_open(struct ask *a, const struct mqtt *mqtt);
/* The connection has ended: requests in progress are dropped. */
void ask_window_close(struct ask *a);
/* False: the PUBACK is for another module's publish. */
bool ask_window_acknowledged(struct ask *a, int mid);
/* 0, ERR_INVALID (too large for this broker), or an error after which it is tried later. */
int ask_publish(struct ask *a, struct mqtt *mqtt, const struct mqtt_publish *message, int *mid);

/* peers/ask_visit.c */
/* A request has arrived. Allowed in libmosquitto's callbacks. */
void ask_note_request(struct ask *a, const struct mqtt_message *m);
/* Serves the requests that have arrived. */
void ask_serve_arrived(struct ask *a);
/* Publishes replies as far as the broker accepts them: 0, or the error that stopped it. */
int ask_send_replies(struct ask *a, struct mqtt *mqtt, bool *sent);
void ask_forget_visits(struct ask *a);

#endif
