/*
 * prometheus.h - the engine's figures in Prometheus' text format (exposition format 0.0.4).
 */
#ifndef ZINGQ_WEB_PROMETHEUS_H
#define ZINGQ_WEB_PROMETHEUS_H

#include "base/buf.h"
#include "engine/engine.h"
#include "web/admin/admin.h"

/* Appends every metric of the engine and its services, and the forecasts; out->failed when it does not fit. */
void prometheus_write(struct engine *engine, const struct admin *admin, struct buf *out);

#endif
