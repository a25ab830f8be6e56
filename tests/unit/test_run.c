/* test_run.c - every outcome of an invocation, and every call a handler can make. */
#include "lua_world.h"
#include "value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const int64_t NOW = 1700000000000;

/* Runs a handler's body on `payload`. */
static struct lua_world *ran(const char *body, const char *payload) {
    struct lua_world *w = world_new(world_handler(body));
    (void)world_run(w, payload);
    return w;
}

/* Runs a handler's body that checks itself with assert; it must return. */
static void holds(const char *body) {
    struct lua_world *w = ran(body, "{\"x\":5,\"list\":[]}");
    if (w->run->outcome != OUTCOME_DONE) {
        print_error("%s\n", world_error(w));
    }
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    world_free(w);
}

/* The body must end as `outcome` with `text` in the error. */
static void ends(const char *body, enum outcome outcome, const char *text) {
    struct lua_world *w = ran(body, "{\"x\":5}");
    if (w->run->outcome != outcome || strstr(world_error(w), text) == NULL) {
        print_error("outcome %d: %s\n", (int)w->run->outcome, world_error(w));
        fail();
    }
    world_free(w);
}

/* --- outcomes --- */

static void run_is_done_when_the_handler_returns(void **state) {
    (void)state;
    holds("return 'anything'");
}

static void run_error_has_the_message_the_place_and_a_traceback(void **state) {
    (void)state;
    struct lua_world *w = ran("local t = nil\nreturn t.x", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "scripts/handler.lua:3: attempt to index a nil value"));
    assert_non_null(strstr(world_error(w), "stack traceback"));
    world_free(w);
}

static void run_error_of_a_table_becomes_text(void **state) {
    (void)state;
    ends("error({code = 7, why = 'no'})", OUTCOME_ERROR, "{\"code\":7,\"why\":\"no\"}");
    ends("error(setmetatable({}, {__tostring = function() return 'I am it' end}))", OUTCOME_ERROR,
         "I am it");
    ends("error({f = print})", OUTCOME_ERROR, "error object is a table value");
    ends("error(nil)", OUTCOME_ERROR, "nil");
    ends("error(setmetatable({}, {__tostring = function() error('worse') end}))", OUTCOME_ERROR,
         "error object is a table value");
    ends("error(setmetatable({}, {__tostring = function() while true do end end}))", OUTCOME_ERROR,
         "error object is a table value");
}

static void run_error_is_bounded(void **state) {
    (void)state;
    struct lua_world *w = ran("error(string.rep('\xC3\xA4', 100000))", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_true(w->run->error.len <= 4096);
    assert_non_null(strstr(world_error(w), "stack traceback"));
    world_free(w);
}

static void run_calls_that_end_the_attempt_cannot_be_caught(void **state) {
    (void)state;
    struct lua_world *w = ran("pcall(zing.retry, '10m', 'busy') error('went on')", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_RETRY);
    assert_int_equal(w->run->after_ms, 600000);
    assert_string_equal(world_error(w), "busy");
    world_free(w);
    ends("xpcall(zing.reject, print, 'bad seat') error('went on')", OUTCOME_REJECT, "bad seat");
}

static void run_retry_without_a_delay_leaves_it_to_the_policy(void **state) {
    (void)state;
    struct lua_world *w = ran("zing.retry()", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_RETRY);
    assert_true(w->run->after_ms < 0);
    world_free(w);
}

static void run_snooze_and_throttle_carry_their_delay(void **state) {
    (void)state;
    struct lua_world *w = ran("zing.snooze(1.5)", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_SNOOZE);
    assert_int_equal(w->run->after_ms, 1500);
    world_free(w);
    w = ran("zing.throttle('30s')", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_THROTTLE);
    assert_int_equal(w->run->after_ms, 30000);
    world_free(w);
}

static void run_failed_attempts_leave_no_effects(void **state) {
    (void)state;
    static const char *const ways[] = {
        "zing.state.set('a', 1) error('x')",
        "zing.state.set('a', 1) zing.retry(1)",
        "zing.state.set('a', 1) zing.reject('x')",
        "zing.state.set('a', 1) zing.snooze(1)",
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct lua_world *w = ran(ways[i], "{}");
        assert_int_not_equal(w->run->outcome, OUTCOME_DONE);
        assert_int_equal(w->run->effects.count, 0);
        world_free(w);
    }
}

static void run_bad_json_rejects_even_inside_pcall(void **state) {
    (void)state;
    struct lua_world *w =
        ran("pcall(function() return event.json end) error('went on')", "{\"x\":");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_non_null(strstr(world_error(w), "not JSON"));
    world_free(w);
}

static void run_without_a_route_rejects_with_the_topic(void **state) {
    (void)state;
    struct lua_world *w = world_new("return {['a/b'] = function() end}");
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_non_null(strstr(world_error(w), "no handler in handler.lua for topic \"test/topic\""));
    world_free(w);
}

static void run_picks_the_most_specific_filter(void **state) {
    (void)state;
    struct lua_world *w =
        world_new("local function say(x) return function() zing.reject(x) end end\n"
                  "return {['#'] = say('all'), ['a/#'] = say('under a'),\n"
                  "['a/+/c'] = say('plus'), ['+/b/c'] = say('first plus'),\n"
                  "['a/b/c'] = say('exact'), ['a/b/#'] = say('under a/b')}");
    static const char *const expected[][2] = {
        {"a/b/c", "exact"},     {"a/x/c", "plus"},  {"x/b/c", "first plus"},
        {"a/b/d", "under a/b"}, {"a/x", "under a"}, {"z", "all"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        (void)world_event(w, expected[i][0], "{}");
        (void)world_run_event(w, RUN_EVENT, NULL);
        assert_string_equal(world_error(w), expected[i][1]);
    }
    world_free(w);
}

static void run_reuses_its_coroutines_after_every_kind_of_end(void **state) {
    (void)state;
    struct lua_world *w = world_new(world_handler(
        "local j = event.json\n"
        "if j.kind == 'error' then error('e') elseif j.kind == 'retry' then zing.retry(1)\n"
        "elseif j.kind == 'loop' then while true do end\n"
        "elseif j.kind == 'call' then xpcall(zing.http.get, print, 'http://a/') end"));
    static const struct {
        const char *payload;
        enum outcome outcome;
    } rounds[] = {{"{\"kind\":\"error\"}", OUTCOME_ERROR}, {"{}", OUTCOME_DONE},
                  {"{\"kind\":\"retry\"}", OUTCOME_RETRY}, {"{}", OUTCOME_DONE},
                  {"{\"kind\":\"call\"}", OUTCOME_CALL},   {"{}", OUTCOME_DONE},
                  {"{\"kind\":\"loop\"}", OUTCOME_ERROR},  {"{\"kind\":\"error\"}", OUTCOME_ERROR}};
    for (size_t i = 0; i < 3 * sizeof rounds / sizeof rounds[0]; i++) {
        size_t at = i % (sizeof rounds / sizeof rounds[0]);
        (void)world_run(w, rounds[at].payload);
        assert_int_equal(w->run->outcome, rounds[at].outcome);
    }
    world_free(w);
}

/* --- the event --- */

static void run_event_has_its_fields(void **state) {
    (void)state;
    holds("assert(event.id == '0192f0c1-0000-7000-8000-000000000001')\n"
          "assert(event.topic == 'test/topic' and event.key == 'k1')\n"
          "assert(#event.levels == 2 and event.levels[2] == 'topic')\n"
          "assert(event.payload == '{\"x\":5,\"list\":[]}')\n"
          "assert(event.json.x == 5 and event.attempt == 1 and event.qos == 1)\n"
          "assert(event.received_at == 1700000000.0 and event.service == 'svc')\n"
          "assert(event.replayed == false and event.cause == nil and event.content_type == nil)\n"
          "assert(event.nonsense == nil and next(event.properties) == nil)\n"
          "local n = 0 for k, v in pairs(event) do n = n + 1 end assert(n >= 11)\n"
          "event.mine = 1 assert(event.mine == 1)");
}

static void run_event_kept_too_long_is_an_error(void **state) {
    (void)state;
    struct lua_world *w = world_new("local kept\nreturn function(event)\n"
                                    "if kept then return kept.topic end\nkept = event end");
    (void)world_run(w, "{}");
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "event.topic: the event's handler has ended"));
    world_free(w);
}

static void run_event_is_not_plain_data_to_encode(void **state) {
    (void)state;
    ends("zing.publish('a', {event = event})", OUTCOME_ERROR, "payload.event is not plain data");
}

static void run_gives_an_expired_lock_to_its_own_function(void **state) {
    (void)state;
    struct lua_world *w =
        world_new("return {['#'] = function() error('wrong one') end,\n"
                  "on_lock_expired = function(lock)\n"
                  "assert(lock.name == 'A1' and lock.owner == 'b1' and lock.key == 'k1')\n"
                  "assert(lock.expires_at == 1700000000.5 and lock.data.price == 10)\n"
                  "zing.publish('released', lock.name) end}");
    struct event *event =
        world_event(w, "zingq/lock",
                    "{\"name\":\"A1\",\"owner\":\"b1\",\"expires_ms\":1700000000500,"
                    "\"data\":{\"price\":10}}");
    event->kind = EVENT_LOCK_EXPIRED;
    (void)world_run_event(w, RUN_EVENT, NULL);
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_true(slice_is(world_effect(w, 0)->value, "A1"));
    world_free(w);
}

/* --- publish, reply, append --- */

static void run_publish_stages_a_message_and_gives_its_id(void **state) {
    (void)state;
    struct lua_world *w = ran("local id = zing.publish('a/b', {b = 1, a = {}})\n"
                              "assert(id == '01920000-0000-7000-8000-000000000001')",
                              "{}");
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

static void run_publish_takes_its_options(void **state) {
    (void)state;
    struct lua_world *w = ran("zing.publish('a', 'raw', {after = '10m', qos = 0, retain = true,\n"
                              "key = 42, properties = {tenant = 't1', n = 3}})\n"
                              "zing.publish('b', nil, {at = zing.now() + 60})",
                              "{}");
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

static void run_publish_refuses_what_cannot_be_sent(void **state) {
    (void)state;
    ends("zing.publish('a/#', '')", OUTCOME_ERROR, "zing.publish");
    ends("zing.publish('a', '', {afer = 1})", OUTCOME_ERROR, "unknown option 'afer'");
    ends("zing.publish('a', '', {qos = 3})", OUTCOME_ERROR, "qos must be 0, 1 or 2");
    ends("zing.publish('a', {items = {{price = 0/0}}})", OUTCOME_ERROR,
         "payload.items[1].price is NaN");
    ends("zing.publish('a', '', {properties = {['zingq-id'] = 'x'}})", OUTCOME_ERROR,
         "ZingQueue's own");
    ends("zing.publish('a', '', {after = -1})", OUTCOME_ERROR, "after must be");
    ends("zing.publish('a', '', {after = 'soon'})", OUTCOME_ERROR, "after: ");
}

static void run_reply_goes_to_the_response_topic(void **state) {
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
    holds("assert(zing.reply('nobody asked') == nil)");
}

static void run_append_takes_plain_file_names_only(void **state) {
    (void)state;
    struct lua_world *w = ran("zing.append('sales.csv', 'a;b\\n')", "{}");
    assert_int_equal(world_effect(w, 0)->kind, EFFECT_APPEND);
    assert_string_equal(world_effect(w, 0)->name.data, "sales.csv");
    assert_string_equal(world_effect(w, 0)->value.data, "a;b");
    world_free(w);
    ends("zing.append('../x', 'a')", OUTCOME_ERROR, "not a plain file name");
    ends("zing.append('/etc/x', 'a')", OUTCOME_ERROR, "not a plain file name");
    ends("zing.append('.x', 'a')", OUTCOME_ERROR, "not a plain file name");
    ends("zing.append('x', 'a\\nb')", OUTCOME_ERROR, "no line break");
}

static void run_dead_letter_puts_something_else_there_and_goes_on(void **state) {
    (void)state;
    struct lua_world *w = ran("zing.dead_letter({seat = 'A1'}, 'hold expired')", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_int_equal(world_effect(w, 0)->kind, EFFECT_DEAD_LETTER);
    assert_string_equal(world_effect(w, 0)->value.data, "{\"seat\":\"A1\"}");
    assert_string_equal(world_effect(w, 0)->owner.data, "hold expired");
    world_free(w);
}

/* --- state --- */

static void run_state_reads_what_it_wrote(void **state) {
    (void)state;
    holds("local s = zing.state\n"
          "assert(s.get('a') == nil)\n"
          "s.set('a', {n = 1, list = zing.json.array()}) assert(s.get('a').n == 1)\n"
          "assert(zing.json.encode(s.get('a')) == '{\"list\":[],\"n\":1}')\n"
          "s.set('b', 'bytes\\0\\255') assert(s.get('b') == 'bytes\\0\\255')\n"
          "s.set('c', 2^53 | 0) assert(math.type(s.get('c')) == 'integer')\n"
          "s.set('d', 1.5) s.set('e', false) assert(s.get('d') == 1.5 and s.get('e') == false)\n"
          "s.delete('a') assert(s.get('a') == nil)\n"
          "assert(s.incr('a', 3) == 3 and s.incr('a') == 4 and s.get('a') == 4)\n"
          "assert(s.incr('f', 0.5) == 0.5)\n"
          "s.set('n', zing.json.null) assert(s.get('n') == zing.json.null)");
}

static void run_state_adds_to_what_is_stored(void **state) {
    (void)state;
    struct lua_world *w = world_new(world_handler("assert(zing.state.get('count') == 10)\n"
                                                  "assert(zing.state.incr('count') == 11)\n"
                                                  "assert(zing.state.incr('count', 5) == 16)\n"
                                                  "assert(zing.state.get('count') == 16)"));
    world_set(w, "count", "10");
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_int_equal(w->run->effects.count, 1);
    assert_int_equal(world_effect(w, 0)->kind, EFFECT_STATE_INCR);
    assert_int_equal(world_effect(w, 0)->delta_int, 6);
    world_free(w);
}

static void run_state_list_merges_stored_and_staged(void **state) {
    (void)state;
    struct lua_world *w = world_new(world_handler(
        "zing.state.set('seat/3', 'c') zing.state.delete('seat/1') zing.state.incr('seat/n', 2)\n"
        "local l = zing.state.list('seat/')\n"
        "assert(l['seat/1'] == nil and l['seat/2'] == 'b' and l['seat/3'] == 'c')\n"
        "assert(l['seat/n'] == 7 and l['other'] == nil)\n"
        "assert(zing.state.list()['other'] == 1)"));
    world_set(w, "other", "1");
    world_set(w, "seat/1", "\"a\"");
    world_set(w, "seat/2", "\"b\"");
    world_set(w, "seat/n", "5");
    (void)world_run(w, "{}");
    assert_string_equal(world_error(w), "");
    world_free(w);
}

static void run_state_ttl_becomes_a_due_time(void **state) {
    (void)state;
    struct lua_world *w = ran("zing.state.set('a', 1, {ttl = '10s'})", "{}");
    assert_int_equal(world_effect(w, 0)->due_ms, NOW + 10000);
    world_free(w);
}

static void run_state_refuses_bad_names_and_values(void **state) {
    (void)state;
    ends("zing.state.set('', 1)", OUTCOME_ERROR, "name must have 1 to 160 bytes");
    ends("zing.state.get(string.rep('x', 161))", OUTCOME_ERROR, "name must have 1 to 160 bytes");
    ends("zing.state.set('a', nil)", OUTCOME_ERROR, "zing.state.delete");
    ends("zing.state.set('a', print)", OUTCOME_ERROR, "value is a function");
    ends("zing.state.set('a', string.rep('x', 1048577))", OUTCOME_ERROR, "larger than");
    ends("zing.state.set('a', 'x') zing.state.incr('a')", OUTCOME_ERROR, "not a number");
    ends("zing.state.incr('a', 0/0)", OUTCOME_ERROR, "NaN");
}

static void run_peek_looks_at_another_key(void **state) {
    (void)state;
    struct lua_world *w = world_new(world_handler("assert(zing.peek('svc', 'other', 'a') == 3)\n"
                                                  "assert(zing.peek('svc', 'none', 'a') == nil)\n"
                                                  "zing.peek('nobody', 'x', 'a')"));
    world_set(w, "a", "3");
    (void)world_run(w, "{}");
    assert_non_null(strstr(world_error(w), "there is no service \"nobody\""));
    world_free(w);
}

/* --- locks --- */

static void run_lock_is_taken_once_and_extended_by_its_owner(void **state) {
    (void)state;
    holds("assert(zing.lock('A1', {owner = 'b1', ttl = '10m', data = {price = 5}}) == true)\n"
          "local ok, owner, left = zing.lock('A1', {owner = 'b2'})\n"
          "assert(ok == false and owner == 'b1' and left == 600)\n"
          "assert(zing.lock('A1', {owner = 'b1', ttl = '20m'}) == true)\n"
          "local who, secs, data = zing.lock_owner('A1')\n"
          "assert(who == 'b1' and secs == 1200 and data.price == 5)\n"
          "assert(zing.unlock('A1', 'b2') == false)\n"
          "assert(zing.unlock('A1', 'b1') == true)\n"
          "assert(zing.lock_owner('A1') == nil and zing.unlock('A1', 'b1') == false)\n"
          "assert(zing.lock('A1') and zing.lock_owner('A1') == event.id)");
}

static void run_lock_sees_the_stored_one_even_past_its_time(void **state) {
    (void)state;
    struct lua_world *w = world_new(
        world_handler("local ok, owner, left = zing.lock('A1', {owner = 'b2'})\n"
                      "assert(not ok and owner == 'b1' and left == 0)\n"
                      "assert(zing.unlock('A1', 'b1') and zing.lock('A1', {owner = 'b2'}))"));
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

static void run_http_waits_for_its_answer(void **state) {
    (void)state;
    struct lua_world *w = ran("local r = zing.http.post('http://h/x', {json = {a = 1}})\n"
                              "assert(r.status == 201 and r.headers['x-a'] == '1, 2')\n"
                              "assert(r.body == '{\"id\":7}' and r.json().id == 7)\n"
                              "zing.state.set('id', r:json().id)",
                              "{}");
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

static void run_http_numbers_the_keys_of_later_calls(void **state) {
    (void)state;
    struct lua_world *w =
        ran("zing.http.get('http://h/') zing.http.put('http://h/', {body = 'x'})\n"
            "zing.http.delete('http://h/', {headers = {['idempotency-key'] = 'mine'}})\n"
            "zing.http.request('http://h/', {method = 'PATCH', timeout = 2})",
            "{}");
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

static void run_http_forms_are_encoded_like_stripes(void **state) {
    (void)state;
    struct lua_world *w = ran("zing.http.post('http://h/', {form = {amount = 5, source = 'a b&',\n"
                              "metadata = {id = 'x'}, tags = {'u', 'v'}, ['k[z]'] = true}})",
                              "{}");
    const struct call_request *q = w->run->request;
    static const char expected[] = "amount=5&k%5Bz%5D=true&metadata%5Bid%5D=x&source=a+b%26"
                                   "&tags%5B%5D=u&tags%5B%5D=v";
    assert_string_equal(q->body, expected);
    assert_int_equal(q->body_len, sizeof expected - 1);
    assert_non_null(header_of(q, "Content-Type: application/x-www-form-urlencoded"));
    world_free(w);
}

static void run_http_failure_says_whether_the_request_had_left(void **state) {
    (void)state;
    struct lua_world *w = ran("zing.http.post('http://u:p@h/pay?token=s', {body = 'x'})", "{}");
    world_fail_call(w, ERR_TIMEOUT, true, "timed out after 10 s");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "outcome unknown: POST http://h/pay: timed out"));
    world_free(w);
    w = ran("local ok, e = pcall(zing.http.get, 'http://h/')\n"
            "assert(not ok) zing.reject(e)",
            "{}");
    world_fail_call(w, ERR_NETWORK, false, "connection refused");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_non_null(strstr(world_error(w), "the request had not left"));
    assert_null(strstr(world_error(w), "outcome unknown"));
    world_free(w);
}

static void run_http_refuses_forged_headers_and_other_schemes(void **state) {
    (void)state;
    ends("zing.http.get('http://h/', {headers = {a = 'x\\r\\nb: c'}})", OUTCOME_ERROR,
         "line break");
    ends("zing.http.get('http://h/', {headers = {['a: b'] = 'x'}})", OUTCOME_ERROR,
         "not a header's name");
    ends("zing.http.get('file:///etc/passwd')", OUTCOME_ERROR, "not an http://");
    ends("zing.http.get('http://h/\\r\\nx')", OUTCOME_ERROR, "control character");
    ends("zing.http.get('http://h/', {method = 'X'})", OUTCOME_ERROR, "unknown option 'method'");
    ends("zing.http.post('http://h/', {body = 'x', json = {}})", OUTCOME_ERROR, "only one of");
}

/* --- mail --- */

static void run_mail_builds_a_message_and_waits(void **state) {
    (void)state;
    struct lua_world *w = ran("return assert(zing.mail{to = {'Ann <ann@example.org>', 'b@c.de'},\n"
                              "subject = 'Your seat', text = 'Hello', html = '<p>Hello</p>',\n"
                              "headers = {['Reply-To'] = 'desk@example.com'}})",
                              "{}");
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

static void run_mail_4xx_is_an_error_and_5xx_is_final(void **state) {
    (void)state;
    static const char body[] = "pcall(zing.mail, {to = 'a@b.de', text = 'x'}) error('went on')";
    struct lua_world *w = ran("zing.mail{to = 'a@b.de', text = 'x'}", "{}");
    world_answer(w, 451, "", "451 try later");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "451 try later"));
    world_free(w);
    w = ran(body, "{}");
    world_answer(w, 550, "", "550 no such user");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_non_null(strstr(world_error(w), "550 no such user"));
    world_free(w);
}

static void run_mail_rejects_what_would_forge_or_never_arrive(void **state) {
    (void)state;
    ends("zing.mail{to = 'a@b.de\\r\\nBcc: x@y.z', text = 'x'}", OUTCOME_REJECT, "line break");
    ends("zing.mail{to = 'a@b.de', subject = 'a\\nb', text = 'x'}", OUTCOME_REJECT, "line break");
    ends("zing.mail{to = 'a@b.de', headers = {x = 'a\\nb'}}", OUTCOME_REJECT, "line break");
    ends("zing.mail{to = 'nobody', text = 'x'}", OUTCOME_REJECT, "not a mail address");
    ends("zing.mail{text = 'x'}", OUTCOME_REJECT, "`to` is missing");
    ends("zing.mail{to = 5}", OUTCOME_REJECT, "to must be a string");
    ends("zing.mail{too = 'a@b.de'}", OUTCOME_ERROR, "unknown option 'too'");
}

/* --- waiting where it cannot be --- */

static void run_calls_that_wait_are_refused_in_own_coroutines(void **state) {
    (void)state;
    ends("coroutine.wrap(function() zing.http.get('http://h/') end)()", OUTCOME_ERROR,
         "zing.http cannot be called inside a coroutine");
    ends("coroutine.wrap(function() zing.retry(1) end)()", OUTCOME_ERROR,
         "zing.retry cannot be called inside a coroutine");
    ends("coroutine.wrap(function() zing.reject('x') end)()", OUTCOME_ERROR,
         "zing.reject cannot be called inside a coroutine");
    ends("coroutine.wrap(function() zing.mail{to = 'a@b.de'} end)()", OUTCOME_ERROR,
         "zing.mail cannot be called inside a coroutine");
    ends("table.sort({2, 1}, function(a, b) zing.retry(1) end)", OUTCOME_ERROR,
         "cannot be suspended inside");
    ends("local s = ('x'):gsub('x', function() zing.http.get('http://h/') end)", OUTCOME_ERROR,
         "cannot be suspended inside");
}

static void run_calls_wait_across_pcall_metamethods_and_iterators(void **state) {
    (void)state;
    struct lua_world *w =
        ran("local t = setmetatable({}, {__index = function(_, k)\n"
            "  local ok, r = pcall(zing.http.get, 'http://h/' .. k) return r.body end})\n"
            "local function each() return function(_, i) i = (i or 0) + 1\n"
            "  if i < 3 then return i, t['k' .. i] end end end\n"
            "local got = '' for _, v in each() do got = got .. v end\n"
            "zing.reject(got)",
            "{}");
    world_answer(w, 200, "", "one");
    assert_int_equal(w->run->outcome, OUTCOME_CALL);
    world_answer(w, 200, "", "two");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_string_equal(world_error(w), "onetwo");
    world_free(w);
}

static void run_yield_of_the_handler_itself_is_an_error(void **state) {
    (void)state;
    ends("coroutine.yield(1)", OUTCOME_ERROR, "coroutine.yield outside a coroutine");
}

/* --- policies --- */

static struct lua_world *with_policy(const char *retry, const char *dead_letter) {
    struct lua_world *w = world_new_unloaded("return {['#'] = function() end,\n"
                                             "on_dead = function(event, reason)\n"
                                             "zing.publish('gone', reason) end}");
    w->service.retry = retry == NULL ? NULL : "retry.lua";
    w->service.dead_letter = dead_letter == NULL ? NULL : "dlq.lua";
    world_write(w, "retry.lua", retry == NULL ? "" : retry);
    world_write(w, "dlq.lua", dead_letter == NULL ? "" : dead_letter);
    assert_int_equal(world_load(w), 0);
    (void)world_event(w, "a", "{}");
    return w;
}

static int ask_policy(struct lua_world *w, struct retry_verdict *verdict, struct report *r) {
    return run_retry_policy(w->host, 0, w->event, "it broke", &w->view, verdict, r);
}

static void run_retry_policy_says_when_or_gives_up(void **state) {
    (void)state;
    struct retry_verdict verdict;
    struct report r = {""};
    struct lua_world *w =
        with_policy("return function(event, err)\n"
                    "if event.attempt > 2 then return {dead = 'enough: ' .. err} end\n"
                    "return {after = event.attempt * 2} end",
                    NULL);
    assert_int_equal(ask_policy(w, &verdict, &r), 0);
    assert_false(verdict.dead);
    assert_int_equal(verdict.after_ms, 2000);
    w->event->attempts = 3;
    assert_int_equal(ask_policy(w, &verdict, &r), 0);
    assert_true(verdict.dead);
    assert_string_equal(verdict.reason, "enough: it broke");
    world_free(w);
}

static void run_retry_policy_that_answers_nonsense_is_reported(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"return function() end", "returns {after = seconds}"},
        {"return function() return {} end", "needs `after` or `dead`"},
        {"return function() return {after = 'x'} end", "after"},
        {"return function() error('oops') end", "oops"},
        {"return function() zing.publish('a', 'b') end", "not for a retry policy"},
        {"return function() zing.http.get('http://h/') end", "not for a retry policy"},
        {"return function() while true do end end", "CPU time"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct retry_verdict verdict;
        struct report r = {""};
        struct lua_world *w = with_policy(bad[i][0], NULL);
        assert_int_equal(ask_policy(w, &verdict, &r), ERR_SCRIPT);
        assert_non_null(strstr(r.text, bad[i][1]));
        world_free(w);
    }
}

static void run_retry_policy_may_be_absent(void **state) {
    (void)state;
    struct retry_verdict verdict;
    struct lua_world *w = with_policy(NULL, NULL);
    assert_int_equal(ask_policy(w, &verdict, NULL), ERR_NOTFOUND);
    world_free(w);
}

static void run_dead_policy_may_discard_and_publish(void **state) {
    (void)state;
    struct lua_world *w = with_policy(NULL, "return function(event, reason)\n"
                                            "if reason == 'old' then return 'discard' end\n"
                                            "zing.publish('alarm', reason) end");
    (void)world_run_event(w, RUN_DEAD_POLICY, "old");
    assert_int_equal(w->run->outcome, OUTCOME_DISCARD);
    (void)world_run_event(w, RUN_DEAD_POLICY, "broken");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_true(slice_is(world_effect(w, 0)->value, "broken"));
    world_free(w);
}

static void run_on_dead_gets_the_reason_and_must_not_wait(void **state) {
    (void)state;
    struct lua_world *w = with_policy(NULL, "return function() zing.http.get('http://h/') end");
    (void)world_run_event(w, RUN_ON_DEAD, "too late");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_true(slice_is(world_effect(w, 0)->value, "too late"));
    (void)world_run_event(w, RUN_DEAD_POLICY, "x");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "must not do"));
    world_free(w);
}

/* --- the rest --- */

static void run_knows_time_ids_config_and_secrets(void **state) {
    (void)state;
    holds("assert(zing.now() == 1700000000.0 and os.time() == 1700000000)\n"
          "assert(os.date('!%Y') == '2023')\n"
          "assert(#zing.uuid() == 36 and zing.uuid() ~= zing.uuid())\n"
          "assert(zing.config.hold == '10m' and zing.config.api_key == nil)\n"
          "assert(zing.secret('api_key') == 'sk_hidden')\n"
          "for k, v in pairs(zing.config) do assert(v ~= 'sk_hidden') end\n"
          "assert(not pcall(function() zing.config.hold = 1 end))");
    ends("zing.secret('nothing')", OUTCOME_ERROR, "has no \"nothing\"");
}

static void run_log_takes_any_message_and_fields(void **state) {
    (void)state;
    holds("zing.log.debug('quiet', {b = 1, a = 'x y', t = {1}, n = zing.json.null})\n"
          "zing.log.debug(nil) zing.log.debug({})");
    ends("zing.log.info('a', {1, 2})", OUTCOME_ERROR, "zing.log: fields");
}

static void run_counts_its_cpu_time(void **state) {
    (void)state;
    struct lua_world *w = ran("local x = 0 for i = 1, 1000000 do x = x + i end", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_true(w->run->cpu_us > 100 && w->run->cpu_us < 60000);
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_is_done_when_the_handler_returns),
        cmocka_unit_test(run_error_has_the_message_the_place_and_a_traceback),
        cmocka_unit_test(run_error_of_a_table_becomes_text),
        cmocka_unit_test(run_error_is_bounded),
        cmocka_unit_test(run_calls_that_end_the_attempt_cannot_be_caught),
        cmocka_unit_test(run_retry_without_a_delay_leaves_it_to_the_policy),
        cmocka_unit_test(run_snooze_and_throttle_carry_their_delay),
        cmocka_unit_test(run_failed_attempts_leave_no_effects),
        cmocka_unit_test(run_bad_json_rejects_even_inside_pcall),
        cmocka_unit_test(run_without_a_route_rejects_with_the_topic),
        cmocka_unit_test(run_picks_the_most_specific_filter),
        cmocka_unit_test(run_reuses_its_coroutines_after_every_kind_of_end),
        cmocka_unit_test(run_event_has_its_fields),
        cmocka_unit_test(run_event_kept_too_long_is_an_error),
        cmocka_unit_test(run_event_is_not_plain_data_to_encode),
        cmocka_unit_test(run_gives_an_expired_lock_to_its_own_function),
        cmocka_unit_test(run_publish_stages_a_message_and_gives_its_id),
        cmocka_unit_test(run_publish_takes_its_options),
        cmocka_unit_test(run_publish_refuses_what_cannot_be_sent),
        cmocka_unit_test(run_reply_goes_to_the_response_topic),
        cmocka_unit_test(run_append_takes_plain_file_names_only),
        cmocka_unit_test(run_dead_letter_puts_something_else_there_and_goes_on),
        cmocka_unit_test(run_state_reads_what_it_wrote),
        cmocka_unit_test(run_state_adds_to_what_is_stored),
        cmocka_unit_test(run_state_list_merges_stored_and_staged),
        cmocka_unit_test(run_state_ttl_becomes_a_due_time),
        cmocka_unit_test(run_state_refuses_bad_names_and_values),
        cmocka_unit_test(run_peek_looks_at_another_key),
        cmocka_unit_test(run_lock_is_taken_once_and_extended_by_its_owner),
        cmocka_unit_test(run_lock_sees_the_stored_one_even_past_its_time),
        cmocka_unit_test(run_http_waits_for_its_answer),
        cmocka_unit_test(run_http_numbers_the_keys_of_later_calls),
        cmocka_unit_test(run_http_forms_are_encoded_like_stripes),
        cmocka_unit_test(run_http_failure_says_whether_the_request_had_left),
        cmocka_unit_test(run_http_refuses_forged_headers_and_other_schemes),
        cmocka_unit_test(run_mail_builds_a_message_and_waits),
        cmocka_unit_test(run_mail_4xx_is_an_error_and_5xx_is_final),
        cmocka_unit_test(run_mail_rejects_what_would_forge_or_never_arrive),
        cmocka_unit_test(run_calls_that_wait_are_refused_in_own_coroutines),
        cmocka_unit_test(run_calls_wait_across_pcall_metamethods_and_iterators),
        cmocka_unit_test(run_yield_of_the_handler_itself_is_an_error),
        cmocka_unit_test(run_retry_policy_says_when_or_gives_up),
        cmocka_unit_test(run_retry_policy_that_answers_nonsense_is_reported),
        cmocka_unit_test(run_retry_policy_may_be_absent),
        cmocka_unit_test(run_dead_policy_may_discard_and_publish),
        cmocka_unit_test(run_on_dead_gets_the_reason_and_must_not_wait),
        cmocka_unit_test(run_knows_time_ids_config_and_secrets),
        cmocka_unit_test(run_log_takes_any_message_and_fields),
        cmocka_unit_test(run_counts_its_cpu_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
