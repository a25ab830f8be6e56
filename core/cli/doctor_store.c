/*
 * doctor_store.c - doctor --store: reads the whole store, and prints what is wrong with it.
 */
#include "cli/impl.h"

#include "base/json.h"
#include "cli/json.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "query/store.h"

#include <inttypes.h>
#include <stdio.h>

enum { TEXT_BYTES_MAX = 16384 };

static void print_safe(const char *before, const json_t *text) {
    struct buf safe;
    buf_init(&safe, TEXT_BYTES_MAX);
    text_add_safe(&safe, slice_of(json_string_value(text)));
    (void)printf("%s%s", before, buf_str(&safe));
    buf_clear(&safe);
}

static void print_findings(const struct cli *cli, const struct store_exam *exam) {
    size_t i;
    json_t *one;
    json_array_foreach(exam->findings, i, one) {
        text_print(stdout, cli->colour, STYLE_BAD, "bad");
        print_safe("   ", json_object_get(one, "where"));
        print_safe(": ", json_object_get(one, "what"));
        (void)printf("\n");
        const json_t *mend = json_object_get(one, "mend");
        const json_t *next = json_object_get(json_array_get(exam->findings, i + 1), "mend");
        if (!json_equal(mend, next)) { /* once for all findings with this remedy */
            print_safe("      fix: ", mend);
            (void)printf("\n");
        }
    }
    if (exam->count > json_array_size(exam->findings)) {
        (void)printf("and %" PRIu64 " more\n", exam->count - json_array_size(exam->findings));
    }
}

static void print_rows(const struct cli *cli, const struct store_exam *exam) {
    const char *name;
    json_t *rows;
    json_int_t all = 0;
    json_object_foreach(exam->rows, name, rows) {
        all += json_integer_value(rows);
    }
    text_print(stdout, cli->colour, exam->count == 0 ? STYLE_GOOD : STYLE_BAD,
               exam->count == 0 ? "good" : "bad ");
    (void)printf("  store: %s, %" JSON_INTEGER_FORMAT " records read, %" PRIu64 " findings\n",
                 cli->data, all, exam->count);
}

int cli_doctor_store(struct cli *cli) {
    struct store_exam exam = {.findings = NULL};
    struct report r = {""};
    int status = cli_find_data(cli);
    if (status != 0) {
        return status;
    }
    int code = store_examine(&exam, cli->data, &r);
    if (code != 0) {
        store_exam_clear(&exam);
        (void)cli_fail(code, "%s", r.text);
        return EXIT_CANNOT_RUN;
    }
    if (cli->json) {
        status = cli_print_json(
            json_pack("{s:s, s:I, s:O, s:O}", "verdict", exam.count == 0 ? "good" : "bad", "count",
                      (json_int_t)exam.count, "rows", exam.rows, "findings", exam.findings));
    } else {
        print_findings(cli, &exam);
        print_rows(cli, &exam);
    }
    bool good = exam.count == 0;
    store_exam_clear(&exam);
    return status != 0 ? status : good ? EXIT_GOOD : EXIT_NO;
}
