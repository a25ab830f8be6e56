/* test_fetch_mail.c - mails to a real SMTP server, and what can go wrong with them. */
#include "fetch_world.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char plain_mail[] = "Subject: Hello\nMessage-ID: <1@test>\n\n.dot\nline\n";

static void a_mail_is_accepted_with_the_servers_words(void **state) {
    struct world *w = *state;
    struct call_result *r = call(w, 1, mail_request(w, "ann@example.com", plain_mail));
    assert_int_equal(r->code, 0);
    assert_int_equal(r->status, 250);
    assert_string_equal(r->error, "");
    assert_non_null(strstr(buf_str(&r->body), "250 2.0.0 queued"));
}

static void a_message_arrives_line_by_line_as_it_was_written(void **state) {
    struct world *w = *state;
    const char *mail = "Subject: Dots\r\n\r\n.\n..two\r\nlone\rCR\nno line end";
    assert_int_equal(call(w, 1, mail_request(w, "ann@example.com", mail))->status, 250);
    char line[1024] = "";
    FILE *log = fopen(w->smtp_log, "r");
    assert_non_null(log);
    assert_non_null(fgets(line, sizeof line, log));
    (void)fclose(log);
    assert_non_null(strstr(line, "\"body\": \".\\r\\n..two\\r\\nloneCR\\r\\nno line end\\r\\n\""));
    assert_non_null(strstr(line, "\"subject\": \"Dots\""));
}

static void a_refusal_carries_status_and_last_line(void **state) {
    struct world *w = *state;
    static const struct {
        const char *to;
        long status;
        const char *words;
        bool sent;
    } rows[] = {
        {"nobody@example.com", 550, "no such mailbox", false},
        {"busy@example.com", 451, "mailbox busy", false},
        {"reject@example.com", 550, "refused by policy", true},
        {"fail@example.com", 451, "try again", true},
        {"ann@example.com", 250, "", true},
    };
    for (uint64_t i = 0; i < 5; i++) {
        struct call_result *r = call(w, i, mail_request(w, rows[i].to, plain_mail));
        assert_int_equal(r->code, 0);
        assert_int_equal(r->status, rows[i].status);
        assert_int_equal(r->sent, rows[i].sent);
        assert_non_null(strstr(r->error, rows[i].words));
    }
}

static void an_address_in_utf8_goes_to_a_server_that_takes_it(void **state) {
    struct world *w = *state;
    struct call_result *r = call(w, 1, mail_request(w, "jos\xC3\xA9@example.com", plain_mail));
    assert_int_equal(r->status, 250);
}

static void a_mail_with_one_refused_recipient_goes_to_nobody(void **state) {
    struct world *w = *state;
    struct call_request *request = mail_request(w, "ann@example.com", plain_mail);
    assert_int_equal(call_request_to(request, slice_of("nobody@example.com")), 0);
    struct call_result *r = call(w, 1, request);
    assert_int_equal(r->status, 550);
    assert_false(r->sent);
}

static void a_connection_lost_after_the_message_is_of_unknown_outcome(void **state) {
    struct world *w = *state;
    struct call_result *r = call(w, 1, mail_request(w, "drop@example.com", plain_mail));
    assert_int_equal(r->code, ERR_NETWORK);
    assert_true(r->sent);
}

static void a_server_silent_after_the_message_stops_nobody_else(void **state) {
    struct world *w = *state;
    struct call_request *silent = mail_request(w, "silent@example.com", plain_mail);
    silent->timeout_ms = 60000;
    assert_int_equal(fetch_start(w->fetch, 1, silent), 0);
    assert_int_equal(call(w, 2, mail_request(w, "ann@example.com", plain_mail))->status, 250);
    assert_int_equal(call(w, 3, http_request("GET", w->http_port, "/status/200"))->status, 200);
    assert_int_equal(w->done[1], 0);
    fetch_cancel(w->fetch, 1);
    call_request_free(silent);
}

/* The session is open by then: what is timed is the dialogue and the silence. */
static void a_silence_after_the_message_is_a_timeout_of_unknown_outcome(void **state) {
    struct world *w = *state;
    assert_int_equal(call(w, 1, mail_request(w, "ann@example.com", plain_mail))->status, 250);
    struct call_request *silent = mail_request(w, "silent@example.com", plain_mail);
    silent->timeout_ms = 2000;
    struct call_result *r = call(w, 2, silent);
    assert_int_equal(r->code, ERR_TIMEOUT);
    assert_true(r->sent);
}

static void a_reply_without_end_is_given_up(void **state) {
    struct world *w = *state;
    struct call_result *r = call(w, 1, mail_request(w, "endless@example.com", plain_mail));
    assert_int_equal(r->code, ERR_NETWORK);
    assert_true(r->sent);
    assert_non_null(strstr(r->error, "an endless reply"));
    assert_int_equal(call(w, 2, mail_request(w, "ann@example.com", plain_mail))->status, 250);
}

static void an_smtp_server_that_is_down_was_sent_nothing(void **state) {
    struct world *w = *state;
    int fd = closed_port(&w->smtp_port);
    struct call_result *r = call(w, 1, mail_request(w, "ann@example.com", plain_mail));
    assert_int_equal(r->code, ERR_NETWORK);
    assert_false(r->sent);
    (void)close(fd);
}

static void a_kept_session_that_the_server_closes_is_replaced(void **state) {
    struct world *w = *state;
    for (uint64_t i = 0; i < 30; i++) {
        struct call_result *r = call(w, i, mail_request(w, "bye@example.com", plain_mail));
        assert_int_equal(r->code, 0);
        assert_int_equal(r->status, 250);
    }
}

static void a_thousand_mails_share_a_few_sessions(void **state) {
    struct world *w = *state;
    struct call_request *requests[CROWD];
    for (uint64_t i = 0; i < CROWD; i++) {
        requests[i] = mail_request(w, "ann@example.com", plain_mail);
        requests[i]->timeout_ms = 60000;
        assert_int_equal(fetch_start(w->fetch, i, requests[i]), 0);
    }
    fetch_cancel(w->fetch, 0);
    fetch_cancel(w->fetch, CROWD - 1);
    run_until(w, CROWD - 2);
    for (uint64_t i = 1; i < CROWD - 1; i++) {
        assert_int_equal(w->results[i].status, 250);
    }
    assert_int_equal(fetch_running(w->fetch), 0);
    for (uint64_t i = 0; i < CROWD; i++) {
        call_request_free(requests[i]);
    }
}

static void a_mail_without_sender_or_recipient_is_refused(void **state) {
    struct world *w = *state;
    struct call_request *request = mail_request(w, "ann@example.com", plain_mail);
    free(request->mail_from);
    request->mail_from = slice_dup(slice_of("a@b\r\nRCPT TO:<c@d>"));
    assert_int_equal(call(w, 1, request)->code, ERR_INVALID);
    request = mail_request(w, "ann@example.com", plain_mail);
    free(request->mail_to[0]);
    request->mail_to_count = 0;
    assert_int_equal(call(w, 2, request)->code, ERR_INVALID);
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, fetch_world_open_with_smtp, fetch_world_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_mail_is_accepted_with_the_servers_words),
        TEST(a_message_arrives_line_by_line_as_it_was_written),
        TEST(a_refusal_carries_status_and_last_line),
        TEST(an_address_in_utf8_goes_to_a_server_that_takes_it),
        TEST(a_mail_with_one_refused_recipient_goes_to_nobody),
        TEST(a_connection_lost_after_the_message_is_of_unknown_outcome),
        TEST(a_server_silent_after_the_message_stops_nobody_else),
        TEST(a_silence_after_the_message_is_a_timeout_of_unknown_outcome),
        TEST(a_reply_without_end_is_given_up),
        TEST(an_smtp_server_that_is_down_was_sent_nothing),
        TEST(a_kept_session_that_the_server_closes_is_replaced),
        TEST(a_thousand_mails_share_a_few_sessions),
        TEST(a_mail_without_sender_or_recipient_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
