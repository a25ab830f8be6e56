/* test_api.c - every call a handler can make: what it stages, answers and refuses. */
#include "lua_world.h"
#include "script.h"
#include "base/clock.h"
#include "base/log.h"
#include "test.h"
#include "event/value.h"

#include "base/limits.h"
#include "lua/host.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int64_t NOW = 1700000000000;

/* --- publish, reply, append --- */

static void api_publish_stages_a_message_and_gives_its_id(void **state) {
    (void)state;
    struct lua_world *w = world_ran(LUA(api_publish_stages_a_message_and_gives_its_id), "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    const struct effect *e = world_effect(w, 0);
    assert_int_equal(e->kind, EFFECT_PUBLISH);
    assert_string_equal(e->name.data, "a/b");
    assert_string_equal(e->value.data, "{\"a\":{},\"b\":1}");
    assert_true(slice_is(e->content_type, "application/json"));
    assert_int_equal(e->qos, 1);
    assert_false(e->retain);
    assert_null(e->key.data);
    assert_int_equal(e->due_ms, 0);
    world_free(w);
}

static void api_publish_takes_its_options(void **state) {
    (void)state;
    struct lua_world *w = world_ran(LUA(api_publish_takes_its_options), "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    const struct effect *e = world_effect(w, 0);
    struct slice tenant;
    assert_int_equal(e->due_ms, NOW + 600000);
    assert_int_equal(e->qos, 0);
    assert_true(e->retain);
    assert_true(slice_is(e->key, "42"));
    assert_true(property_find(e->properties, "tenant", &tenant) && slice_is(tenant, "t1"));
    assert_int_equal(world_effect(w, 1)->due_ms, NOW + 60000);
    assert_int_equal(world_effect(w, 1)->value.len, 0);
    world_free(w);
}

static void api_publish_refuses_what_cannot_be_sent(void **state) {
    (void)state;
    world_ends("zing.publish('a/#', '')", OUTCOME_ERROR, "zing.publish");
    world_ends("zing.publish('a', '', {afer = 1})", OUTCOME_ERROR, "unknown option 'afer'");
    world_ends("zing.publish('a', '', {qos = 3})", OUTCOME_ERROR, "qos must be 0, 1 or 2");
    world_ends("zing.publish('a', {items = {{price = 0/0}}})", OUTCOME_ERROR,
               "payload.items[1].price is NaN");
    world_ends("zing.publish('a', '', {properties = {['zingq-id'] = 'x'}})", OUTCOME_ERROR,
               "ZingQueue's own");
    world_ends("zing.publish('a', '', {after = -1})", OUTCOME_ERROR, "after must be");
    world_ends("zing.publish('a', '', {after = 'soon'})", OUTCOME_ERROR, "after: ");
}

static void api_cancel_stages_the_end_of_a_publish_that_waits(void **state) {
    (void)state;
    struct lua_world *w =
        world_new(world_handler(LUA(api_cancel_stages_the_end_of_a_publish_that_waits)));
    assert_true(uuid_parse(slice_of("0192f0c1-0000-7000-8000-00000000000a"), &w->delayed));
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_int_equal(w->run->effects.count, 1);
    assert_int_equal(world_effect(w, 0)->kind, EFFECT_CANCEL);
    assert_true(uuid_equal(&world_effect(w, 0)->id, &w->delayed));
    world_free(w);
    world_holds(LUA(api_cancel_stages_the_end_of_a_publish_that_waits_2));
    world_ends("zing.cancel('17')", OUTCOME_ERROR, "id must be what zing.publish gave");
    world_ends("zing.cancel(nil)", OUTCOME_ERROR, "id must be a string");
}

static void api_reply_goes_to_the_response_topic(void **state) {
    (void)state;
    struct lua_world *w = world_new(world_handler("return zing.reply({ok = true})"));
    struct event_bytes bytes = {.topic = slice_of("q"),
                                .response_topic = slice_of("answers/7"),
                                .correlation = slice_of("c\x01"),
                                .payload = slice_of("{}")};
    w->event = event_new(&bytes);
    (void)world_run_event(w, RUN_EVENT, NULL);
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_string_equal(world_effect(w, 0)->name.data, "answers/7");
    assert_true(slice_is(world_effect(w, 0)->correlation, "c\x01"));
    world_free(w);
    world_holds("assert(zing.reply('nobody asked') == nil)");
}

/* The handler replies to a request with this response topic; world_free is for the caller. */
static struct lua_world *replied(struct lua_world *w, const char *topic) {
    assert_int_equal(world_load(w), 0);
    struct event_bytes bytes = {
        .topic = slice_of("q"), .response_topic = slice_of(topic), .payload = slice_of("{}")};
    w->event = event_new(&bytes);
    (void)world_run_event(w, RUN_EVENT, NULL);
    return w;
}

static void api_reply_publishes_nowhere_that_is_this_hosts_own(void **state) {
    (void)state;
    static const char *const own[] = {"zingq/signal/svc/k/paid", "zingq", "$SYS/x", "orders/7"};
    static const char handler[] = "return function() zing.reply('x') end";
    char *filters[] = {"orders/+"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        struct lua_world *w = world_new_unloaded(handler);
        w->service.filters = filters;
        w->service.filter_count = 1;
        (void)replied(w, own[i]);
        assert_int_equal(w->run->outcome, OUTCOME_REJECT);
        assert_non_null(strstr(world_error(w), "is a topic of this host"));
        assert_int_equal(w->run->effects.count, 0);
        world_free(w);
    }
    struct lua_world *w = world_new_unloaded("return function() pcall(zing.reply, 'x') end");
    (void)replied(w, "$SYS/x"); /* not to be caught either */
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    world_free(w);
}

static void api_reply_to_says_where_answers_may_go(void **state) {
    (void)state;
    static const char handler[] = "return function() zing.reply('x') end";
    char *allowed[] = {"answers/#", "zingq/signal/svc/+/done"};
    static const struct {
        const char *topic;
        enum outcome outcome;
    } rows[] = {{"answers/7", OUTCOME_DONE},
                {"zingq/signal/svc/k/done", OUTCOME_DONE},
                {"zingq/signal/svc/k/paid", OUTCOME_REJECT},
                {"elsewhere", OUTCOME_REJECT}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct lua_world *w = world_new_unloaded(handler);
        w->service.reply_to = allowed;
        w->service.reply_to_count = 2;
        (void)replied(w, rows[i].topic);
        assert_int_equal(w->run->outcome, rows[i].outcome);
        assert_int_equal(w->run->effects.count, rows[i].outcome == OUTCOME_DONE);
        world_free(w);
    }
}

/* The broker lets the host do what it may not let the author of a script do. */
static void api_publishes_nothing_below_zingq_or_the_brokers(void **state) {
    (void)state;
    static const char *const own[] = {"zingq", "zingq/hosts/default/x", "zingq/signal/svc/k/paid",
                                      "$SYS/x", "$share/a/b"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        char handler[128];
        (void)snprintf(handler, sizeof handler, "return function() zing.publish('%s', 'x') end",
                       own[i]);
        struct lua_world *w = world_new(handler);
        (void)world_run(w, "{}");
        assert_int_equal(w->run->outcome, OUTCOME_ERROR);
        assert_non_null(strstr(world_error(w), "are not for scripts"));
        world_free(w);
    }
    struct lua_world *w = world_new("return function() zing.publish('zingqx', 'x') "
                                    "zing.publish('$aws/things/x/shadow/update', 'x') end");
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    world_free(w);
}

static void api_reply_to_never_names_what_hosts_send_each_other(void **state) {
    (void)state;
    char *allowed[] = {"#"};
    struct lua_world *w = world_new_unloaded("return function() zing.reply('x') end");
    w->service.reply_to = allowed;
    w->service.reply_to_count = 1;
    (void)replied(w, "zingq/ask/default/1");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    world_free(w);
}

static void api_append_takes_plain_file_names_only(void **state) {
    (void)state;
    struct lua_world *w = world_ran("zing.append('sales.csv', 'a;b\\n')", "{}");
    assert_int_equal(world_effect(w, 0)->kind, EFFECT_APPEND);
    assert_string_equal(world_effect(w, 0)->name.data, "sales.csv");
    assert_string_equal(world_effect(w, 0)->value.data, "a;b");
    world_free(w);
    world_ends("zing.append('../x', 'a')", OUTCOME_ERROR, "not a plain file name");
    world_ends("zing.append('/etc/x', 'a')", OUTCOME_ERROR, "not a plain file name");
    world_ends("zing.append('.x', 'a')", OUTCOME_ERROR, "not a plain file name");
    world_ends("zing.append('x', 'a\\nb')", OUTCOME_ERROR, "no line break");
}

static void api_dead_letter_puts_something_else_there_and_goes_on(void **state) {
    (void)state;
    struct lua_world *w = world_ran("zing.dead_letter({seat = 'A1'}, 'hold expired')", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_int_equal(world_effect(w, 0)->kind, EFFECT_DEAD_LETTER);
    assert_string_equal(world_effect(w, 0)->value.data, "{\"seat\":\"A1\"}");
    assert_string_equal(world_effect(w, 0)->owner.data, "hold expired");
    world_free(w);
}

/* --- state --- */

static void api_state_reads_what_it_wrote(void **state) {
    (void)state;
    world_holds(LUA(api_state_reads_what_it_wrote));
}

static void api_state_adds_to_what_is_stored(void **state) {
    (void)state;
    struct lua_world *w = world_new(world_handler(LUA(api_state_adds_to_what_is_stored)));
    world_set(w, "count", "10");
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_int_equal(w->run->effects.count, 1);
    assert_int_equal(world_effect(w, 0)->kind, EFFECT_STATE_INCR);
    assert_int_equal(world_effect(w, 0)->delta_int, 6);
    world_free(w);
}

static void api_state_list_merges_stored_and_staged(void **state) {
    (void)state;
    struct lua_world *w = world_new(world_handler(LUA(api_state_list_merges_stored_and_staged)));
    world_set(w, "other", "1");
    world_set(w, "seat/1", "\"a\"");
    world_set(w, "seat/2", "\"b\"");
    world_set(w, "seat/n", "5");
    (void)world_run(w, "{}");
    assert_string_equal(world_error(w), "");
    world_free(w);
}

static void api_state_ttl_becomes_a_due_time(void **state) {
    (void)state;
    struct lua_world *w = world_ran("zing.state.set('a', 1, {ttl = '10s'})", "{}");
    assert_int_equal(world_effect(w, 0)->due_ms, NOW + 10000);
    world_free(w);
}

static void api_state_refuses_bad_names_and_values(void **state) {
    (void)state;
    world_ends("zing.state.set('', 1)", OUTCOME_ERROR, "name must have 1 to 160 bytes");
    world_ends("zing.state.get(string.rep('x', 161))", OUTCOME_ERROR,
               "name must have 1 to 160 bytes");
    world_ends("zing.state.set('a', nil)", OUTCOME_ERROR, "zing.state.delete");
    world_ends("zing.state.set('a', print)", OUTCOME_ERROR, "value is a function");
    world_ends("zing.state.set('a', string.rep('x', 1048577))", OUTCOME_ERROR, "larger than");
    world_ends("zing.state.set('a', 'x') zing.state.incr('a')", OUTCOME_ERROR, "not a number");
    world_ends("zing.state.incr('a', 0/0)", OUTCOME_ERROR, "NaN");
}

static void api_peek_looks_at_another_key(void **state) {
    (void)state;
    struct lua_world *w = world_new(world_handler(LUA(api_peek_looks_at_another_key)));
    world_set(w, "a", "3");
    (void)world_run(w, "{}");
    assert_non_null(strstr(world_error(w), "there is no service \"nobody\""));
    world_free(w);
}

/* --- locks --- */

static void api_http_shows_no_password_of_a_url(void **state) {
    (void)state;
    struct lua_world *w = world_ran("zing.http.get('ftp://ann:s@cret@host/')", "{}");
    assert_non_null(strstr(world_error(w), "\"ftp://host/\" is not an http://"));
    assert_null(strstr(world_error(w), "cret"));
    world_free(w);
    w = world_ran("zing.http.get('http://ann:s@cret@host/path?q')", "{}");
    assert_string_equal(w->run->request->label, "GET http://host/path");
    world_free(w);
}

/* What is added to the time must still be one: an overflow would be a time before all others. */
static void api_durations_are_no_longer_than_time_itself(void **state) {
    (void)state;
    world_ends("zing.lock('a', {ttl = '106751991167d'})", OUTCOME_ERROR, "ttl must be at most");
    world_ends("zing.publish('a', '', {after = '106751991167d'})", OUTCOME_ERROR, "at most");
    world_ends("zing.snooze('9223372036854775000ms')", OUTCOME_ERROR, "at most");
    world_holds("assert(zing.lock('a', {ttl = 2147483647}))");
}

static void api_lock_is_taken_once_and_extended_by_its_owner(void **state) {
    (void)state;
    world_holds(LUA(api_lock_is_taken_once_and_extended_by_its_owner));
}

static void api_lock_sees_the_stored_one_even_past_its_time(void **state) {
    (void)state;
    struct lua_world *w =
        world_new(world_handler(LUA(api_lock_sees_the_stored_one_even_past_its_time)));
    world_lock(w, "A1", "b1", NOW - 5, "");
    (void)world_run(w, "{}");
    assert_string_equal(world_error(w), "");
    assert_int_equal(world_effect(w, 0)->kind, EFFECT_UNLOCK);
    assert_int_equal(world_effect(w, 1)->kind, EFFECT_LOCK);
    world_free(w);
}

/* --- http --- */

static const char *header_of(const struct call_request *request, const char *prefix) {
    for (size_t i = 0; i < request->header_count; i++) {
        if (strncmp(request->headers[i], prefix, strlen(prefix)) == 0) {
            return request->headers[i];
        }
    }
    return NULL;
}

static void api_http_waits_for_its_answer(void **state) {
    (void)state;
    struct lua_world *w = world_ran(LUA(api_http_waits_for_its_answer), "{}");
    assert_int_equal(w->run->outcome, OUTCOME_CALL);
    const struct call_request *q = w->run->request;
    assert_string_equal(q->url, "http://h/x");
    assert_string_equal(q->method, "POST");
    assert_int_equal(q->timeout_ms, 10000);
    assert_memory_equal(q->body, "{\"a\":1}", 7);
    assert_string_equal(header_of(q, "Content-Type"), "Content-Type: application/json");
    assert_string_equal(header_of(q, "Idempotency-Key"),
                        "Idempotency-Key: svc-0192f0c1-0000-7000-8000-000000000001");
    world_answer(w, 201, "x-a: 1\nx-a: 2\n", "{\"id\":7}");
    assert_string_equal(world_error(w), "");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    world_free(w);
}

static void api_http_numbers_the_keys_of_later_calls(void **state) {
    (void)state;
    struct lua_world *w = world_ran(LUA(api_http_numbers_the_keys_of_later_calls), "{}");
    assert_null(header_of(w->run->request, "Idempotency-Key"));
    world_answer(w, 200, "", "");
    assert_string_equal(header_of(w->run->request, "Idempotency-Key"),
                        "Idempotency-Key: svc-0192f0c1-0000-7000-8000-000000000001-2");
    world_answer(w, 200, "", "");
    assert_null(header_of(w->run->request, "Idempotency-Key"));
    assert_string_equal(header_of(w->run->request, "idempotency-key"), "idempotency-key: mine");
    world_answer(w, 200, "", "");
    assert_string_equal(w->run->request->method, "PATCH");
    assert_int_equal(w->run->request->timeout_ms, 2000);
    world_answer(w, 500, "", "");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_int_equal(w->run->calls, 4);
    world_free(w);
}

static void api_http_forms_are_encoded_like_stripes(void **state) {
    (void)state;
    struct lua_world *w = world_ran(LUA(api_http_forms_are_encoded_like_stripes), "{}");
    const struct call_request *q = w->run->request;
    static const char expected[] = "amount=5&k%5Bz%5D=true&metadata%5Bid%5D=x&source=a+b%26"
                                   "&tags%5B%5D=u&tags%5B%5D=v";
    assert_string_equal(q->body, expected);
    assert_int_equal(q->body_len, sizeof expected - 1);
    assert_non_null(header_of(q, "Content-Type: application/x-www-form-urlencoded"));
    world_free(w);
}

static void api_http_failure_says_whether_the_request_had_left(void **state) {
    (void)state;
    struct lua_world *w =
        world_ran("zing.http.post('http://u:p@h/pay?token=s', {body = 'x'})", "{}");
    world_fail_call(w, ERR_TIMEOUT, true, "timed out after 10 s");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "outcome unknown: POST http://h/pay: timed out"));
    world_free(w);
    w = world_ran(LUA(api_http_failure_says_whether_the_request_had_left), "{}");
    world_fail_call(w, ERR_NETWORK, false, "connection refused");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_non_null(strstr(world_error(w), "the request had not left"));
    assert_null(strstr(world_error(w), "outcome unknown"));
    world_free(w);
}

static void api_http_refuses_forged_headers_and_other_schemes(void **state) {
    (void)state;
    world_ends("zing.http.get('http://h/', {headers = {a = 'x\\r\\nb: c'}})", OUTCOME_ERROR,
               "line break");
    world_ends("zing.http.get('http://h/', {headers = {['a: b'] = 'x'}})", OUTCOME_ERROR,
               "not a header's name");
    world_ends("zing.http.get('file:///etc/passwd')", OUTCOME_ERROR, "not an http://");
    world_ends("zing.http.get('http://h/\\r\\nx')", OUTCOME_ERROR, "control character");
    world_ends("zing.http.get('http://h/', {method = 'X'})", OUTCOME_ERROR,
               "unknown option 'method'");
    world_ends("zing.http.post('http://h/', {body = 'x', json = {}})", OUTCOME_ERROR,
               "only one of");
}

/* --- mail --- */

static void api_mail_builds_a_message_and_waits(void **state) {
    (void)state;
    struct lua_world *w = world_ran(LUA(api_mail_builds_a_message_and_waits), "{}");
    assert_int_equal(w->run->outcome, OUTCOME_CALL);
    const struct call_request *q = w->run->request;
    assert_int_equal(q->kind, CALL_KIND_MAIL);
    assert_string_equal(q->url, "smtp://127.0.0.1:2525");
    assert_string_equal(q->mail_from, "tickets@example.com");
    assert_int_equal(q->mail_to_count, 2);
    assert_string_equal(q->mail_to[0], "ann@example.org");
    assert_non_null(strstr(q->body, "Reply-To: desk@example.com\r\n"));
    world_answer(w, 250, "", "ok");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    world_free(w);
}

static void api_mail_sends_copies_and_names_hidden_ones_nowhere(void **state) {
    (void)state;
    struct lua_world *w = world_ran("zing.mail{to = 'a@b.de', cc = {'c@b.de', 'd@b.de'}, "
                                    "bcc = 'Eve <e@b.de>', text = 'x'}",
                                    "{}");
    const struct call_request *q = w->run->request;
    assert_int_equal(q->mail_to_count, 4);
    assert_string_equal(q->mail_to[1], "c@b.de");
    assert_string_equal(q->mail_to[3], "e@b.de");
    assert_non_null(strstr(q->body, "Cc: c@b.de,\r\n d@b.de\r\n"));
    assert_null(strstr(q->body, "e@b.de"));
    world_free(w);
    world_ends("zing.mail{to = 'a@b.de', bcc = 'nobody', text = 'x'}", OUTCOME_REJECT,
               "not a mail address");
    world_ends("local l = {} for i = 1, 51 do l[i] = 'a@b.de' end zing.mail{to = l, bcc = l}",
               OUTCOME_REJECT, "more than 100 recipients");
}

static void run_mail_4xx_is_an_error_and_5xx_is_final(void **state) {
    (void)state;
    static const char body[] = "pcall(zing.mail, {to = 'a@b.de', text = 'x'}) error('went on')";
    struct lua_world *w = world_ran("zing.mail{to = 'a@b.de', text = 'x'}", "{}");
    world_answer(w, 451, "", "451 try later");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "451 try later"));
    world_free(w);
    w = world_ran(body, "{}");
    world_answer(w, 550, "", "550 no such user");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_non_null(strstr(world_error(w), "550 no such user"));
    world_free(w);
}

static void api_mail_rejects_what_would_forge_or_never_arrive(void **state) {
    (void)state;
    world_ends("zing.mail{to = 'a@b.de\\r\\nBcc: x@y.z', text = 'x'}", OUTCOME_REJECT,
               "line break");
    world_ends("zing.mail{to = 'a@b.de', subject = 'a\\nb', text = 'x'}", OUTCOME_REJECT,
               "line break");
    world_ends("zing.mail{to = 'a@b.de', headers = {x = 'a\\nb'}}", OUTCOME_REJECT, "line break");
    world_ends("zing.mail{to = 'nobody', text = 'x'}", OUTCOME_REJECT, "not a mail address");
    world_ends("zing.mail{text = 'x'}", OUTCOME_REJECT, "`to` is missing");
    world_ends("zing.mail{to = 5}", OUTCOME_REJECT, "to must be a string");
    world_ends("zing.mail{too = 'a@b.de'}", OUTCOME_ERROR, "unknown option 'too'");
}

/* --- the rest --- */

static void api_knows_time_ids_config_and_secrets(void **state) {
    (void)state;
    world_holds(LUA(api_knows_time_ids_config_and_secrets));
    world_ends(
        "zing.secret('hold')", OUTCOME_ERROR,
        "service \"svc\" is not given \"hold\": add secrets = {\"hold\"} to it in topics.conf");
}

static void api_log_takes_any_message_and_fields(void **state) {
    (void)state;
    world_holds(LUA(api_log_takes_any_message_and_fields));
    world_ends("zing.log.info('a', {1, 2})", OUTCOME_ERROR, "zing.log: fields");
}

/* What goes to standard error until stop_reading, which counts its lines and looks for a text. */
static FILE *read_log(int *kept) {
    FILE *out = tmpfile();
    *kept = dup(STDERR_FILENO);
    assert_non_null(out);
    assert_true(*kept >= 0 && dup2(fileno(out), STDERR_FILENO) >= 0);
    return out;
}

static size_t stop_reading(FILE *out, int kept, const char *text, bool *has) {
    char line[4096];
    size_t count = 0;
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    assert_int_equal(close(kept), 0);
    rewind(out);
    for (*has = false; fgets(line, sizeof line, out) != NULL; count++) {
        *has = *has || strstr(line, text) != NULL;
    }
    assert_int_equal(fclose(out), 0);
    return count;
}

static void api_log_writes_what_an_attempt_may_and_counts_the_rest(void **state) {
    (void)state;
    int kept;
    bool has;
    FILE *out = read_log(&kept);
    struct lua_world *w = world_ran("for i = 1, 1005 do zing.log.info('line ' .. i) end", "{}");
    size_t count = stop_reading(out, kept, "line 1001", &has);
    assert_int_equal(count, LOG_LINES_MAX);
    assert_false(has);
    out = read_log(&kept);
    w->host->slots[0].log.begun_ns -= 2000000000; /* the second is over */
    script_log_ended(w->host, 0);
    script_log_ended(w->host, 0);
    count = stop_reading(out, kept, "5 log lines of its handlers were left out", &has);
    assert_int_equal(count, 1);
    assert_true(has);
    world_free(w);
}

static void api_log_writes_debug_and_fields_in_the_logs_form(void **state) {
    (void)state;
    static const char code[] = "zing.log.debug('hi', {n = 1.5, on = true, who = 'a b', t = {1}})";
    struct log_settings log = {.level = LOG_LEVEL_DEBUG};
    int kept;
    bool has;
    log_set(&log);
    FILE *out = read_log(&kept);
    world_free(world_ran(code, "{}"));
    (void)stop_reading(out, kept, " n=1.5 on=true t=[1] who=\"a b\"\n", &has);
    assert_true(has);
    log.json = true;
    log_set(&log);
    out = read_log(&kept);
    world_free(world_ran(code, "{}"));
    (void)stop_reading(out, kept, "\"fields\":{\"n\":1.5,\"on\":true,\"t\":[1],\"who\":\"a b\"}}\n",
                       &has);
    log_set(&(struct log_settings){.json = false});
    assert_true(has);
}

static void api_event_refuses_a_field_it_never_has(void **state) {
    (void)state;
    struct lua_world *w = world_ran("return event.paylod", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(buf_str(&w->run->error),
                           "an event has no field \"paylod\" (did you mean \"payload\"?)"));
    world_free(w);
    w = world_ran("event.note = 1 zing.publish('x', {event.note, event.cause})", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    world_free(w);
}

static void api_counts_its_cpu_time(void **state) {
    (void)state;
    int64_t before_ns = clock_thread_ns();
    struct lua_world *w = world_ran("local x = 0 for i = 1, 1000000 do x = x + i end", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_true(w->run->cpu_us > 100);
    assert_true(w->run->cpu_us <= (clock_thread_ns() - before_ns) / 1000); /* of this thread */
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(api_publish_stages_a_message_and_gives_its_id),
        cmocka_unit_test(api_publish_takes_its_options),
        cmocka_unit_test(api_publish_refuses_what_cannot_be_sent),
        cmocka_unit_test(api_cancel_stages_the_end_of_a_publish_that_waits),
        cmocka_unit_test(api_reply_goes_to_the_response_topic),
        cmocka_unit_test(api_reply_publishes_nowhere_that_is_this_hosts_own),
        cmocka_unit_test(api_reply_to_says_where_answers_may_go),
        cmocka_unit_test(api_publishes_nothing_below_zingq_or_the_brokers),
        cmocka_unit_test(api_reply_to_never_names_what_hosts_send_each_other),
        cmocka_unit_test(api_append_takes_plain_file_names_only),
        cmocka_unit_test(api_dead_letter_puts_something_else_there_and_goes_on),
        cmocka_unit_test(api_state_reads_what_it_wrote),
        cmocka_unit_test(api_state_adds_to_what_is_stored),
        cmocka_unit_test(api_state_list_merges_stored_and_staged),
        cmocka_unit_test(api_state_ttl_becomes_a_due_time),
        cmocka_unit_test(api_state_refuses_bad_names_and_values),
        cmocka_unit_test(api_peek_looks_at_another_key),
        cmocka_unit_test(api_http_shows_no_password_of_a_url),
        cmocka_unit_test(api_durations_are_no_longer_than_time_itself),
        cmocka_unit_test(api_lock_is_taken_once_and_extended_by_its_owner),
        cmocka_unit_test(api_lock_sees_the_stored_one_even_past_its_time),
        cmocka_unit_test(api_http_waits_for_its_answer),
        cmocka_unit_test(api_http_numbers_the_keys_of_later_calls),
        cmocka_unit_test(api_http_forms_are_encoded_like_stripes),
        cmocka_unit_test(api_http_failure_says_whether_the_request_had_left),
        cmocka_unit_test(api_http_refuses_forged_headers_and_other_schemes),
        cmocka_unit_test(api_mail_builds_a_message_and_waits),
        cmocka_unit_test(api_mail_sends_copies_and_names_hidden_ones_nowhere),
        cmocka_unit_test(run_mail_4xx_is_an_error_and_5xx_is_final),
        cmocka_unit_test(api_mail_rejects_what_would_forge_or_never_arrive),
        cmocka_unit_test(api_knows_time_ids_config_and_secrets),
        cmocka_unit_test(api_log_takes_any_message_and_fields),
        cmocka_unit_test(api_log_writes_what_an_attempt_may_and_counts_the_rest),
        cmocka_unit_test(api_log_writes_debug_and_fields_in_the_logs_form),
        cmocka_unit_test(api_event_refuses_a_field_it_never_has),
        cmocka_unit_test(api_counts_its_cpu_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
