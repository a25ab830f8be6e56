/*
 * test.c - test: runs the tests of handlers (trial/trial.h).
 */
#include "cli/impl.h"

#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "trial/trial.h"

enum { TEST_MS = 60000 };

int cli_test(struct cli *cli) {
    struct report r = {""};
    size_t failed = 0;
    int64_t time_ms = TEST_MS;
    const char *timeout = cli_option(cli, "timeout");
    if (timeout != NULL && conf_parse_duration(timeout, &time_ms, &r) != 0) {
        return cli_misused(cli, "--timeout: %s", r.text);
    }
    int status = cli_load_conf_to_look(cli);
    if (status != 0) {
        return status;
    }
    struct trial_options options = {.conf_file = cli->conf->file,
                                    .scripts_dir = cli->conf->scripts_dir,
                                    .path = cli->word_count > 0 ? cli->words[0] : NULL,
                                    .time_ms = time_ms,
                                    .name = cli_option(cli, "name"),
                                    .crash_everywhere = cli_flag(cli, "crash-everywhere"),
                                    .tap = cli_flag(cli, "tap"),
                                    .colour = cli->colour,
                                    .junit = cli_option(cli, "junit")};
    int code = trial_run(&options, &failed, &r);
    if (code != 0) {
        status = cli_fail(code, "%s", r.text);
        return code == ERR_NOTFOUND ? EXIT_NO : status;
    }
    return failed > 0 ? EXIT_NO : EXIT_GOOD;
}
