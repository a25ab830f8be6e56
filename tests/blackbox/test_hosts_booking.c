/*
 * test_hosts_booking.c - the booking system that ships, on two and three hosts that divide its keys:
 * buyers who want random seats ask through several clients, and often twice. Whatever is killed or
 * away meanwhile, no seat is sold twice, everyone is answered once, and the money is where it
 * belongs by the payment gateway's own books. ZINGQ_SOAK_S in the environment is how long things
 * break; a few seconds by default.
 *
 * ctest: long disk label=torture timeout=300
 */
#include "booking.h"
#include "test.h"
#include "base/buf.h"
#include "base/json.h"
#include "chance.h"
#include "hosts.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLIENTS = 4,
    CONCERTS = 7,
    SEATS = 6,    /* of each: 42 */
    SEASON = 400, /* requests for these; then other concerts are on sale */
    REQUESTS = 400,
    REQUESTS_MAX = 200000,
    PACE_MS = 12,
    TROUBLE_S = 6,
    MOMENT_MS = 900,
    AWAY_MS = STAND_IN_MS + 6000, /* so long, and another host stands in */
    SETTLE_S = 150,
    ID_BYTES = 40,
};

/* What a client saw acknowledged is on the disk; no way to run a broker, but one to kill it. */
#define BROKER_TO_KILL STAGE_BROKER_KEEPS "autosave_interval 1\nautosave_on_changes true\n"

struct request {
    unsigned seat;            /* over all seasons */
    char answer_id[ID_BYTES]; /* the zingq-id of its answer; "" = none yet */
    bool confirmed;
    bool answered_anew; /* under another id: must not be */
    bool decided;       /* a host knows its answer */
    unsigned charges, refunds;
};

/* Everything of one test. */
struct sale {
    struct stage *s;
    struct hosts hosts;
    struct peer clients[CLIENTS];
    struct chance chance;
    const char *what; /* "booking", or "order": the same as one saga */
    struct request *requests;
    unsigned sent, copies, answered;
    size_t notes_read;
    const char *broker_options;
    bool over_http; /* the hosts' front doors take the requests: what they take is durable */
    bool
        alone; /* plain subscriptions: each host gets every message; the broker restarts in order */
    unsigned down;   /* a host that was killed and is to start again; 0 = none */
    int64_t next_ms; /* when the next thing breaks */
    unsigned host_kills, broker_kills, broker_restarts;
};

/* --- requests --- */

/* The concert of a seat is its event_id: "c0" to "c6" in the first season, "c7" in the second. */
static unsigned concert_of(unsigned seat) {
    return seat / SEATS;
}

static void request_text(const struct sale *sale, unsigned number, char text[256]) {
    unsigned seat = sale->requests[number].seat;
    (void)snprintf(text, 256,
                   "{\"booking_id\":\"b-%06u\",\"event_id\":\"c%u\",\"seat\":\"s%u\","
                   "\"user\":\"u%u\",\"email\":\"b-%06u@example.org\",\"amount\":4200,"
                   "\"currency\":\"eur\"}",
                   number, concert_of(seat), seat, number, number);
}

/* Any host that is up; each of them may be asked. */
static void send_over_http(struct sale *sale, const char *text) {
    struct wait w = wait_of(60);
    unsigned number;
    do {
        number = 1 + (unsigned)chance_next(&sale->chance, sale->hosts.count);
        if (!wait_more(&w)) {
            hosts_show(&sale->hosts);
            wait_fail("no host takes a request");
        }
    } while (!program_publish(hosts_one(&sale->hosts, number), "booking%2Frequest", text));
}

static void send_request(struct sale *sale, unsigned number) {
    char text[256];
    request_text(sale, number, text);
    if (sale->over_http) {
        send_over_http(sale, text);
    } else {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "%s/request", sale->what);
        peer_publish(&sale->clients[chance_next(&sale->chance, CLIENTS)], topic, text, NULL);
    }
}

/* The next buyer; and now and then one of the last ones once more, through any client. */
static void send_next(struct sale *sale) {
    enum { ONE_IN = 4, RECENT = 30 };
    unsigned number = sale->sent++;
    assert_true(number < REQUESTS_MAX);
    sale->requests[number].seat =
        number / SEASON * CONCERTS * SEATS + (unsigned)chance_next(&sale->chance, CONCERTS * SEATS);
    send_request(sale, number);
    if (chance_next(&sale->chance, ONE_IN) == 0) {
        unsigned back = (unsigned)chance_next(&sale->chance, RECENT);
        send_request(sale, back > number ? number : number - back);
        sale->copies++;
    }
}

/* --- answers --- */

static struct request *request_of(struct sale *sale, const char *id) {
    char *end = NULL;
    unsigned long number = strncmp(id, "b-", 2) == 0 ? strtoul(id + 2, &end, 10) : UINT32_MAX;
    return end != NULL && *end == '\0' && number < sale->sent ? &sale->requests[number] : NULL;
}

/* Whether the message is "<what>/<verb>/<id>". */
static bool says(const struct sale *sale, const struct note *n, const char *verb) {
    char prefix[32];
    int len = snprintf(prefix, sizeof prefix, "%s/%s/", sale->what, verb);
    return strncmp(n->topic, prefix, (size_t)len) == 0;
}

static void note_answer(struct sale *sale, const struct note *n) {
    bool confirmed = says(sale, n, "confirmed");
    if (!confirmed && !says(sale, n, "rejected")) {
        return; /* another step of a booking */
    }
    const char *id = note_property(n, "zingq-id");
    struct request *r = request_of(sale, strrchr(n->topic, '/') + 1);
    assert_non_null(r);
    assert_int_not_equal(strlen(id), 0);
    if (r->answer_id[0] != '\0') {
        r->answered_anew = r->answered_anew || strcmp(r->answer_id, id) != 0;
        return;
    }
    (void)snprintf(r->answer_id, sizeof r->answer_id, "%s", id);
    r->confirmed = confirmed;
    sale->answered++;
}

static void read_answers(struct sale *sale) {
    const struct note *n;
    while ((n = peer_note(&sale->s->observer, sale->notes_read)) != NULL) {
        sale->notes_read++;
        note_answer(sale, n);
    }
}

/* --- what breaks --- */

static void start_gateway(struct stage *s) {
    char log[128];
    (void)snprintf(log, sizeof log, "%s/gateway.log", s->host.dir);
    helper_gateway(&s->gateway, "--log", log, "--decline", "0.05", "--fail", "0.04",
                   "--timeout-rate", "0.02", "--slow-ms", "40", NULL);
}

/* One thing at a time is down; a killed broker is back at once. */
static void break_something(struct sale *sale) {
    int64_t now_ms = monotonic_ms();
    if (now_ms < sale->next_ms) {
        return;
    }
    sale->next_ms = now_ms + 50 + (int64_t)chance_next(&sale->chance, MOMENT_MS);
    /* Half of the kills are the broker's, where it is killed at all. */
    unsigned victims = sale->hosts.count * (sale->over_http || sale->alone ? 2 : 1);
    unsigned victim = 1 + (unsigned)chance_next(&sale->chance, victims);
    if (sale->down != 0) {
        hosts_launch(&sale->hosts, sale->down);
        sale->down = 0;
    } else if (victim > sale->hosts.count) {
        (sale->alone ? broker_stop : broker_kill)(&sale->s->broker);
        broker_start(&sale->s->broker, sale->broker_options);
        sale->broker_kills += sale->alone ? 0 : 1;
        sale->broker_restarts += sale->alone ? 1 : 0;
    } else {
        program_kill(hosts_one(&sale->hosts, victim));
        sale->down = victim;
        sale->host_kills++;
    }
}

static int64_t trouble_ms(void) {
    const char *wish = getenv("ZINGQ_SOAK_S");
    long seconds = wish == NULL ? TROUBLE_S : strtol(wish, NULL, 10);
    return (seconds > 0 ? seconds : TROUBLE_S) * 1000;
}

/* --- the audit --- */

/* What was told must be what was decided; of what was not told the decision counts. */
static void note_decision(struct request *r, const json_t *value) {
    const char *answer = json_string_value(json_object_get(value, "answer"));
    assert_non_null(answer);
    bool confirmed = strcmp(answer, "confirmed") == 0;
    assert_true(r->answer_id[0] == '\0' || r->confirmed == confirmed);
    r->confirmed = confirmed;
    r->decided = true;
}

static void read_decisions(struct sale *sale) {
    unsigned concerts = concert_of((sale->sent - 1) / SEASON * CONCERTS * SEATS) + CONCERTS;
    for (unsigned i = 0; i < concerts * sale->hosts.count; i++) {
        char path[64];
        size_t at;
        const json_t *cell;
        (void)snprintf(path, sizeof path, "/api/state/seats?key=c%u&limit=1000",
                       i / sale->hosts.count);
        json_t *cells = program_ask(&sale->hosts.all[i % sale->hosts.count], "GET", path);
        json_array_foreach(cells, at, cell) {
            const char *name = json_string_value(json_object_get(cell, "name"));
            struct request *r = name != NULL && strncmp(name, "answer/", 7) == 0
                                    ? request_of(sale, name + 7)
                                    : NULL;
            if (r != NULL) {
                note_decision(r, json_object_get(cell, "value"));
            }
        }
        json_decref(cells);
    }
}

static void note_payment(struct sale *sale, const json_t *line, json_t *payers) {
    const char *kind = json_string_value(json_object_get(line, "kind"));
    const char *outcome = json_string_value(json_object_get(line, "outcome"));
    if (kind == NULL || outcome == NULL || strcmp(outcome, "succeeded") != 0) {
        return;
    }
    bool charge = strcmp(kind, "charge") == 0;
    const char *id = json_string_value(json_object_get(line, charge ? "id" : "charge"));
    const char *booking = json_string_value(charge ? json_object_get(line, "booking_id")
                                                   : json_object_get(payers, id));
    assert_non_null(booking);
    struct request *r = request_of(sale, booking);
    assert_non_null(r);
    r->charges += charge;
    r->refunds += !charge;
    if (charge) {
        (void)json_object_set_new(payers, id, json_string(booking));
    }
}

static void read_payments(struct sale *sale) {
    json_t *payers = json_object();
    for (unsigned i = 0; i < sale->sent; i++) {
        sale->requests[i].charges = sale->requests[i].refunds = 0;
    }
    char *text = program_read(&sale->s->host, "gateway.log");
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        json_t *object = json_read(slice_of(line), "text", NULL);
        note_payment(sale, object, payers);
        json_decref(object);
    }
    free(text);
    json_decref(payers);
}

struct findings {
    unsigned sold, sold_twice, answered_twice, unanswered, undelivered, wrong_money;
};

static struct findings judge(const struct sale *sale) {
    struct findings f = {0};
    unsigned seats = (sale->sent / SEASON + 1) * CONCERTS * SEATS;
    unsigned *owners = calloc(seats, sizeof *owners);
    assert_non_null(owners);
    for (unsigned i = 0; i < sale->sent; i++) {
        const struct request *r = &sale->requests[i];
        bool answered = r->answer_id[0] != '\0';
        f.sold += r->confirmed;
        f.sold_twice += r->confirmed && ++owners[r->seat] == 2;
        f.answered_twice += r->answered_anew;
        f.unanswered += !answered && !r->decided;
        f.undelivered += !answered && r->decided; /* by a broker that was killed */
        f.wrong_money +=
            (answered || r->decided) && r->charges - r->refunds != (r->confirmed ? 1U : 0U);
        f.wrong_money += r->charges > 1;
    }
    free(owners);
    return f;
}

static void print_figures(const struct sale *sale, const struct findings *f) {
    print_message(
        "%u hosts: %u requests, %u of them twice; %u seats sold, %u of them twice; "
        "%u answered, %u twice, %u never; %u wrong in money; killed: %u hosts, %u brokers; "
        "%u brokers restarted\n",
        sale->hosts.count, sale->sent, sale->copies, f->sold, f->sold_twice, sale->answered,
        f->answered_twice, f->unanswered, f->wrong_money, sale->host_kills, sale->broker_kills,
        sale->broker_restarts);
    print_message(
        "  %lld forwarded since the hosts last started; %u answers that a killed broker lost "
        "on their last way\n",
        (long long)hosts_forwards(&sale->hosts, "forwarded"), f->undelivered);
}

/* A broker that is killed may lose an answer on its last way; the host that gave it knows it. */
static bool all_answered(struct sale *sale) {
    read_answers(sale);
    if (sale->answered == sale->sent || sale->broker_kills == 0) {
        return sale->answered == sale->sent;
    }
    read_decisions(sale);
    for (unsigned i = 0; i < sale->sent; i++) {
        if (sale->requests[i].answer_id[0] == '\0' && !sale->requests[i].decided) {
            return false;
        }
    }
    return true;
}

/* A refund may be on its way through the broker, where no host counts it: so the money is waited for. */
static bool has_settled(struct sale *sale, struct findings *f) {
    if (!hosts_rest(&sale->hosts) || !all_answered(sale)) {
        return false;
    }
    read_payments(sale);
    *f = judge(sale);
    return f->wrong_money == 0;
}

static void audit(struct sale *sale) {
    hosts_start(&sale->hosts);
    for (unsigned i = 0; i < CLIENTS; i++) {
        peer_flush(&sale->clients[i]);
    }
    struct wait w = wait_of(SETTLE_S);
    struct findings f = judge(sale);
    bool settled;
    while (!(settled = has_settled(sale, &f)) && wait_more(&w)) {
    }
    print_figures(sale, &f);
    if (!settled || f.sold_twice + f.answered_twice + f.unanswered > 0) {
        hosts_show(&sale->hosts);
    }
    assert_int_equal(f.wrong_money, 0);
    assert_true(settled);
    assert_int_equal(f.sold_twice, 0);
    assert_int_equal(f.answered_twice, 0);
    assert_int_equal(f.unanswered, 0);
    assert_true(sale->broker_kills > 0 || f.undelivered == 0);
    hosts_stop(&sale->hosts);
}

/* --- a test's beginning and end --- */

static int open_sale(void **state) {
    struct sale *sale = calloc(1, sizeof *sale);
    void *stage = NULL;
    assert_non_null(sale);
    *state = sale;
    assert_int_equal(stage_open(&stage), 0);
    sale->s = stage;
    sale->what = "booking";
    sale->requests = calloc(REQUESTS_MAX, sizeof *sale->requests);
    return sale->requests == NULL ? -1 : 0;
}

static int close_sale(void **state) {
    struct sale *sale = *state;
    void *stage = sale->s;
    for (unsigned i = 0; i < CLIENTS; i++) {
        peer_clear(&sale->clients[i]);
    }
    hosts_clear(&sale->hosts);
    (void)stage_close(&stage);
    free(sale->requests);
    free(sale);
    return 0;
}

static void begin(struct sale *sale, unsigned hosts) {
    struct stage *s = sale->s;
    char filter[32];
    sale->chance = chance_of_run();
    sale->broker_options = sale->over_http ? BROKER_TO_KILL : STAGE_BROKER_KEEPS;
    assert_int_equal(setenv("ZINGQ_BROKER_ALONE", sale->alone ? "yes" : "no", 1), 0);
    broker_stop(&s->broker);
    broker_start(&s->broker, sale->broker_options);
    start_gateway(s);
    helper_mail(&s->mail, NULL);
    booking_set_stage(s);
    hosts_init(&sale->hosts, hosts);
    for (unsigned number = 1; number <= hosts; number++) {
        booking_copy(hosts_one(&sale->hosts, number));
    }
    hosts_start(&sale->hosts);
    (void)snprintf(filter, sizeof filter, "%s/#", sale->what);
    peer_start(&s->observer, s->broker.port, "observer", PEER_KEPT, filter);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "client-%u", i);
        peer_start(&sale->clients[i], s->broker.port, id, PEER_MQTT5, NULL);
    }
}

/* Requests at the buyers' pace until enough of them are sent, or the time is over. */
static void sell(struct sale *sale, unsigned requests, int64_t ms, bool trouble) {
    unsigned until = requests < REQUESTS_MAX - sale->sent ? sale->sent + requests : REQUESTS_MAX;
    struct wait w = wait_of_ms(ms);
    do {
        if (sale->sent < until) {
            send_next(sale);
        }
        if (trouble) {
            break_something(sale);
        }
        w.step_ms = PACE_MS;
    } while ((sale->sent < until || trouble) && wait_more(&w));
}

/* --- the tests --- */

static void two_hosts_sell_each_seat_once(void **state) {
    struct sale *sale = *state;
    begin(sale, 2);
    sell(sale, REQUESTS, INT32_MAX, false);
    audit(sale);
}

static void three_hosts_sell_each_seat_once(void **state) {
    struct sale *sale = *state;
    begin(sale, 3);
    sell(sale, REQUESTS, INT32_MAX, false);
    audit(sale);
}

static void hosts_killed_at_random_sell_each_seat_once(void **state) {
    struct sale *sale = *state;
    begin(sale, 3);
    sell(sale, REQUESTS_MAX, trouble_ms(), true);
    audit(sale);
    assert_true(sale->host_kills > 0);
}

/* What a client has published to a broker that is killed, the broker alone knows: so the hosts' front
 * doors take the requests. */
static void hosts_and_a_broker_killed_at_random_sell_each_seat_once(void **state) {
    struct sale *sale = *state;
    sale->over_http = true;
    begin(sale, 3);
    sell(sale, REQUESTS_MAX, trouble_ms(), true);
    audit(sale);
    assert_true(sale->host_kills + sale->broker_kills > 0);
}

/* Each order is a saga on the host of its booking; the seats of a concert are on that of the concert,
 * and answer by signals. */
static void sagas_across_hosts_killed_at_random_sell_each_seat_once(void **state) {
    struct sale *sale = *state;
    sale->what = "order";
    begin(sale, 3);
    sell(sale, REQUESTS_MAX, trouble_ms(), true);
    audit(sale);
    assert_true(sale->host_kills > 0);
}

/* A Mosquitto that restarts forgets shared subscriptions, and keeps plain ones. */
static void hosts_that_get_every_message_sell_each_seat_once(void **state) {
    struct sale *sale = *state;
    sale->alone = true;
    begin(sale, 3);
    sell(sale, REQUESTS_MAX, trouble_ms(), true);
    audit(sale);
    assert_true(sale->host_kills + sale->broker_restarts > 0);
}

/* Its keys wait; the other host goes on. */
static void a_host_that_is_away_for_a_while_costs_nothing(void **state) {
    struct sale *sale = *state;
    begin(sale, 2);
    sell(sale, SEASON / 4, INT32_MAX, false);
    program_kill(hosts_one(&sale->hosts, 2));
    sale->host_kills++;
    read_answers(sale);
    unsigned before = sale->answered;
    sell(sale, REQUESTS_MAX, trouble_ms(), false);
    read_answers(sale);
    assert_true(sale->answered > before);
    hosts_start(&sale->hosts);
    sell(sale, SEASON / 4, INT32_MAX, false);
    assert_int_equal(program_stop(hosts_one(&sale->hosts, 1)), 0);
    sell(sale, SEASON / 4, INT32_MAX, false);
    audit(sale);
}

/* Two are away, so the third stands in for both; then it is killed, and who is back for it. */
static void hosts_that_stand_in_for_others_sell_each_seat_once(void **state) {
    struct sale *sale = *state;
    begin(sale, 3);
    sell(sale, SEASON / 4, INT32_MAX, false);
    program_kill(hosts_one(&sale->hosts, 2));
    program_kill(hosts_one(&sale->hosts, 3));
    sell(sale, REQUESTS_MAX, AWAY_MS, false);
    assert_int_equal(program_says(hosts_one(&sale->hosts, 1), "standing in for host"), 2);
    program_kill(hosts_one(&sale->hosts, 1));
    hosts_launch(&sale->hosts, 2);
    sale->host_kills += 3;
    sell(sale, REQUESTS_MAX, AWAY_MS, false);
    hosts_launch(&sale->hosts, 1);
    sell(sale, REQUESTS_MAX, MOMENT_MS, false);
    audit(sale);
}

#define TEST_OF_A_SALE(test) cmocka_unit_test_setup_teardown(test, open_sale, close_sale)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_OF_A_SALE(two_hosts_sell_each_seat_once),
        TEST_OF_A_SALE(three_hosts_sell_each_seat_once),
        TEST_OF_A_SALE(hosts_killed_at_random_sell_each_seat_once),
        TEST_OF_A_SALE(sagas_across_hosts_killed_at_random_sell_each_seat_once),
        TEST_OF_A_SALE(hosts_and_a_broker_killed_at_random_sell_each_seat_once),
        TEST_OF_A_SALE(hosts_that_get_every_message_sell_each_seat_once),
        TEST_OF_A_SALE(a_host_that_is_away_for_a_while_costs_nothing),
        TEST_OF_A_SALE(hosts_that_stand_in_for_others_sell_each_seat_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
