/*
 * ask_ticket.c - a request is carried out once, however often it arrives.
 *
 * A request carries a ticket of the host that it asks, which that host made up at random, and an id
 * of its own; both are its correlation data, which the mark covers (engine/mark.c). The host
 * remembers the ids that came under its ticket. When it has no room for more, and at every start,
 * it makes a new ticket: whatever was recorded until then is worth nothing, without clocks that
 * agree and without anything on disk.
 *
 * A host that asks learns the ticket from the answer to a request with another one, which was not
 * carried out; then it asks again.
 */
#include "peers/impl.h"

#include <sodium.h>
#include <string.h>

static const char ticket_type[] = "zingq/ticket";

void ask_ticket_renew(struct ask *a) {
    randombytes_buf(a->ticket, sizeof a->ticket);
    a->seen_count = 0;
}

bool ask_ticket_is_valid(const struct ask *a, struct slice correlation) {
    return sodium_memcmp(correlation.data, a->ticket, ASK_TICKET_BYTES) == 0;
}

bool ask_ticket_seen(struct ask *a, struct slice correlation) {
    const char *id = correlation.data + ASK_TICKET_BYTES;
    for (size_t i = 0; i < a->seen_count; i++) {
        if (memcmp(a->seen[i], id, ASK_ID_BYTES) == 0) {
            return true;
        }
    }
    memcpy(a->seen[a->seen_count++], id, ASK_ID_BYTES);
    if (a->seen_count == ASK_SEEN_MAX) {
        ask_ticket_renew(a);
    }
    return false;
}

struct gateway_reply ask_ticket_reply(const struct ask *a) {
    return (struct gateway_reply){.status = ASK_TOO_EARLY,
                                  .content_type = ticket_type,
                                  .body = {(const char *)a->ticket, ASK_TICKET_BYTES}};
}

bool ask_ticket_is_reply(const struct gateway_reply *reply) {
    return reply->status == ASK_TOO_EARLY && strcmp(reply->content_type, ticket_type) == 0 &&
           reply->body.len == ASK_TICKET_BYTES;
}
