/*
 * verdict.h - is all well? One answer for `zingq status`, `top`, the dashboard and programs: a level,
 * and a sentence for each thing that needs a look.
 */
#ifndef ZINGQ_WEB_ADMIN_VERDICT_H
#define ZINGQ_WEB_ADMIN_VERDICT_H

#include "base/json.h"
#include "engine/engine.h"

struct verdict {
    json_t *bad, *warn; /* arrays of sentences */
    size_t unsaid;      /* sentences that could not be made; they count as bad */
};

/* Out of memory shows as a verdict without its sentences, and never as "good". */
void verdict_begin(struct verdict *v);
/* `host`: the host's part of the status. */
void verdict_of_host(struct verdict *v, const json_t *host);
/* full_s: when the store will be full; NAN = unknown. */
void verdict_of_engine(struct verdict *v, const struct engine_status *s, double full_s);
void verdict_of_service(struct verdict *v, const struct engine_service_status *s, int64_t now_ms);
/* {"level": "good", "warn" or "bad", "text", "sentences": [{"key", "level", "service", "text", "more",
 * "link", "command"}]}, the bad ones first. To be called once. */
json_t *verdict_end(struct verdict *v);

#endif
