/*
 * tls.h - what is wrong with the certificates of a connection to the broker, in words, and how to
 * fix it.
 */
#ifndef ZINGQ_IO_MQTT_TLS_H
#define ZINGQ_IO_MQTT_TLS_H

#include "conf/conf.h"
#include "base/error.h"

/* Checks the files broker.ca_file, cert_file and key_file as they are now: that they can be read,
 * are of the right kind, that key and certificate belong together, and that the dates are valid.
 * ERR_INVALID with a sentence; ERR_REFUSED, likewise, if renewing the files would help: dates, and
 * a key that belongs to another certificate; ERR_MEMORY. Blocks for the disk. */
int mqtt_tls_check(const struct broker_conf *conf, struct report *r);

/* What an error of OpenSSL, as libmosquitto logs it, means and how to fix it, as the end of a
 * sentence. NULL = not a known one. */
const char *mqtt_tls_meaning(const char *complaint);

#endif
