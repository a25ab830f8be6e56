/*
 * test.c - test: runs the tests of handlers (trial/trial.h).
 */
#include "cli/impl.h"

#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "trial/trial.h"
#include "trial/watch.h"

#include <stdio.h>

enum { TEST_MS = 60000 };

/* The exit status, after printing why nothing could run. */
static int run_once(const struct trial_options *options) {
    struct report r = {""};
    size_t failed = 0;
    int code = trial_run(options, &failed, &r);
    if (code != 0) {
        int status = cli_fail(code, "%s", r.text);
        return code == ERR_NOTFOUND ? EXIT_NO : status;
    }
    return failed > 0 ? EXIT_NO : EXIT_GOOD;
}

/* Again whenever a script or topics.conf was saved, until Ctrl-C; the last run's exit status. */
static int run_on_change(const struct cli *cli, const struct trial_options *options) {
    static const char clear_screen[] = "\033[H\033[2J";
    const char *const folders[] = {cli->conf->scripts_dir, cli->conf->dir};
    struct report r = {""};
    struct watch *watch = NULL;
    int status;
    if (watch_new(&watch, folders, 2, &r) != 0) {
        return cli_fail(ERR_SYSTEM, "%s", r.text);
    }
    do {
        (void)printf("%s", cli->colour ? clear_screen : "");
        status = run_once(options);
        (void)printf("\nwatching %s; Ctrl-C ends\n", cli->conf->scripts_dir);
        (void)fflush(stdout); /* nobody looks at it later */
    } while (!trial_was_interrupted() && watch_wait(watch));
    watch_free(watch);
    return status;
}

int cli_test(struct cli *cli) {
    struct report r = {""};
    int64_t time_ms = TEST_MS;
    if (cli->json) {
        return cli_misused(cli, "for programs there are --tap and --junit FILE, not --json");
    }
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
    return cli_flag(cli, "watch") ? run_on_change(cli, &options) : run_once(&options);
}
