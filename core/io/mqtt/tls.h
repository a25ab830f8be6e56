/*
 * tls.h - what is wrong with the certificates of a connection to the broker, in words, and
 * what to mend.
 */
#ifndef ZINGQ_IO_MQTT_TLS_H
#define ZINGQ_IO_MQTT_TLS_H

#include "conf/conf.h"
#include "base/error.h"

/* What is in the files of broker.ca_file, cert_file and key_file now: that they can be read, that
 * they are what they should be, that key and certificate belong together, and that the dates hold.
 * ERR_INVALID with a sentence; ERR_REFUSED, the same, for what a renewal of the files mends: dates,
 * and a key that is another certificate's; ERR_MEMORY. Blocks for the disk. */
int mqtt_tls_check(const struct broker_conf *conf, struct report *r);

/* For a complaint of OpenSSL's, as libmosquitto logs it: what it means and what to mend, the end of
 * a sentence. NULL = it is none that is known. */
const char *mqtt_tls_meaning(const char *complaint);

#endif
