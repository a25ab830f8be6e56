/*
 * terms.h - the broker's limitations, and which subscriptions it refused.
 */
#ifndef ZINGQ_HOST_TERMS_H
#define ZINGQ_HOST_TERMS_H

#include "host/impl.h"

/* A connection is up: logs the limitations of this broker. */
void host_terms_up(struct host *h, bool publishing);
/* The broker is a Mosquitto: logs what this means, once. */
void host_terms_mosquitto(struct host *h);
/* A SUBACK, or an event that counts as one. */
void host_filter_answered(struct host *h, const char *filter, uint8_t reason);
/* A new answer for a filter that was refused with reason `before`. */
void host_filter_answered_anew(struct host *h, const char *filter, uint8_t before, uint8_t reason);
/* Repeats the log lines about what blocks, except those that were just logged. */
void host_repeat_warnings(const struct host *h);
/* True if both connections and every subscription are up, so that everything published from now on
 * reaches every service. */
bool host_broker_ready(const struct host *h);
/* Adds the reasons why not to `list`, as strings fit for anyone: no names, no addresses. */
void host_broker_reasons(const struct host *h, json_t *list);
/* Adds "subscribing", "publishing", "subscriptions", "subscriptions_refused", "refused_filters" and
 * "warnings". */
void host_terms_status(const struct host *h, json_t *host);
void host_terms_metrics(const struct host *h, struct buf *out);
void host_terms_clear(struct host *h);
/* A filter, as it was sent, is no longer wanted; on a connection, it has been answered. */
void host_filter_gone(struct host *h, const char *filter);
/* The same for one of a service, as topics.conf has it. */
void host_filter_given_up(struct host *h, size_t service, const char *filter);

#endif
