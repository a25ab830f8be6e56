/* booking.c - the booking system that ships, for tests. */
#include "booking.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const files[] = {
    "topics.conf",
    "scripts/seat_lock.lua",
    "scripts/payment.lua",
    "scripts/email.lua",
    "scripts/retry.lua",
    "scripts/dlq.lua",
    "scripts/booking_saga.lua",
    "scripts/seat_stock.lua",
    "scripts/log_aggregator.lua",
    "scripts/notices.lua",
    "scripts/flaky.lua",
    "scripts/orders_in.lua",
};

__attribute__((noreturn)) static void give_up(const char *what) {
    (void)fprintf(stderr, "test booking: %s: %s\n", what, strerror(errno));
    abort();
}

static void copy_file(const struct program *p, const char *name) {
    struct program repository = {.pid = 0};
    const char *folder = getenv("SOURCE_DIR");
    if (folder == NULL || strlen(folder) >= sizeof repository.dir) {
        give_up("the variable SOURCE_DIR (run this with ctest)");
    }
    (void)snprintf(repository.dir, sizeof repository.dir, "%s", folder);
    char *text = program_read(&repository, name);
    if (text[0] == '\0') {
        give_up(name);
    }
    program_file(p, name, text);
    free(text);
}

void booking_copy(const struct program *p) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        copy_file(p, files[i]);
    }
}

static void set(const char *name, const char *value) {
    if (setenv(name, value, 1) != 0) {
        give_up(name);
    }
}

void booking_set_url(const char *name, const char *scheme, uint16_t port) {
    char url[64];
    (void)snprintf(url, sizeof url, "%s://127.0.0.1:%u", scheme, port);
    set(name, url);
}

void booking_set_stage(const struct stage *s) {
    booking_set_url("ZINGQ_BROKER_URL", "mqtt", s->broker.port);
    booking_set_url("ZINGQ_VARS_GATEWAY_URL", "http", s->gateway.port);
    booking_set_url("ZINGQ_VARS_SMTP_URL", "smtp", s->mail.port);
    set("ZINGQ_HTTP_LISTEN", "");
    set("ZINGQ_VARS_HOLD", "5s");
    set("ZINGQ_VARS_SEARCH_AFTER", "3s");
}
