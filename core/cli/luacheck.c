/*
 * luacheck.c - the scripts through lua-check, which finds unused and shadowed names. Globals are
 * left to lua/names.c, which knows ours.
 */
#include "cli/mistakes.h"

#include "cli/tell.h"
#include "base/limits.h"
#include "lua/script.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES_CHECKED_MAX = 256, ARGUMENTS_MAX = 16 };

/* The command line; the names of files are malloc'd. */
struct command {
    char *argv[ARGUMENTS_MAX + FILES_CHECKED_MAX + 1];
    size_t count, first_file;
};

/* Adds a file once, as scripts/NAME. */
static void add_file(void *ctx, const char *file) {
    struct command *c = ctx;
    char path[4096];
    int len = snprintf(path, sizeof path, "scripts/%s", file);
    bool there =
        len < 0 || (size_t)len >= sizeof path || c->count >= ARGUMENTS_MAX + FILES_CHECKED_MAX;
    for (size_t i = c->first_file; i < c->count && !there; i++) {
        there = strcmp(c->argv[i], path) == 0;
    }
    char *copy = there ? NULL : slice_dup(slice_of(path));
    if (copy != NULL) {
        c->argv[c->count++] = copy;
    }
}

static void make_command(struct command *c, const struct conf *conf,
                         const struct script_host *scripts) {
    static char *const options[] = {"timeout", /* of coreutils: nothing waits for it for good */
                                    "30",
                                    "luacheck",
                                    "--formatter",
                                    "plain",
                                    "--no-global",
                                    "--no-unused-args",
                                    "--no-max-line-length",
                                    "--ignore",
                                    "6..",
                                    "--"};
    *c = (struct command){.count = 0};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        c->argv[c->count++] = options[i];
    }
    c->first_file = c->count;
    for (size_t i = 0; i < conf->service_count; i++) {
        script_each_file(scripts, i, c, add_file);
    }
}

/* Its standard output, or NULL if it is not installed. Its other output goes nowhere. */
static FILE *start(const struct command *c, const char *dir, pid_t *pid) {
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return NULL;
    }
    bool ok = posix_spawn_file_actions_init(&actions) == 0;
    bool started =
        ok && posix_spawn_file_actions_addchdir_np(&actions, dir) == 0 &&
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) == 0 &&
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
        posix_spawnp(pid, c->argv[0], &actions, NULL, c->argv, environ) == 0;
    if (ok) {
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(ends[1]);
    FILE *out = started ? fdopen(ends[0], "r") : NULL;
    if (out == NULL) {
        (void)close(ends[0]);
    }
    return out;
}

void cli_warn_of_lua(const struct conf *conf, const struct script_host *scripts) {
    struct command command;
    pid_t pid = 0;
    make_command(&command, conf, scripts);
    FILE *out = command.count > command.first_file ? start(&command, conf->dir, &pid) : NULL;
    char line[ERROR_BYTES_MAX];
    while (out != NULL && fgets(line, sizeof line, out) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0') {
            cli_warn("%s", line);
        }
    }
    if (out != NULL) {
        (void)fclose(out); /* it was only read */
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    for (size_t i = command.first_file; i < command.count; i++) {
        free(command.argv[i]);
    }
}
