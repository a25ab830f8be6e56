/*
 * impl.h - shared by the files of outgoing calls; nobody else includes it.
 *
 * A call lives from fetch_start until on_done or fetch_cancel. It is always in the table by id, and
 * in exactly one of these places: an easy handle (HTTP), the calls put off (HTTP), the queue
 * of mails that wait for an SMTP session, a session, or the list of finished calls that wait to be
 * handed over.
 */
#ifndef ZINGQ_IO_FETCH_IMPL_H
#define ZINGQ_IO_FETCH_IMPL_H

#include "io/fetch/fetch.h"

#include <curl/curl.h>
#include <sys/queue.h>

enum {
    FETCH_BUCKETS = 1024, /* of the table of calls; a power of two */
    FETCH_SPARES_MAX = 64 /* easy handles kept for reuse */
};

/* Receives curl's "this handle is done" message: the first field of a call or of a session. */
struct transfer {
    void (*on_complete)(struct transfer *transfer, CURLcode code);
    bool unwatched; /* a socket of it could not be watched: it is in the list, and ends */
    LIST_ENTRY(transfer) link;
};
LIST_HEAD(transfer_list, transfer);

enum call_place {
    CALL_NOWHERE,
    CALL_HTTP,
    CALL_PUT_OFF,
    CALL_MAIL_WAITING,
    CALL_MAIL_SESSION,
    CALL_FINISHED
};

struct call {
    struct transfer transfer; /* first: curl's private pointer is a struct transfer */
    struct fetch *fetch;
    uint64_t id;
    const struct call_request *request; /* the caller's */
    struct call_result result;
    enum call_place place;
    uint64_t deadline_ms;   /* loop time */
    size_t taken;           /* from the memory budget */
    bool paused;            /* CALL_HTTP: its answer waits for memory */
    TAILQ_ENTRY(call) link; /* paused, CALL_PUT_OFF, CALL_MAIL_WAITING, CALL_FINISHED */
    struct call *bucket_next;

    CURL *easy;                 /* CALL_HTTP */
    bool barred;                /* egress refused an address */
    struct curl_slist *headers; /* CALL_HTTP */

    struct mail_session *session; /* CALL_MAIL_SESSION */
    bool fresh_only;              /* a reused session broke under it: take a new one */
};

/* Queues; each element is in one at a time. */
TAILQ_HEAD(call_list, call);
TAILQ_HEAD(mail_session_list, mail_session);

struct fetch {
    uv_loop_t *loop;
    void *ctx;
    void (*on_done)(void *ctx, uint64_t id, struct call_result *result);
    struct egress egress;
    struct memory *memory;   /* borrowed; NULL = no budget */
    struct call_list paused; /* answers that wait for memory */
    struct call *favoured;   /* its answer is read even without free memory; NULL = none */
    uv_timer_t paused_timer;
    CURLM *multi;
    struct transfer_list unwatched;
    uv_timer_t curl_timer; /* when curl wants to be called */
    uv_timer_t hand_over;  /* zero delay: there are finished calls, and no event is expected */
    uv_timer_t mail_timer; /* the next deadline of a mail or of an idle session */
    uv_timer_t put_off_timer;
    size_t handles; /* libuv handles not yet closed; the last one frees the struct */
    bool closing, handing_over;
    struct call *buckets[FETCH_BUCKETS];
    size_t running;
    size_t http_running; /* in curl */
    bool pooled;         /* HTTP connections may be kept */
    bool renew;          /* they should be closed when curl is idle */
    struct call_list put_off;
    size_t put_off_count;
    uint64_t mail_pause_ms; /* loop time: no SMTP session is opened before */
    struct call_list finished;
    struct call_list mail_waiting;
    struct mail_session_list mail_sessions;
    void (*on_session)(
        struct fetch *f); /* the state of a session has changed: mails may continue */
    size_t mail_session_count;
    CURL *spares[FETCH_SPARES_MAX];
    size_t spare_count;
};

/* io/fetch/call.c */
/* NULL: there is no such call. */
struct call *fetch_find(struct fetch *f, uint64_t id);
/* NULL: out of memory. */
struct call *fetch_call_new(struct fetch *f, uint64_t id, const struct call_request *request);
void fetch_call_free(struct call *call);
/* Adds the call to the finished ones; its result is complete. `error` NULL keeps the text there. */
void fetch_finish(struct call *call, int code, const char *error);
/* Calls on_done for all finished calls. Every event from the loop ends with this. */
void fetch_hand_over(struct fetch *f);

/* io/fetch/room.c */
/* Takes what the call needs before its answer arrives; what the answer has added since; returns
 * everything. */
void fetch_take_own(struct call *call);
void fetch_take_answer(struct call *call);
void fetch_give(struct call *call);
/* True if this many bytes of the answer may be read; if not, it has been paused. */
bool fetch_may_read(struct call *call, size_t len);
/* Removes the call from the paused ones. */
void fetch_leave_paused(struct call *call);

/* io/fetch/short.c */
/* How many idle HTTP connections may be kept. */
long fetch_pool_size(void);
/* True if there are too few descriptors for a call. */
bool fetch_is_short(void);

/* io/fetch/multi.c */
/* ERR_MEMORY. */
int fetch_multi_open(struct fetch *f);
/* Closes idle HTTP connections if requested and no transfer is in curl; true: it did. Must not be
 * called from curl's callbacks. */
bool fetch_multi_renew(struct fetch *f);
/* Sets the options that both doors need on an easy handle, and adds it to the multi handle. */
int fetch_easy_setup(CURL *easy, struct transfer *transfer, const char *protocols);
/* Takes it out of the multi handle. */
void fetch_easy_remove(struct fetch *f, CURL *easy, struct transfer *transfer);
int fetch_code_of(CURLcode code);
/* Closes a libuv handle that f->handles counts; `on_closed` must call fetch_handle_closed. */
void fetch_handle_closed(struct fetch *f);

/* io/fetch/mail.c */
void mail_init(struct fetch *f);
void mail_start(struct call *call);
void mail_stop(struct call *call);
void mail_close_all(struct fetch *f);
/* Closes the idle sessions; true: there were some. */
bool mail_close_idle(struct fetch *f);

/* io/fetch/http.c */
int http_start(struct call *call);
/* Takes the call out of curl, or off the calls put off. */
void http_stop(struct call *call);

#endif
