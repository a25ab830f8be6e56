/* test_security.c - what stands open in a configuration is named, with the line that shuts it. */
#include "conf_folder.h"
#include "doctor/security.h"

#include "test.h"

#include <string.h>
#include <sys/stat.h>

#define SERVICE                                                                                    \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" secrets = {\"bank\"} }\n"

struct finding {
    const char *name;
    enum doctor_verdict verdict;
    const char *words; /* in what was seen, or in what to do */
};

static void assert_found(const struct doctor *d, struct finding f) {
    for (size_t i = 0; i < d->count; i++) {
        const struct doctor_row *row = &d->rows[i];
        bool words = strstr(row->seen, f.words) != NULL || strstr(row->mend, f.words) != NULL;
        if (strcmp(row->name, f.name) == 0 && row->verdict == f.verdict && words) {
            return;
        }
    }
    fail_msg("no finding \"%s\" %s with \"%s\"", f.name, doctor_verdict_name(f.verdict), f.words);
}

static void assert_findings(const char *text, const struct finding *findings, size_t count) {
    static struct doctor d;
    struct conf *conf = conf_folder_load(text);
    d.count = 0;
    doctor_security(&d, conf);
    for (size_t i = 0; i < count; i++) {
        assert_found(&d, findings[i]);
    }
    conf_free(conf);
}

static void make_folders(mode_t data, mode_t scripts) {
    assert_int_equal(mkdir("data", 0700), 0);
    assert_int_equal(mkdir("scripts", 0700), 0);
    assert_int_equal(chmod("data", data), 0);
    assert_int_equal(chmod("scripts", scripts), 0);
}

static void what_is_open_is_named_with_what_shuts_it(void **state) {
    (void)state;
    static const struct finding findings[] = {
        {"data folder", DOCTOR_BAD, "chmod -R go= "},
        {"scripts", DOCTOR_BAD, "chmod go-w "},
        {"broker connection", DOCTOR_BAD, "mqtts://broker.example"},
        {"broker login", DOCTOR_WARN, "allow_anonymous false"},
        {"broker rules", DOCTOR_WARN, "acl_file"},
        {"hosts", DOCTOR_WARN, "hosts { secret = "},
        {"front door", DOCTOR_BAD, "cert_file"},
        {"tokens", DOCTOR_WARN, "one for all"},
        {"endpoints", DOCTOR_WARN, "/api/open"},
        {"secret", DOCTOR_GOOD, "bank: read by s"},
    };
    make_folders(0755, 0777);
    conf_folder_write("secret", "hush");
    assert_findings("broker { url = \"mqtt://broker.example\" }\n"
                    "store { path = \"data\" }\n"
                    "hosts { count = 2 this = 1 }\n"
                    "http { listen = \"0.0.0.0:8080\" token = \"0123456789abcdef\" }\n"
                    "vars { bank = \"file:secret\" }\n" SERVICE
                    "endpoint \"/api/open\" { publish = \"in/a\" auth = none }\n",
                    findings, COUNT(findings));
}

static void what_is_shut_is_good(void **state) {
    (void)state;
    static const struct finding findings[] = {
        {"data folder", DOCTOR_GOOD, "only its user"},
        {"scripts", DOCTOR_GOOD, "only its owner"},
        {"broker connection", DOCTOR_GOOD, "encrypted"},
        {"broker login", DOCTOR_GOOD, "as zingq"},
        {"hosts", DOCTOR_GOOD, "needs a mark"},
        {"front door", DOCTOR_GOOD, "only programs of this machine"},
        {"tokens", DOCTOR_GOOD, "1 with roles"},
        {"endpoints", DOCTOR_GOOD, "1, each wants a token"},
    };
    make_folders(0700, 0755);
    conf_folder_write("secret", "hush");
    assert_findings("broker { url = \"mqtts://broker.example\" username = \"zingq\" }\n"
                    "store { path = \"data\" }\n"
                    "hosts { secret = \"0123456789abcdef\" }\n"
                    "http { listen = \"127.0.0.1:8080\" }\n"
                    "token \"grafana\" { value = \"0123456789abcdef\" role = read }\n"
                    "vars { bank = \"file:secret\" }\n" SERVICE
                    "endpoint \"/api/shut\" { publish = \"in/a\" auth = token }\n",
                    findings, COUNT(findings));
}

static void the_rules_for_the_broker_keep_others_out_of_zingq(void **state) {
    (void)state;
    struct buf rules;
    make_folders(0700, 0755);
    conf_folder_write("secret", "hush");
    struct conf *conf = conf_folder_load("broker { username = \"worker\" }\n"
                                         "store { path = \"data\" }\n"
                                         "vars { bank = \"file:secret\" }\n" SERVICE);
    buf_init(&rules, 1 << 16);
    doctor_security_rules(conf, &rules);
    const char *hosts = strstr(buf_str(&rules), "\nuser worker\ntopic readwrite zingq/#\n");
    const char *others = strstr(buf_str(&rules), "\nuser app\n");
    assert_true(hosts != NULL && others > hosts);
    assert_non_null(strstr(others, "\ntopic write in/#\n"));
    assert_null(strstr(others, "\ntopic write zingq"));
    assert_null(strstr(others, "\ntopic readwrite"));
    buf_clear(&rules);
    conf_free(conf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_IN_FOLDER(what_is_open_is_named_with_what_shuts_it),
        TEST_IN_FOLDER(what_is_shut_is_good),
        TEST_IN_FOLDER(the_rules_for_the_broker_keep_others_out_of_zingq),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
