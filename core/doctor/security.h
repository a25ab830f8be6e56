/*
 * security.h - what stands open in a configuration, in words, with the line that shuts it: behind
 * `zingq doctor --security`. Reads settings and the modes of files; connects to nothing.
 */
#ifndef ZINGQ_DOCTOR_SECURITY_H
#define ZINGQ_DOCTOR_SECURITY_H

#include "base/buf.h"
#include "conf/conf.h"
#include "doctor/doctor.h"

/* Rows are added. */
void doctor_security(struct doctor *d, const struct conf *conf);
/* Appends a file of access rules for Mosquitto, to be copied and narrowed. */
void doctor_security_rules(const struct conf *conf, struct buf *out);

#endif
