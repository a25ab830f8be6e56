/*
 * test_log.c - what a log line looks like, and that nobody can forge one.
 *
 * The log writes to standard error, so each test hands that over to a pipe while it logs.
 */
#include "base/json.h"
#include "base/log.h"

#include "test.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

struct capture {
    int saved;          /* standard error as it was */
    int read_end;       /* of the pipe that stands in for it */
    char text[1 << 16]; /* what was logged, terminated */
};

static void capture_start(struct capture *c) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    c->saved = dup(STDERR_FILENO);
    assert_true(c->saved >= 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(ends[1]), 0);
    c->read_end = ends[0];
}

/* The text logged since capture_start; the pipe is in memory, so nothing is still on its way. */
static const char *capture_end(struct capture *c) {
    assert_int_equal(dup2(c->saved, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(c->saved), 0);
    ssize_t got = read(c->read_end, c->text, sizeof c->text - 1);
    c->text[got > 0 ? got : 0] = '\0';
    assert_int_equal(close(c->read_end), 0);
    return c->text;
}

static size_t count_of(const char *text, char c) {
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += *text == c;
    }
    return count;
}

static int settings_back(void **state) {
    (void)state;
    log_set(&(struct log_settings){.json = false});
    return 0;
}

static void a_line_has_time_level_area_and_text(void **state) {
    (void)state;
    struct capture c;
    capture_start(&c);
    log_warn("broker", "lost the connection host=%s", "127.0.0.1");
    const char *line = capture_end(&c);
    const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    for (size_t i = 0; shape[i] != '\0'; i++) {
        bool digit = line[i] >= '0' && line[i] <= '9';
        assert_true(shape[i] == 'd' ? digit : line[i] == shape[i]);
    }
    assert_string_equal(line + strlen(shape), "warn  broker: lost the connection host=127.0.0.1\n");
}

static void a_line_of_one_of_several_hosts_says_which(void **state) {
    (void)state;
    struct capture c;
    capture_start(&c);
    log_set_host(2);
    log_info("host", "here");
    log_set_host(0);
    log_info("host", "alone");
    const char *text = capture_end(&c);
    assert_non_null(strstr(text, " info  [2] host: here\n"));
    assert_non_null(strstr(text, " info  host: alone\n"));
}

static void levels_below_the_least_are_silent(void **state) {
    (void)state;
    struct capture c;
    log_set(&(struct log_settings){.level = LOG_LEVEL_WARN});
    capture_start(&c);
    log_debug("test", "no");
    log_info("test", "no");
    log_warn("test", "yes");
    log_error("test", "yes");
    const char *text = capture_end(&c);
    assert_int_equal(count_of(text, '\n'), 2);
    assert_null(strstr(text, "no\n"));
}

static void debug_is_written_when_asked_for(void **state) {
    (void)state;
    struct capture c;
    log_set(&(struct log_settings){.level = LOG_LEVEL_DEBUG});
    capture_start(&c);
    log_debug("test", "seen");
    assert_non_null(strstr(capture_end(&c), "debug test: seen\n"));
}

static void an_area_may_have_a_level_of_its_own(void **state) {
    (void)state;
    struct capture c;
    log_set(&(struct log_settings){.level = LOG_LEVEL_ERROR,
                                   .areas = {[LOG_AREA_HANDLER] = LOG_LEVEL_DEBUG}});
    capture_start(&c);
    log_debug("handler", "seen");
    log_warn("broker", "no");
    log_error("broker", "seen");
    assert_int_equal(count_of(capture_end(&c), '\n'), 2);
    assert_true(log_writes(LOG_LEVEL_DEBUG, "handler"));
    assert_false(log_writes(LOG_LEVEL_WARN, "store"));
}

static void a_line_of_json_has_the_same_and_its_members(void **state) {
    (void)state;
    struct capture c;
    log_set(&(struct log_settings){.json = true});
    capture_start(&c);
    log_set_host(2);
    log_text(LOG_LEVEL_WARN, "handler", slice_of("he said \"no\"\nat C:\\"),
             slice_of(",\"service\":\"a\",\"fields\":{\"n\":1}"));
    log_set_host(0);
    const char *line = capture_end(&c);
    assert_ptr_equal(strstr(line, "{\"time\":\"2"), line);
    assert_non_null(strstr(line,
                           "Z\",\"level\":\"warn\",\"host\":2,\"area\":\"handler\",\"message\":"
                           "\"he said \\\"no\\\"\\nat C:\\\\\",\"service\":\"a\",\"fields\":"
                           "{\"n\":1}}\n"));
}

static void a_line_of_json_stays_json_whatever_it_holds(void **state) {
    (void)state;
    static char endless[1 << 13];
    struct capture c;
    log_set(&(struct log_settings){.json = true});
    for (unsigned byte = 1; byte < 256; byte++) {
        memset(endless, (int)byte, sizeof endless - 1);
        endless[byte] = 'x';
        capture_start(&c);
        log_error("engine",
                  "\xf3\xa0\x81\xbf\xe2\x80\xae %s", // NOLINT(misc-misleading-bidirectional)
                  endless);
        const char *text = capture_end(&c);
        json_t *line = json_read(slice_of(text), "text", NULL);
        assert_non_null(line);
        assert_int_equal(count_of(text, '\n'), 1);
        assert_non_null(strstr(text, "\\udb40\\udc7f\\u202e"));
        json_decref(line);
    }
}

static void a_payload_cannot_forge_a_line(void **state) {
    (void)state;
    struct capture c;
    capture_start(&c);
    log_info("engine", "payload=%s",
             "x\n2026-01-01T00:00:00.000Z error engine: forged\r\x1b[2J\x7f");
    const char *text = capture_end(&c);
    assert_int_equal(count_of(text, '\n'), 1);
    assert_non_null(strstr(text, "x\\n2026-01-01"));
    assert_non_null(strstr(text, "forged\\x0d\\x1b[2J\\x7f\n"));
}

static void a_payload_cannot_turn_a_line_round(void **state) {
    (void)state;
    struct capture c;
    capture_start(&c);
    log_info("engine", "payload=%s",
             "a\xe2\x80\xae" // NOLINT(misc-misleading-bidirectional)
             "b\xc2\x9b"
             "c\xff\xe2\x81\xa6");
    assert_non_null(strstr(capture_end(&c), "payload=a\\u{202e}b\\x9bc\\xff\\u{2066}\n"));
}

static void no_password_of_a_url_is_written(void **state) {
    (void)state;
    struct capture c;
    capture_start(&c);
    log_info("engine", "error=\"%s\" again", "https://ann:s@cret@host/path: refused");
    assert_non_null(strstr(capture_end(&c), "error=\"https://host/path: refused\" again\n"));
}

static void text_beyond_ascii_stays_readable(void **state) {
    (void)state;
    struct capture c;
    capture_start(&c);
    log_info("engine", "user=%s", "Zo\xc3\xab");
    assert_non_null(strstr(capture_end(&c), "user=Zo\xc3\xab\n"));
}

static void an_endless_text_is_cut_to_one_line(void **state) {
    (void)state;
    static char endless[1 << 16];
    memset(endless, '\n', sizeof endless - 1);
    struct capture c;
    capture_start(&c);
    log_error("engine", "%s", endless);
    const char *text = capture_end(&c);
    assert_int_equal(count_of(text, '\n'), 1);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void take_line(void *ctx, struct slice line) {
    buf_add_slice(ctx, line);
}

static void diverted_lines_are_not_written(void **state) {
    (void)state;
    struct capture c;
    struct buf taken;
    buf_init(&taken, 4096);
    capture_start(&c);
    log_divert(take_line, &taken);
    log_warn("engine", "one");
    log_warn("engine", "two");
    log_divert(NULL, NULL);
    log_warn("engine", "three");
    const char *written = capture_end(&c);
    assert_non_null(strstr(buf_str(&taken), "warn  engine: one\n"));
    assert_non_null(strstr(buf_str(&taken), "warn  engine: two\n"));
    assert_int_equal(count_of(buf_str(&taken), '\n'), 2);
    assert_int_equal(count_of(written, '\n'), 1);
    assert_non_null(strstr(written, "three"));
    buf_clear(&taken);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_area_and_text),
        cmocka_unit_test(a_line_of_one_of_several_hosts_says_which),
        cmocka_unit_test_teardown(levels_below_the_least_are_silent, settings_back),
        cmocka_unit_test_teardown(debug_is_written_when_asked_for, settings_back),
        cmocka_unit_test_teardown(an_area_may_have_a_level_of_its_own, settings_back),
        cmocka_unit_test_teardown(a_line_of_json_has_the_same_and_its_members, settings_back),
        cmocka_unit_test_teardown(a_line_of_json_stays_json_whatever_it_holds, settings_back),
        cmocka_unit_test(a_payload_cannot_forge_a_line),
        cmocka_unit_test(a_payload_cannot_turn_a_line_round),
        cmocka_unit_test(no_password_of_a_url_is_written),
        cmocka_unit_test(text_beyond_ascii_stays_readable),
        cmocka_unit_test(diverted_lines_are_not_written),
        cmocka_unit_test(an_endless_text_is_cut_to_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
