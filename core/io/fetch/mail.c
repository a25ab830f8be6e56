/*
 * mail.c - mails that wait for an SMTP session, and their timeouts.
 *
 * At most MAIL_SESSIONS_MAX sessions are open, because servers count connections per client;
 * further mails wait here, first come first served, within their own timeout. A session that has
 * delivered its mail takes the next one for the same server, or is closed when none came for
 * MAIL_IDLE_MS. The dialogue on a session is in io/fetch/smtp.c.
 */
#include "io/fetch/smtp.h"

#include "base/limits.h"

#include <assert.h>
#include <string.h>

/* ---- who goes next ---- */

static struct mail_session *find_idle(struct fetch *f, const char *url) {
    struct mail_session *s = TAILQ_FIRST(&f->mail_sessions);
    while (s != NULL && (s->step != STEP_IDLE || (url != NULL && strcmp(s->url, url) != 0))) {
        s = TAILQ_NEXT(s, link);
    }
    return s;
}

/* Gives the call a session: an idle one for its server, else a new one. False: none is free. */
static bool place_call(struct fetch *f, struct call *call) {
    struct mail_session *s = call->fresh_only ? NULL : find_idle(f, call->request->url);
    struct mail_session *other = find_idle(f, NULL);
    if (s == NULL && f->mail_session_count >= MAIL_SESSIONS_MAX && other == NULL) {
        return false;
    }
    TAILQ_REMOVE(&f->mail_waiting, call, link);
    call->place = CALL_NOWHERE;
    if (s != NULL) {
        smtp_send(s, call);
        return true;
    }
    if (f->mail_session_count >= MAIL_SESSIONS_MAX) {
        smtp_close(other);
    }
    smtp_open(f, call);
    return true;
}

/* Assigns waiting mails to sessions while any are free. */
static void dispatch(struct fetch *f) {
    struct call *call;
    if (uv_now(f->loop) < f->mail_pause_ms) {
        return;
    }
    while ((call = TAILQ_FIRST(&f->mail_waiting)) != NULL && place_call(f, call)) {
    }
}

/* ---- time ---- */

static void on_timer(uv_timer_t *timer);

/* Makes the timer fire at `due_ms` (loop time) at the latest. */
static void arm(struct fetch *f, uint64_t due_ms) {
    uint64_t now = uv_now(f->loop);
    uint64_t in_ms = due_ms > now ? due_ms - now : 0;
    bool active = uv_is_active((uv_handle_t *)&f->mail_timer);
    if (!active || uv_timer_get_due_in(&f->mail_timer) > in_ms) {
        int started = uv_timer_start(&f->mail_timer, on_timer, in_ms, 0);
        assert(started == 0);
    }
}

static void check_waiting(struct fetch *f, uint64_t now) {
    struct call *call = TAILQ_FIRST(&f->mail_waiting);
    while (call != NULL) {
        struct call *next = TAILQ_NEXT(call, link);
        if (call->deadline_ms <= now) {
            TAILQ_REMOVE(&f->mail_waiting, call, link);
            fetch_finish(call, ERR_TIMEOUT, "no SMTP connection became free in time");
        } else {
            arm(f, call->deadline_ms);
        }
        call = next;
    }
}

static void check_session(struct mail_session *s, uint64_t now) {
    if (s->call != NULL && s->call->deadline_ms <= now) {
        s->used = false; /* a timeout is final: no second try on a new session */
        smtp_lost(s, ERR_TIMEOUT, "the SMTP server did not answer in time");
    } else if (s->call != NULL) {
        arm(s->fetch, s->call->deadline_ms);
    } else if (s->idle_until_ms <= now) {
        smtp_close(s);
    } else {
        arm(s->fetch, s->idle_until_ms);
    }
}

static void on_timer(uv_timer_t *timer) {
    struct fetch *f = timer->data;
    uint64_t now = uv_now(f->loop);
    check_waiting(f, now);
    struct mail_session *s = TAILQ_FIRST(&f->mail_sessions);
    while (s != NULL) {
        struct mail_session *next = TAILQ_NEXT(s, link);
        check_session(s, now);
        s = next;
    }
    dispatch(f);
    fetch_hand_over(f);
}

/* A session became free, was lost, or could not be opened because no descriptor was free. */
static void on_session(struct fetch *f) {
    struct mail_session *s;
    TAILQ_FOREACH(s, &f->mail_sessions, link) {
        if (s->call == NULL) {
            arm(f, s->idle_until_ms);
        }
    }
    if (uv_now(f->loop) < f->mail_pause_ms) {
        arm(f, f->mail_pause_ms);
    }
    dispatch(f);
}

/* ---- calls ---- */

void mail_init(struct fetch *f) {
    TAILQ_INIT(&f->mail_waiting);
    TAILQ_INIT(&f->mail_sessions);
    f->on_session = on_session;
}

static const char *flaw_of(const struct call_request *request) {
    if (request->mail_from == NULL ||
        (request->mail_from[0] != '\0' &&
         !call_address_ok(request->mail_from, strlen(request->mail_from)))) {
        return "the sender's address is not one that SMTP can carry";
    }
    if (request->mail_to_count == 0) {
        return "a mail needs at least one recipient";
    }
    if (request->body_len > CALL_BYTES_MAX) {
        return "the mail is larger than 16 MiB";
    }
    return NULL;
}

void mail_start(struct call *call) {
    struct fetch *f = call->fetch;
    const char *flaw = flaw_of(call->request);
    if (flaw != NULL) {
        fetch_finish(call, ERR_INVALID, flaw);
        return;
    }
    call->place = CALL_MAIL_WAITING;
    TAILQ_INSERT_TAIL(&f->mail_waiting, call, link);
    arm(f, call->deadline_ms);
    dispatch(f);
}

void mail_stop(struct call *call) {
    if (call->place == CALL_MAIL_WAITING) {
        TAILQ_REMOVE(&call->fetch->mail_waiting, call, link);
        call->place = CALL_NOWHERE;
        return;
    }
    struct mail_session *s = call->session;
    struct fetch *f = s->fetch;
    smtp_abandon(s);
    if (!f->closing) {
        dispatch(f);
    }
}

bool mail_close_idle(struct fetch *f) {
    bool any = false;
    struct mail_session *s;
    while ((s = find_idle(f, NULL)) != NULL) {
        smtp_close(s);
        any = true;
    }
    return any;
}

void mail_close_all(struct fetch *f) {
    assert(TAILQ_EMPTY(&f->mail_waiting));
    while (!TAILQ_EMPTY(&f->mail_sessions)) {
        smtp_close(TAILQ_FIRST(&f->mail_sessions));
    }
}
