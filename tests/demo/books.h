/*
 * books.h - the books of everyone who took part in the sale: the hosts', asked over their sockets,
 * and those of the payment gateway and the mail server, read from their logs.
 */
#ifndef DEMO_BOOKS_H
#define DEMO_BOOKS_H

#include "sale.h"

enum { SERVICES_SEEN_MAX = 64 };

struct service_books {
    char name[32];
    int64_t accepted, waiting, done, dead, discarded, expired, duplicates;
    int64_t died; /* dead at some time, replayed and discarded ones too */
    int64_t retries, timeouts, crashes;
};

/* Where the hosts are: one has FOLDER/data, several FOLDER/data/1 and so on. */
struct host_folders {
    const char *folder;
    unsigned count;
};

/* What the hosts say of themselves, added up. */
struct host_books {
    struct service_books services[SERVICES_SEEN_MAX];
    size_t count;
    int64_t outbox, delayed; /* publishes not yet acknowledged; not yet due */
    int64_t forwards;        /* waiting for another host */
    bool ready;              /* all are */
};

/* False when one of them does not answer; *out is then as it was. */
bool books_ask_hosts(const struct host_folders *hosts, struct host_books *out);
/* The sum of one figure over all services; `figure` is an offset into struct service_books. */
int64_t books_sum(const struct host_books *h, size_t figure);
/* Nothing waits, nothing is on its way. */
bool books_are_closed(const struct host_books *h);

/* Notes with each booking what the state of the service "seats" knows of it. False when a host does
 * not answer. */
bool books_read_state(const struct host_folders *hosts, struct sale *s);

/* What the gateway did, beyond what is noted with each booking. */
struct gateway_books {
    size_t charges, refunds, declines, failures, lost;
    size_t strangers; /* charges and refunds that belong to no booking */
};

/* Reads FOLDER/gateway.log into s->bookings. False when there is no such file. */
bool books_read_gateway(const char *folder, struct sale *s, struct gateway_books *out);
/* Reads FOLDER/mail.log into s->bookings; *strangers: mails to others. */
bool books_read_mails(const char *folder, struct sale *s, size_t *strangers);
/* Lines of FOLDER/mail.log. */
size_t books_count_mails(const char *folder);

#endif
