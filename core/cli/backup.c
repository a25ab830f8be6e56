/*
 * backup.c - backup and restore. As a stream, "-", a copy is packed and unpacked by tar, from and to a
 * temporary folder.
 */
#include "cli/impl.h"

#include "backup/backup.h"
#include "base/json.h"
#include "base/temp.h"
#include "cli/json.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "store/folder.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_stream(const char *word) {
    return strcmp(word, "-") == 0;
}

/* ---- the stream ---- */

static void remove_folder(const char *path) {
    if (temp_folder_remove(path) != 0) {
        cli_warn("cannot remove %s completely: %s", path, strerror(errno));
    }
}

/* tar reads standard input or writes standard output, which are ours. */
static int run_tar(const char *what, const char *folder, struct report *r) {
    char *argv[] = {"tar", "-C", (char *)(uintptr_t)folder, (char *)(uintptr_t)what, "-",
                    ".",   NULL};
    if (what[1] == 'x') {
        argv[5] = NULL;
    }
    pid_t pid;
    int status = 0;
    int error = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (error != 0) {
        return report(r, ERR_SYSTEM, "cannot run tar, which \"-\" needs: %s", strerror(error));
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return report(r, ERR_SYSTEM, "cannot wait for tar: %s", strerror(errno));
        }
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? 0
               : report(r, ERR_SYSTEM, "tar failed: the copy is not complete");
}

static int write_stream(const char *data, struct backup_sizes *sizes, struct report *r) {
    char folder[STORE_PATH_BYTES];
    int code = temp_folder_new("backup", folder, sizeof folder, r);
    if (code != 0) {
        return code;
    }
    code = backup_copy(data, folder, sizes, r);
    code = code == 0 ? run_tar("-cf", folder, r) : code;
    remove_folder(folder);
    return code;
}

static int read_stream(const char *data, struct backup_sizes *sizes, struct report *r) {
    char folder[STORE_PATH_BYTES];
    int code = temp_folder_new("restore", folder, sizeof folder, r);
    if (code != 0) {
        return code;
    }
    code = run_tar("-xf", folder, r);
    code = code == 0 ? backup_copy(folder, data, sizes, r) : code;
    remove_folder(folder);
    return code;
}

/* ---- the commands ---- */

void cli_warn_of_twin(void) {
    cli_warn("the copy is the same client to the broker as the host it was taken from: start it "
             "only if that one does not run any more");
}

/* Told on standard error if standard output is the copy. */
static int tell(const struct cli *cli, const char *to, const struct backup_sizes *sizes) {
    if (cli->json && !is_stream(to)) {
        return cli_print_json(json_pack("{s:s, s:i, s:I, s:i, s:I}", "folder", to, "hosts",
                                        (int)sizes->hosts, "store_bytes",
                                        (json_int_t)sizes->store_bytes, "files", (int)sizes->files,
                                        "file_bytes", (json_int_t)sizes->file_bytes));
    }
    struct buf line;
    buf_init(&line, 2 * STORE_PATH_BYTES);
    buf_printf(&line, "%s: a store of ", is_stream(to) ? "standard output" : to);
    text_add_bytes(&line, sizes->store_bytes);
    if (sizes->hosts > 1) {
        buf_printf(&line, " (%u hosts)", sizes->hosts);
    }
    buf_printf(&line, ", %u other file%s of ", sizes->files, sizes->files == 1 ? "" : "s");
    text_add_bytes(&line, sizes->file_bytes);
    (void)fprintf(is_stream(to) ? stderr : stdout, "%s\n", buf_str(&line));
    buf_clear(&line);
    return 0;
}

/* The exit status of a copy to `to`, after printing what became of it. */
static int finish(const struct cli *cli, int code, const char *to, const struct backup_sizes *sizes,
                  const struct report *r) {
    if (code != 0) {
        (void)cli_fail(code, "%s", r->text);
        return EXIT_CANNOT_RUN;
    }
    return tell(cli, to, sizes);
}

int cli_backup(struct cli *cli) {
    const char *to = cli->words[0];
    struct backup_sizes sizes = {0};
    struct report r = {""};
    unsigned hosts;
    int status = cli_find_hosts(cli, &hosts);
    if (status != 0) {
        return status;
    }
    if (is_stream(to) && isatty(STDOUT_FILENO)) {
        return cli_misused(cli, "\"-\" writes the copy to standard output: send it into a file, or "
                                "another program");
    }
    int code = is_stream(to) ? write_stream(cli->data, &sizes, &r)
                             : backup_copy(cli->data, to, &sizes, &r);
    return finish(cli, code, to, &sizes, &r);
}

int cli_restore(struct cli *cli) {
    const char *from = cli->words[0];
    struct backup_sizes sizes = {0};
    struct report r = {""};
    unsigned hosts;
    int status = cli_find_hosts(cli, &hosts);
    if (status != 0) {
        return status;
    }
    int code = is_stream(from) ? read_stream(cli->data, &sizes, &r)
                               : backup_copy(from, cli->data, &sizes, &r);
    if (code == 0) {
        cli_warn_of_twin();
    }
    return finish(cli, code, cli->data, &sizes, &r);
}
