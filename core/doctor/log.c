/* log.c - the database of the store's log: does a commit survive it, and what does one take. */
#include "doctor/doctor.h"

#include "base/clock.h"
#include "base/slew.h"
#include "cluster/schema.h"
#include "io/pg/line.h"

#include <stdlib.h>

enum { CONNECT_MS = 10000, PATIENCE_MS = 5000, TRIPS = 21, TRIP_SLOW_US = 20000, ANSWER = 4096 };

#define STANDBY_ADVICE                                                                             \
    "a standby with synchronous_standby_names and synchronous_commit = on, as Patroni's "          \
    "synchronous_mode sets up; a managed service may replicate below PostgreSQL, and then this "   \
    "does not count"

static const struct pg_statement ask_server = {
    .name = "server",
    .text = "SELECT current_setting('server_version'), current_setting('fsync') = 'on',"
            " current_setting('full_page_writes') = 'on', current_setting('synchronous_commit'),"
            " current_setting('synchronous_standby_names') <> '',"
            " CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN (SELECT count(*)"
            " FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) END,"
            " has_database_privilege(current_database(), 'CREATE')"
            " OR coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace"
            " WHERE nspname = 'zq'), false),"
            " to_regclass('zq.format') IS NOT NULL"};

static const struct pg_statement trip = {.name = "trip", .text = "SELECT clock_timestamp()"};

/* Those that synchronous_standby_names names. */
static void judge_standbys(struct doctor *d, struct slice standbys) {
    if (standbys.data == NULL) {
        doctor_advise(doctor_add(d, "standby", DOCTOR_WARN,
                                 "synchronous_standby_names is set, but whether such a standby is "
                                 "connected cannot be seen"),
                      "without one, commits hang: nothing is accepted",
                      "as a superuser: GRANT pg_monitor TO <the user of store.url>");
    } else if (pg_get_int(standbys) > 0) {
        (void)doctor_add(d, "standby", DOCTOR_GOOD,
                         "%lld synchronous standby has each commit before it is acknowledged",
                         (long long)pg_get_int(standbys));
    } else {
        doctor_advise(doctor_add(d, "standby", DOCTOR_BAD,
                                 "synchronous_standby_names is set, but no such standby is "
                                 "connected"),
                      "commits hang until it is back: nothing is accepted", STANDBY_ADVICE);
    }
}

static void judge_durability(struct doctor *d, const struct pg_row *server) {
    bool fsync = pg_get_int(server->fields[1]) != 0 && pg_get_int(server->fields[2]) != 0;
    struct slice commit = server->fields[3];
    bool named = pg_get_int(server->fields[4]) != 0;
    bool local = slice_is(commit, "local");
    if (!fsync) {
        doctor_advise(
            doctor_add(d, "database", DOCTOR_BAD, "fsync or full_page_writes is off in PostgreSQL"),
            "a power cut of its machine loses what was acknowledged, or all of it",
            "postgresql.conf: fsync = on, full_page_writes = on");
    }
    if (named && !local) {
        judge_standbys(d, server->fields[5]);
        return;
    }
    doctor_advise(doctor_add(d, "standby", DOCTOR_WARN, "%s",
                             local ? "synchronous_commit is \"local\": commits wait for no standby"
                                   : "no synchronous standby: synchronous_standby_names is empty"),
                  "a failover of the database loses what was acknowledged last; the host "
                  "finds that out and ends",
                  STANDBY_ADVICE);
}

static int by_size(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void judge_clock(struct doctor *d, const struct slew_source *database) {
    struct clock_reading now;
    clock_read(&now);
    int64_t ahead_ms = slew_apart_ms(database, &now);
    bool apart = llabs(ahead_ms) > SLEW_APART_MS;
    struct doctor_row *told = doctor_add(
        d, "clock", apart ? DOCTOR_WARN : DOCTOR_GOOD, "this machine's is %.3f s %s the database's",
        (double)llabs(ahead_ms) / 1000, ahead_ms < 0 ? "behind" : "ahead of");
    if (apart) {
        doctor_advise(told, "timers, `at` and schedules follow the database's",
                      "set the clocks of both machines by NTP");
    }
}

/* Asks it so often; 0 and how long each took, in order. */
static int take_trips(struct pg_line *line, int64_t us[TRIPS], struct slew_source *clock) {
    struct buf kept;
    struct pg_row row;
    buf_init(&kept, ANSWER);
    int code = pg_line_ask(line, &trip, NULL, NULL, &row); /* is prepared */
    for (size_t i = 0; code == 0 && i < TRIPS; i++) {
        int64_t asked_ms = clock_boottime_ms();
        int64_t from_us = clock_monotonic_us();
        code = pg_line_ask(line, &trip, NULL, &kept, &row);
        us[i] = clock_monotonic_us() - from_us;
        if (code == 0) {
            slew_answer(clock, asked_ms, clock_boottime_ms(), pg_get_ms(row.fields[0]));
        }
    }
    buf_clear(&kept);
    return code;
}

static void measure_trips(struct doctor *d, struct pg_line *line) {
    int64_t us[TRIPS];
    struct slew_source clock = {.known = false};
    if (take_trips(line, us, &clock) != 0) {
        return; /* the row of the database is there */
    }
    qsort(us, TRIPS, sizeof us[0], by_size);
    int64_t median = us[TRIPS / 2];
    bool slow = median > TRIP_SLOW_US;
    struct doctor_row *told =
        doctor_add(d, "round trip", slow ? DOCTOR_WARN : DOCTOR_GOOD,
                   "the database answers in %.2f ms (median of %d; slowest %.2f ms)",
                   (double)median / 1000, TRIPS, (double)us[TRIPS - 1] / 1000);
    if (slow) {
        doctor_advise(told, "each turn waits that long, and the disk of the database",
                      "run the host near its database");
    }
    judge_clock(d, &clock);
}

static void judge_server(struct doctor *d, struct pg_line *line, const struct pg_row *server) {
    bool rights = pg_get_int(server->fields[6]) != 0 || pg_get_int(server->fields[7]) != 0;
    bool old = pg_line_version(line) < CLUSTER_SERVER_LEAST * 10000;
    struct doctor_row *row =
        doctor_add(d, "log", rights && !old ? DOCTOR_GOOD : DOCTOR_BAD, "PostgreSQL %.*s%s",
                   (int)server->fields[0].len, server->fields[0].data,
                   rights ? "" : ", where this user may not make the schema zq");
    if (old) {
        doctor_advise(row, "the host does not start", "PostgreSQL 12 or newer");
    } else if (!rights) {
        doctor_advise(row, "the host does not start",
                      "as a superuser: CREATE SCHEMA zq AUTHORIZATION <the user of store.url>");
    }
}

void doctor_log(struct doctor *d, const char *url) {
    const struct pg_line_options options = {.url = url, .patience_ms = PATIENCE_MS};
    struct pg_line *line = NULL;
    struct pg_row server;
    struct buf kept;
    struct report r = {""};
    buf_init(&kept, ANSWER);
    int code = pg_line_new(&line, &options, &r);
    code = code == 0 ? pg_line_connect(line, CONNECT_MS) : code;
    code = code == 0 ? pg_line_ask(line, &ask_server, NULL, &kept, &server) : code;
    if (code != 0) {
        doctor_advise(doctor_add(d, "log", DOCTOR_BAD, "the database of store.url: %s",
                                 line == NULL ? r.text : pg_line_error(line)),
                      "the host does not start, or accepts nothing",
                      "start the database, or correct store.url");
    } else {
        judge_server(d, line, &server);
        judge_durability(d, &server);
        measure_trips(d, line);
    }
    buf_clear(&kept);
    pg_line_free(line);
}
