/*
 * terms.h - what this broker costs, and which subscriptions it refused.
 */
#ifndef ZINGQ_HOST_TERMS_H
#define ZINGQ_HOST_TERMS_H

#include "host/impl.h"

/* A connection stands: what this broker costs is logged. */
void host_terms_up(struct host *h, bool publishing);
/* The broker is a Mosquitto: what that costs is logged, once. */
void host_terms_mosquitto(struct host *h);
/* A SUBACK, or what stands for one. */
void host_filter_answered(struct host *h, const char *filter, uint8_t reason);
/* Another answer than `before`, a refusal. */
void host_filter_answered_anew(struct host *h, const char *filter, uint8_t before, uint8_t reason);
/* Logs what blocks once more, but for what was just said. */
void host_repeat_warnings(const struct host *h);
/* Both connections stand, and every subscription: what is published from now on reaches every
 * service. */
bool host_broker_ready(const struct host *h);
/* Why it is not, for anyone to read: no names, no addresses. Strings are added to `list`. */
void host_broker_reasons(const struct host *h, json_t *list);
/* Adds "subscribing", "publishing", "subscriptions", "subscriptions_refused", "refused_filters" and
 * "warnings". */
void host_terms_status(const struct host *h, json_t *host);
void host_terms_metrics(const struct host *h, struct buf *out);
void host_terms_clear(struct host *h);
/* A filter of the service, answered, is unsubscribed: it is not wanted any more. */
void host_filter_given_up(struct host *h, const struct service_conf *s, const char *filter);

#endif
