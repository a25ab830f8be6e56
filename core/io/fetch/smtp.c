/*
 * smtp.c - one SMTP session: curl opens it, the dialogue for each mail is spoken here.
 *
 * curl opens the session (name look-up, TLS or STARTTLS, EHLO, AUTH) with CURLOPT_CONNECT_ONLY and
 * leaves the socket to us. curl could speak the rest, too, but after the message it waits for the
 * server's reply in a blocking poll (smtp_done, in every version so far): a server that takes two
 * seconds to check for spam would stop every handler of the host for two seconds. Speaking it here
 * also shows exactly whether the message had been sent when a connection is lost.
 *
 *   connecting ─▶ MAIL ─▶ RCPT (each recipient) ─▶ DATA ─▶ message ─▶ idle ─▶ the next mail
 *                   └───────┴───────────────────────┴─ refused ─▶ RSET ──┘
 *
 * A mail goes to all its recipients or to none: if one is refused, the mail is refused, so that a
 * retry never sends to some of them twice.
 *
 * With a password in the URL, TLS is required and the server's certificate is verified. Without
 * one, smtp:// uses STARTTLS if offered and verifies nothing: the alternative is plain text.
 *
 * Left out on purpose: command pipelining, delivery notifications, CHUNKING.
 */
#include "io/fetch/smtp.h"

#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The class of reply (2xx, 3xx) that allows each step to continue; 0: no reply is expected. */
static const int expected[] = {
    [STEP_CONNECT] = 0, [STEP_MAIL] = 2,  [STEP_RCPT] = 2, [STEP_DATA] = 3,
    [STEP_MESSAGE] = 2, [STEP_RESET] = 2, [STEP_IDLE] = 0,
};

/* ---- text ---- */

static bool has_high_bytes(const char *data, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)data[i] >= 0x80) {
            return true;
        }
    }
    return false;
}

/* Appends the message as DATA requires: lines end in CRLF, a leading dot is doubled, the last line
 * is a dot. Lone CRs are dropped, so that no server can see an end of message where there is
 * none. */
static void add_message(struct buf *out, const char *body, size_t len) {
    bool line_start = true;
    for (size_t i = 0; i < len; i++) {
        char c = body[i];
        if (c == '\r') {
            continue;
        }
        if (line_start && c == '.') {
            buf_add_u8(out, '.');
        }
        line_start = c == '\n';
        if (line_start) {
            buf_add_u8(out, '\r');
        }
        buf_add_u8(out, (uint8_t)c);
    }
    buf_add_str(out, line_start ? ".\r\n" : "\r\n.\r\n");
}

/* ---- sessions ---- */

static void session_free(struct mail_session *s) {
    free(s->url);
    buf_clear(&s->out);
    buf_clear(&s->line);
    free(s);
}

static void on_session_closed(uv_handle_t *handle) {
    struct mail_session *s = handle->data;
    struct fetch *f = s->fetch;
    session_free(s);
    fetch_handle_closed(f);
}

void smtp_close(struct mail_session *s) {
    struct fetch *f = s->fetch;
    assert(s->call == NULL && !s->closing);
    s->closing = true;
    TAILQ_REMOVE(&f->mail_sessions, s, link);
    f->mail_session_count--;
    if (s->polling) { /* before curl closes the socket */
        int stopped = uv_poll_stop(&s->poll);
        assert(stopped == 0);
    }
    if (s->step == STEP_IDLE) { /* as a courtesy; nobody waits for the answer */
        size_t sent;
        (void)curl_easy_send(s->easy, "QUIT\r\n", 6, &sent);
    }
    fetch_easy_remove(f, s->easy, &s->transfer);
    curl_easy_cleanup(s->easy);
    s->easy = NULL;
    if (s->polling) {
        uv_close((uv_handle_t *)&s->poll, on_session_closed);
    } else {
        session_free(s);
    }
}

static struct call *take_call(struct mail_session *s) {
    struct call *call = s->call;
    assert(call != NULL && call->session == s);
    s->call = NULL;
    call->session = NULL;
    call->place = CALL_NOWHERE;
    return call;
}

/* The server has accepted or refused the mail. */
static void answered(struct mail_session *s, long status) {
    struct call *call = take_call(s);
    call->result.status = status;
    buf_reset(&call->result.body);
    buf_add_str(&call->result.body, s->last);
    fetch_finish(call, 0, status < 400 ? "" : s->last);
}

void smtp_lost(struct mail_session *s, int code, const char *why) {
    if (s->call != NULL) {
        struct call *call = take_call(s);
        if (s->used && !call->result.sent) {
            call->fresh_only = true;
            call->place = CALL_MAIL_WAITING;
            TAILQ_INSERT_HEAD(&s->fetch->mail_waiting, call, link);
        } else {
            fetch_finish(call, code, why);
        }
    }
    s->step = STEP_CONNECT; /* no QUIT */
    smtp_close(s);
}

void smtp_abandon(struct mail_session *s) {
    (void)take_call(s);
    s->step = STEP_CONNECT; /* no QUIT: it would be part of the message */
    smtp_close(s);
}

/* ---- the dialogue ---- */

static void on_ready(uv_poll_t *poll, int status, int events);

/* Writes as much as the socket takes. False: the session is gone. */
static bool flush(struct mail_session *s) {
    while (s->written < s->out.len) {
        size_t sent = 0;
        CURLcode code =
            curl_easy_send(s->easy, s->out.data + s->written, s->out.len - s->written, &sent);
        if (code != CURLE_OK && code != CURLE_AGAIN) {
            smtp_lost(s, ERR_NETWORK, "the SMTP server closed the connection");
            return false;
        }
        s->written += sent;
        if (code == CURLE_AGAIN) {
            break;
        }
    }
    bool more = s->written < s->out.len;
    if (!more) {
        buf_reset(&s->out);
        s->written = 0;
    }
    int events = UV_READABLE | (more ? UV_WRITABLE : 0);
    if (uv_poll_start(&s->poll, events, on_ready) != 0) {
        smtp_lost(s, ERR_SYSTEM, "the SMTP connection cannot be watched");
        return false;
    }
    return true;
}

/* The session has no mail any more, and is kept for the next one for a while. */
static void become_free(struct mail_session *s, enum step step) {
    s->step = step;
    s->used = true;
    s->idle_until_ms = uv_now(s->fetch->loop) + MAIL_IDLE_MS;
}

/* The bytes of the message before its body. */
static size_t header_bytes(const struct call_request *request) {
    const char *end = memmem(request->body, request->body_len, "\n\r\n", 3);
    const char *bare = memmem(request->body, request->body_len, "\n\n", 2);
    end = end == NULL || (bare != NULL && bare < end) ? bare : end;
    return end == NULL ? request->body_len : (size_t)(end - request->body);
}

/* Whether an address is UTF-8 (RFC 6531), in the envelope or in a header; all else is encoded. */
static bool needs_utf8(const struct call_request *request) {
    bool utf8 = has_high_bytes(request->mail_from, strlen(request->mail_from)) ||
                has_high_bytes(request->body, header_bytes(request));
    for (size_t i = 0; i < request->mail_to_count; i++) {
        utf8 = utf8 || has_high_bytes(request->mail_to[i], strlen(request->mail_to[i]));
    }
    return utf8;
}

static void say_mail(struct mail_session *s) {
    const struct call_request *request = s->call->request;
    bool utf8 = needs_utf8(request);
    if (utf8 && !s->utf8) { /* as the server would, if it could make sense of it */
        (void)snprintf(s->last, sizeof s->last,
                       "553 5.6.7 an address is not ASCII, and the mail server has no SMTPUTF8");
        answered(s, 553);
        become_free(s, STEP_IDLE);
        return;
    }
    s->step = STEP_MAIL;
    s->recipient = 0;
    bool eightbit = s->eightbit && has_high_bytes(request->body, request->body_len);
    buf_printf(&s->out, "MAIL FROM:<%s>%s%s\r\n", request->mail_from,
               eightbit ? " BODY=8BITMIME" : "", utf8 ? " SMTPUTF8" : "");
}

static void say_next_recipient(struct mail_session *s) {
    const struct call_request *request = s->call->request;
    if (s->recipient == request->mail_to_count) {
        s->step = STEP_DATA;
        buf_add_str(&s->out, "DATA\r\n");
        return;
    }
    s->step = STEP_RCPT;
    buf_printf(&s->out, "RCPT TO:<%s>\r\n", request->mail_to[s->recipient++]);
}

static void say_message(struct mail_session *s) {
    const struct call_request *request = s->call->request;
    s->step = STEP_MESSAGE;
    s->call->result.sent = true;
    add_message(&s->out, request->body, request->body_len);
}

/* The reply was the expected one: sends the next command. */
static void advance(struct mail_session *s, long status) {
    switch (s->step) {
    case STEP_MAIL:
    case STEP_RCPT:
        say_next_recipient(s);
        break;
    case STEP_DATA:
        say_message(s);
        break;
    case STEP_MESSAGE:
        answered(s, status);
        become_free(s, STEP_IDLE);
        break;
    case STEP_RESET:
        become_free(s, STEP_IDLE);
        break;
    case STEP_CONNECT:
    case STEP_IDLE:
        assert(false); /* expected[] has no reply for these */
    }
}

/* A refusal ends the mail, not the session, except for 421: then the server closes it. */
static bool refused(struct mail_session *s, long status) {
    enum step step = s->step;
    if (s->call != NULL) {
        answered(s, status >= 400 ? status : 502); /* 502: a reply that makes no sense here */
    }
    if (status == 421 || step == STEP_RESET) {
        smtp_lost(s, ERR_NETWORK, s->last);
        return false;
    }
    if (step == STEP_MESSAGE) {
        become_free(s, STEP_IDLE);
        return true;
    }
    become_free(s, STEP_RESET);
    buf_add_str(&s->out, "RSET\r\n");
    return true;
}

/* One reply line without its line end. False: the session is gone. */
static bool on_line(struct mail_session *s, const char *line) {
    (void)snprintf(s->last, sizeof s->last, "%s", line);
    if (strlen(line) >= 4 && line[3] == '-') {
        if (++s->lines < MAIL_REPLY_LINES_MAX) {
            return true; /* more lines of this reply follow */
        }
        smtp_lost(s, ERR_NETWORK, "the SMTP server sent an endless reply");
        return false;
    }
    s->lines = 0;
    if (expected[s->step] == 0) {
        smtp_lost(s, ERR_NETWORK, s->last); /* an idle server sends a reply only to say goodbye */
        return false;
    }
    long status = strtol(line, NULL, 10);
    if (status < 200 || status > 599) {
        smtp_lost(s, ERR_NETWORK, "the SMTP server sent something that is not a reply");
        return false;
    }
    if (status / 100 != expected[s->step]) {
        return refused(s, status);
    }
    advance(s, status);
    return true;
}

/* Splits the bytes into lines. False: the session is gone. */
static bool on_bytes(struct mail_session *s, const char *data, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n') {
            buf_add_u8(&s->line, (uint8_t)data[i]);
            continue;
        }
        if (s->line.len > 0 && s->line.data[s->line.len - 1] == '\r') {
            s->line.len--;
        }
        if (s->line.failed) {
            smtp_lost(s, ERR_NETWORK, "the SMTP server sent an endless reply line");
            return false;
        }
        bool alive = on_line(s, buf_str(&s->line));
        if (!alive) {
            return false;
        }
        buf_reset(&s->line);
    }
    return true;
}

/* Reads until the socket is dry, because TLS may hold bytes that the loop cannot see. A server that
 * sends faster than we read is not sending replies. */
static bool read_replies(struct mail_session *s) {
    for (size_t total = 0; total < MAIL_READ_BYTES_MAX;) {
        char bytes[2048];
        size_t got = 0;
        CURLcode code = curl_easy_recv(s->easy, bytes, sizeof bytes, &got);
        if (code == CURLE_AGAIN) {
            return true;
        }
        if (code != CURLE_OK || got == 0) {
            smtp_lost(s, ERR_NETWORK, "the SMTP server closed the connection");
            return false;
        }
        if (!on_bytes(s, bytes, got)) {
            return false;
        }
        total += got;
    }
    smtp_lost(s, ERR_NETWORK, "the SMTP server does not stop sending");
    return false;
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    struct mail_session *s = poll->data;
    struct fetch *f = s->fetch;
    (void)events;
    if (status < 0) {
        smtp_lost(s, ERR_NETWORK, uv_strerror(status));
    } else if (read_replies(s)) {
        (void)flush(s);
    }
    f->on_session(f);
    fetch_hand_over(f);
}

/* ---- opening ---- */

/* curl: a reply line during the opening of the session. */
static size_t on_greeting(char *data, size_t size, size_t count, void *ctx) {
    struct mail_session *s = ctx;
    size_t len = size * count;
    size_t end = len;
    while (end > 0 && (data[end - 1] == '\r' || data[end - 1] == '\n')) {
        end--;
    }
    int shown = end < sizeof s->last ? (int)end : (int)sizeof s->last - 1;
    (void)snprintf(s->last, sizeof s->last, "%.*s", shown, data);
    const char *word = strlen(s->last) > 4 ? s->last + 4 : "";
    s->eightbit = s->eightbit || strcasecmp(word, "8BITMIME") == 0;
    s->utf8 = s->utf8 || strcasecmp(word, "SMTPUTF8") == 0;
    return len;
}

static bool poll_setup(struct mail_session *s) {
    curl_socket_t fd = CURL_SOCKET_BAD;
    CURLcode code = curl_easy_getinfo(s->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (code != CURLE_OK || fd == CURL_SOCKET_BAD) {
        return false;
    }
    if (uv_poll_init_socket(s->fetch->loop, &s->poll, fd) != 0) {
        return false;
    }
    s->poll.data = s;
    s->polling = true;
    s->fetch->handles++;
    return true;
}

/* No descriptor is free for a session: the mail waits a little. */
static void wait_for_descriptors(struct mail_session *s) {
    struct fetch *f = s->fetch;
    struct call *call = take_call(s);
    call->place = CALL_MAIL_WAITING;
    TAILQ_INSERT_HEAD(&f->mail_waiting, call, link);
    smtp_close(s);
    f->renew = f->pooled;
    f->mail_pause_ms = uv_now(f->loop) + CALL_AGAIN_MS;
}

/* curl has opened the session, or failed to. */
static void on_opened(struct transfer *transfer, CURLcode code) {
    struct mail_session *s = (struct mail_session *)transfer;
    struct fetch *f = s->fetch;
    long status = 0;
    (void)curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && poll_setup(s)) {
        say_mail(s);
        (void)flush(s);
    } else if (status >= 400) { /* the greeting, EHLO or AUTH was refused: a reply like any other */
        answered(s, status);
        smtp_close(s);
    } else if (code != CURLE_OPERATION_TIMEDOUT && fetch_is_short()) {
        wait_for_descriptors(s);
    } else {
        const char *why = s->error[0] != '\0' ? s->error : curl_easy_strerror(code);
        int lost = code == CURLE_OK ? ERR_SYSTEM : fetch_code_of(code);
        smtp_lost(s, lost, why);
    }
    f->on_session(f);
}

static int session_options(struct mail_session *s, uint64_t timeout_ms) {
    CURL *easy = s->easy;
    bool password = strchr(s->url, '@') != NULL;
    bool check = password || strncmp(s->url, "smtps:", 6) == 0;
    long tls = password ? CURLUSESSL_ALL : CURLUSESSL_TRY;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, s->url);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_USE_SSL, tls);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, check ? 1L : 0L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, check ? 2L : 0L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s->error);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_greeting);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HEADERDATA, s);
    return code == CURLE_OK ? 0 : ERR_MEMORY;
}

static void give_call(struct mail_session *s, struct call *call) {
    assert(s->call == NULL && call->place == CALL_NOWHERE);
    s->call = call;
    call->session = s;
    call->place = CALL_MAIL_SESSION;
}

void smtp_send(struct mail_session *s, struct call *call) {
    assert(s->step == STEP_IDLE);
    give_call(s, call);
    say_mail(s);
    (void)flush(s);
}

void smtp_open(struct fetch *f, struct call *call) {
    struct mail_session *s = calloc(1, sizeof *s);
    uint64_t now = uv_now(f->loop);
    uint64_t left_ms = call->deadline_ms > now ? call->deadline_ms - now : 1;
    if (s != NULL) {
        s->fetch = f;
        s->transfer.on_complete = on_opened;
        s->url = slice_dup(slice_of(call->request->url));
        buf_init(&s->out, 2 * (size_t)CALL_BYTES_MAX + MAIL_LINE_BYTES_MAX);
        buf_init(&s->line, MAIL_LINE_BYTES_MAX);
        s->easy = s->url == NULL ? NULL : curl_easy_init();
    }
    if (s == NULL || s->easy == NULL || fetch_easy_setup(s->easy, &s->transfer, "smtp,smtps") ||
        session_options(s, left_ms) || curl_multi_add_handle(f->multi, s->easy) != CURLM_OK) {
        if (s != NULL) {
            curl_easy_cleanup(s->easy);
            session_free(s);
        }
        fetch_finish(call, ERR_MEMORY, error_text(ERR_MEMORY));
        return;
    }
    TAILQ_INSERT_TAIL(&f->mail_sessions, s, link);
    f->mail_session_count++;
    give_call(s, call);
}
