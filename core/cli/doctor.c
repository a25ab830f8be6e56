/*
 * doctor.c - doctor: how the broker and the disk really behave, and what could be lost.
 */
#include "cli/impl.h"

#include "base/json.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "query/json.h"
#include "doctor/doctor.h"
#include "doctor/security.h"

#include <stdio.h>

enum { TEXT_BYTES_MAX = 8192, RULES_BYTES_MAX = 1 << 20 };

static void print_advice(const char *title, const char *advice) {
    struct buf text;
    if (advice[0] == '\0') {
        return;
    }
    buf_init(&text, TEXT_BYTES_MAX);
    text_add_lines(&text, slice_of(advice), "        ");
    (void)printf("      %s\n%s", title, buf_str(&text));
    buf_clear(&text);
}

static void print_row(const struct cli *cli, const struct doctor_row *row) {
    static const enum text_style styles[] = {
        [DOCTOR_GOOD] = STYLE_GOOD, [DOCTOR_WARN] = STYLE_WARN, [DOCTOR_BAD] = STYLE_BAD};
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    text_add_safe(&text, slice_of(row->seen));
    text_print(stdout, cli->colour, styles[row->verdict], doctor_verdict_name(row->verdict));
    (void)printf("  %s: %s\n", row->name, buf_str(&text));
    buf_clear(&text);
    print_advice("risk", row->risk);
    print_advice("fix", row->mend);
}

static json_t *row_json(const struct doctor_row *row) {
    json_t *object = json_object();
    if (object != NULL && !(look_json_text(object, "name", row->name) &&
                            look_json_text(object, "verdict", doctor_verdict_name(row->verdict)) &&
                            look_json_bytes(object, "seen", slice_of(row->seen)) &&
                            look_json_bytes(object, "risk", slice_of(row->risk)) &&
                            look_json_bytes(object, "mend", slice_of(row->mend)))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* `rules`: access rules for the broker; "" = not requested. */
static int print_json(const struct doctor *d, const char *rules) {
    json_t *rows = json_array();
    for (size_t i = 0; i < d->count; i++) {
        if (json_array_append_new(rows, row_json(&d->rows[i])) != 0) {
            json_decref(rows);
            return cli_print_json(NULL);
        }
    }
    const char *verdict = doctor_verdict_name(doctor_worst(d));
    return cli_print_json(rules[0] == '\0'
                              ? json_pack("{s:s, s:o}", "verdict", verdict, "findings", rows)
                              : json_pack("{s:s, s:o, s:s}", "verdict", verdict, "findings", rows,
                                          "acl_file", rules));
}

static int print_rows(const struct cli *cli, const struct doctor *d, const char *rules) {
    if (cli->json) {
        return print_json(d, rules);
    }
    for (size_t i = 0; i < d->count; i++) {
        print_row(cli, &d->rows[i]);
    }
    if (rules[0] != '\0') {
        (void)printf("\n%s", rules);
    }
    return 0;
}

static int show_security(struct cli *cli) {
    struct doctor d = {.count = 0};
    struct buf rules;
    int status = cli_load_conf(cli);
    if (status != 0) {
        return status;
    }
    buf_init(&rules, RULES_BYTES_MAX);
    doctor_security(&d, cli->conf);
    doctor_security_rules(cli->conf, &rules);
    status = print_rows(cli, &d, buf_str(&rules));
    buf_clear(&rules);
    return status != 0 ? status : doctor_worst(&d) == DOCTOR_BAD ? EXIT_NO : EXIT_GOOD;
}

/* Examines each broker of broker.url, because the host may use any of them. */
static int examine_brokers(const struct cli *cli, struct doctor *d, struct report *r) {
    struct broker_conf broker = cli->conf->broker;
    int code = 0;
    for (size_t i = 0; i < broker.address_count && code != ERR_SYSTEM && code != ERR_MEMORY; i++) {
        broker_conf_use(&broker, i);
        if (broker.address_count > 1) {
            (void)doctor_add(d, "broker", DOCTOR_GOOD, "%zu of %zu: %s", i + 1,
                             broker.address_count, broker.url);
        }
        code = doctor_broker(d, &broker, cli->conf->payload_bytes_max, cli_flag(cli, "queue"), r);
    }
    return code;
}

int cli_doctor(struct cli *cli) {
    struct doctor d = {.count = 0};
    struct report r = {""};
    if (cli_flag(cli, "store")) {
        return cli_doctor_store(cli);
    }
    if (cli_flag(cli, "security")) {
        return show_security(cli);
    }
    int status = cli_load_conf(cli);
    if (status != 0) {
        return status;
    }
    int code = examine_brokers(cli, &d, &r);
    if (code == ERR_SYSTEM || code == ERR_MEMORY) {
        return cli_fail(code, "%s", r.text);
    }
    /* A disk that cannot be examined has a row that says so, like the broker. */
    (void)doctor_disk(&d, cli->conf->store_path, cli->conf->store_max_bytes);
    if (cli->conf->store_url[0] != '\0') {
        doctor_log(&d, cli->conf->store_url);
    }
    doctor_telemetry(&d, &cli->conf->telemetry);
    status = print_rows(cli, &d, "");
    return status != 0 ? status : doctor_worst(&d) == DOCTOR_BAD ? EXIT_NO : EXIT_GOOD;
}
