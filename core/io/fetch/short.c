/*
 * short.c - outgoing calls when the process is short of descriptors.
 *
 * curl keeps finished connections for the next call and has no way to close them but the end of its
 * multi handle. So that handle is exchanged for a new one as soon as no transfer is on it. While
 * calls are always under way the pool's bound, a share of the descriptors, has to do.
 *
 * A call that could not be begun because there was no descriptor for it has not been sent: it is
 * put off and begun again, within its own timeout, so that a shortage that passes costs no attempt.
 */
#include "io/fetch/impl.h"

#include "base/limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { POOL_PARTS = 8 /* of the descriptors, for idle connections */ };

long fetch_pool_size(void) {
    struct rlimit limit;
    long share = CALLS_IDLE_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur < (rlim_t)CALLS_IDLE_MAX * POOL_PARTS) {
        share = (long)(limit.rlim_cur / POOL_PARTS);
    }
    return share > 0 ? share : 1;
}

/* One call takes more than one: a name look-up has a few of its own. */
bool fetch_is_short(void) {
    int fds[CALL_DESCRIPTORS];
    int count = 0;
    bool missing = false;
    while (!missing && count < CALL_DESCRIPTORS) {
        fds[count] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        missing = fds[count] < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
        if (fds[count] < 0) {
            break;
        }
        count++;
    }
    while (count > 0) {
        (void)close(fds[--count]);
    }
    return missing;
}

/* ---- idle connections ---- */

bool fetch_renew(struct fetch *f) {
    if (!f->renew || f->http_running > 0 || f->mail_session_count > 0) {
        return false;
    }
    f->renew = false;
    CURLM *fresh = fetch_multi_new(f);
    if (fresh == NULL) {
        return false; /* the next shortage asks again */
    }
    CURLMcode code = curl_multi_cleanup(f->multi);
    assert(code == CURLM_OK);
    f->multi = fresh;
    f->pooled = false;
    (void)uv_timer_stop(&f->curl_timer);
    return true;
}

bool fetch_close_idle(struct fetch *f) {
    bool closed = mail_close_idle(f);
    f->renew = f->pooled;
    return fetch_renew(f) || closed;
}

/* ---- calls put off ---- */

static void begin_again(struct call *call, uint64_t now) {
    TAILQ_REMOVE(&call->fetch->put_off, call, link);
    call->fetch->put_off_count--;
    call->place = CALL_NOWHERE;
    if (call->deadline_ms <= now) {
        fetch_finish(call, ERR_TIMEOUT, "no file descriptor became free in time");
        return;
    }
    int code = http_start(call);
    if (code != 0) {
        fetch_finish(call, code, error_text(code));
    }
}

static void on_put_off_timer(uv_timer_t *timer) {
    struct fetch *f = timer->data;
    struct call *last = TAILQ_LAST(&f->put_off, call_list);
    struct call *call;
    bool through = last == NULL;
    while (!through) { /* what is put off meanwhile waits for the next time */
        call = TAILQ_FIRST(&f->put_off);
        through = call == last;
        begin_again(call, uv_now(f->loop));
    }
    fetch_hand_over(f);
}

void fetch_put_off(struct call *call) {
    struct fetch *f = call->fetch;
    assert(call->place == CALL_NOWHERE);
    call->place = CALL_PUT_OFF;
    TAILQ_INSERT_TAIL(&f->put_off, call, link);
    f->put_off_count++;
    f->renew = f->pooled;
    (void)mail_close_idle(f);
    if (!uv_is_active((uv_handle_t *)&f->put_off_timer)) {
        int started = uv_timer_start(&f->put_off_timer, on_put_off_timer, CALL_AGAIN_MS, 0);
        assert(started == 0);
    }
}

void fetch_take_back(struct call *call) {
    assert(call->place == CALL_PUT_OFF);
    TAILQ_REMOVE(&call->fetch->put_off, call, link);
    call->fetch->put_off_count--;
    call->place = CALL_NOWHERE;
}

size_t fetch_waiting_for_descriptors(const struct fetch *f) {
    return f->put_off_count;
}
