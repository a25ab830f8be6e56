/*
 * prometheus.h - the engine's figures in Prometheus' text format (exposition format 0.0.4).
 */
#ifndef ZINGQ_PROMETHEUS_H
#define ZINGQ_PROMETHEUS_H

#include "buf.h"
#include "engine.h"

/* Appends every metric of the engine and its services; out->failed when it does not fit. */
void prometheus_write(struct engine *engine, struct buf *out);

#endif
