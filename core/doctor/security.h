/*
 * security.h - `zingq doctor --security`: what a configuration leaves open, with the line that
 * closes it. Reads settings and file modes; connects to nothing.
 */
#ifndef ZINGQ_DOCTOR_SECURITY_H
#define ZINGQ_DOCTOR_SECURITY_H

#include "base/buf.h"
#include "conf/conf.h"
#include "doctor/doctor.h"

/* Adds rows. */
void doctor_security(struct doctor *d, const struct conf *conf);
/* Appends an acl_file for Mosquitto, to be copied and narrowed down. */
void doctor_security_rules(const struct conf *conf, struct buf *out);

#endif
