/*
 * fetch.h - the outgoing calls: HTTP and SMTP through one curl multi handle on a libuv loop.
 *
 * Owns: sockets, timeouts, redirects (none are followed), the bytes of answers. Knows nothing of
 * events: the caller numbers its calls. on_done delivers a result from the loop, once for each
 * started call that was not cancelled.
 */
#ifndef ZINGQ_IO_FETCH_FETCH_H
#define ZINGQ_IO_FETCH_FETCH_H

#include "conf/egress.h"
#include "event/call.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct fetch;

/* on_done runs on the loop's thread; `result` is valid during the callback; to keep its buffers,
 * move them out (copy the struct buf and buf_init the original). */
int fetch_new(struct fetch **out, uv_loop_t *loop, void *ctx,
              void (*on_done)(void *ctx, uint64_t id, struct call_result *result));
/* Restricts HTTP calls to these destinations, borrowed for its life (conf/egress.h); without it,
 * they connect to anything but link-local addresses. */
void fetch_egress(struct fetch *f, struct egress egress);
/* From now on, calls take memory from this budget, borrowed for its life. A long answer that does
 * not fit is not read for now; at least one always is. */
void fetch_use_memory(struct fetch *f, struct memory *memory);
/* Cancels every call and closes every connection. The loop must run once more before it ends. Must
 * not be called from on_done. */
void fetch_free(struct fetch *f);
/* Starts a call; the request is borrowed until on_done or fetch_cancel. ids are never reused.
 * timeout_ms starts now, and includes waiting for a free SMTP connection. ERR_LIMIT beyond
 * CALLS_MAX, ERR_MEMORY: then on_done is not called. */
int fetch_start(struct fetch *f, uint64_t id, const struct call_request *request);
/* Ends the call; on_done is not called. An unknown id is not an error. */
void fetch_cancel(struct fetch *f, uint64_t id);
size_t fetch_running(const struct fetch *f);
/* Closes connections kept for later calls; HTTP ones at the latest when no call is under way. True:
 * some were closed now. */
bool fetch_close_idle(struct fetch *f);
/* HTTP calls that could not start because no descriptor was free; they are retried within their
 * timeout. */
size_t fetch_waiting_for_descriptors(const struct fetch *f);
/* Answers that wait for memory. */
size_t fetch_paused(const struct fetch *f);

#endif
