/*
 * export.c - export: everything a data folder holds, as lines of JSON; --salvage: everything that is
 * still readable in a damaged one. import: a data folder made of such lines.
 *
 * A damaged store is first copied without the unreadable parts, and the copy is exported. So is a
 * store whose host runs when the lines go into a pipe: its reader may take its time, and as long as the
 * store is read, no page that the host frees can be reused.
 */
#include "cli/impl.h"

#include "base/json.h"
#include "base/temp.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "export/export.h"
#include "query/salvage.h"
#include "store/copy.h"
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a store that is imported without a topics.conf. */
#define STORE_BYTES_MAX ((uint64_t)64 << 30)

static bool is_stream(const struct cli *cli) {
    return cli->word_count == 0 || strcmp(cli->words[0], "-") == 0;
}

/* From now on `folder` is the data folder, and its store is open. */
static int turn_to(struct cli *cli, const char *folder) {
    char *copy = slice_dup(slice_of(folder));
    if (copy == NULL) {
        return cli_fail(ERR_MEMORY, "out of memory");
    }
    cli_close_store(cli);
    free(cli->data);
    cli->data = copy;
    return cli_open_store(cli);
}

/* ---- what was done ---- */

/* On standard error if standard output is the export. */
static int tell(const struct cli *cli, const char *done, const struct export_sums *sums,
                bool quietly) {
    if (sums->damaged > 0) {
        cli_warn("%" PRIu64
                 " records cannot be read: they are %s as they are stored; `zingq doctor "
                 "--store` names them",
                 sums->damaged, done);
    }
    if (cli->json && !quietly) {
        return cli_print_json(json_pack("{s:I, s:I, s:I}", "records", (json_int_t)sums->records,
                                        "bytes", (json_int_t)sums->bytes, "damaged",
                                        (json_int_t)sums->damaged));
    }
    struct buf line;
    buf_init(&line, 2 * STORE_PATH_BYTES);
    buf_printf(&line, "%" PRIu64 " records %s, ", sums->records, done);
    text_add_bytes(&line, sums->bytes);
    (void)fprintf(quietly ? stderr : stdout, "%s\n", buf_str(&line));
    buf_clear(&line);
    return EXIT_GOOD;
}

/* ---- export ---- */

static int write_to(struct cli *cli, FILE *out, const char *files, struct export_sums *sums,
                    struct report *r) {
    const struct export_options options = {
        .folder = files, .out = out, .ascii = isatty(fileno(out)) == 1};
    return export_write(cli->journal, &options, sums, r);
}

/* Nobody else may read it: it has the payloads, and the secret of the idempotency keys. */
static int write_file(struct cli *cli, const char *path, const char *files,
                      struct export_sums *sums, struct report *r) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (out == NULL) {
        const char *why = errno == EEXIST ? "it exists already" : strerror(errno);
        if (fd >= 0) {
            (void)close(fd);
        }
        return report(r, ERR_DISK, "cannot create %s: %s", path, why);
    }
    int code = write_to(cli, out, files, sums, r);
    if (code == 0 && fsync(fd) != 0) {
        code = report(r, ERR_DISK, "cannot sync %s: %s", path, strerror(errno));
    }
    if (fclose(out) != 0 && code == 0) {
        code = report(r, ERR_DISK, "cannot write %s: %s", path, strerror(errno));
    }
    if (code != 0) {
        (void)unlink(path);
    }
    return code;
}

/* Writes the open store, and the files of the folder, NULL for none. */
static int export_all(struct cli *cli, const char *files) {
    struct export_sums sums = {0};
    struct report r = {""};
    int code = is_stream(cli) ? write_to(cli, stdout, files, &sums, &r)
                              : write_file(cli, cli->words[0], files, &sums, &r);
    if (code != 0) {
        (void)cli_fail(code, "%s", r.text);
        return EXIT_CANNOT_RUN;
    }
    return tell(cli, "exported", &sums, is_stream(cli));
}

static int make_folder(const char *name, char folder[STORE_PATH_BYTES]) {
    struct report r;
    int code = temp_folder_new(name, folder, STORE_PATH_BYTES, &r);
    return code == 0 ? 0 : cli_fail(ERR_DISK, "%s; set TMPDIR to another folder", r.text);
}

/* Turns to a copy of the store in the folder; its files are removed once it is open, so that whatever
 * ends this process leaves nothing. */
static int turn_to_copy(struct cli *cli, const char *folder) {
    char copy[STORE_PATH_BYTES];
    struct report r = {""};
    int code = store_folder_file(folder, "store", copy, &r);
    code = code == 0 ? store_copy(cli->store, copy, &r) : code;
    int status = code == 0 ? turn_to(cli, copy) : cli_fail(code, "%s", r.text);
    store_folder_remove(copy);
    return status;
}

static int export_beside_host(struct cli *cli) {
    char folder[STORE_PATH_BYTES];
    char *files = slice_dup(slice_of(cli->data));
    int status = files == NULL ? cli_fail(ERR_MEMORY, "out of memory") : 0;
    status = status == 0 ? make_folder("export", folder) : status;
    if (status == 0) {
        status = turn_to_copy(cli, folder);
        store_folder_remove(folder);
    }
    status = status == 0 ? export_all(cli, files) : EXIT_CANNOT_RUN;
    free(files);
    return status;
}

static bool may_take_long(const struct cli *cli) {
    struct stat st;
    bool file = fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
    return is_stream(cli) && !file && store_folder_in_use(cli->data);
}

/* ---- salvage ---- */

static void tell_loss(void *ctx, const char *text) {
    (void)ctx;
    (void)cli_fail(0, "lost: %s", text);
}

static void tell_found(void *ctx, const char *table, uint64_t pages) {
    (void)ctx;
    (void)cli_fail(0, "recovered below lost pages: %" PRIu64 " pages of table %s", pages, table);
}

static int salvage_into(struct cli *cli, const char *into) {
    struct salvage salvage = {.on_loss = tell_loss, .on_found = tell_found};
    struct report r = {""};
    int code = store_salvage(&salvage, cli->data, into, &r);
    if (code != 0) {
        (void)cli_fail(code, "%s", r.text);
        return EXIT_CANNOT_RUN;
    }
    (void)cli_fail(0, "%" PRIu64 " records saved, %" PRIu64 " lost, named above", salvage.rows,
                   salvage.lost);
    int status = turn_to(cli, into);
    return status == 0 ? export_all(cli, NULL) : status;
}

static int salvage(struct cli *cli) {
    const char *into = cli_option(cli, "into");
    char folder[STORE_PATH_BYTES];
    int status = cli_find_data(cli);
    if (status != 0) {
        return status;
    }
    if (into != NULL) {
        return salvage_into(cli, into);
    }
    status = make_folder("salvage", folder);
    if (status == 0) {
        status = salvage_into(cli, folder);
        store_folder_remove(folder); /* the copied store */
    }
    return status;
}

int cli_export(struct cli *cli) {
    if (cli_flag(cli, "salvage")) {
        return salvage(cli);
    }
    if (cli_option(cli, "into") != NULL) {
        return cli_misused(cli, "--into requires --salvage");
    }
    int status = cli_open_store_checked(cli);
    if (status != 0) {
        return status;
    }
    return may_take_long(cli) ? export_beside_host(cli) : export_all(cli, cli->data);
}

/* ---- import ---- */

static int import_from(struct cli *cli, FILE *in, const char *name) {
    struct export_sums sums = {0};
    struct report r = {""};
    const struct import_options options = {
        .in = in,
        .name = name,
        .folder = cli->data,
        .max_bytes = cli->conf == NULL ? STORE_BYTES_MAX : cli->conf->store_max_bytes};
    int code = export_read(&options, &sums, &r);
    if (code != 0) {
        (void)cli_fail(code, "%s", r.text);
        return EXIT_CANNOT_RUN;
    }
    cli_warn_of_twin();
    return tell(cli, "imported", &sums, false);
}

int cli_import(struct cli *cli) {
    int status = cli_find_data(cli);
    if (status != 0) {
        return status;
    }
    if (is_stream(cli)) {
        return import_from(cli, stdin, "standard input");
    }
    FILE *in = fopen(cli->words[0], "re");
    if (in == NULL) {
        return cli_fail(ERR_NOTFOUND, "cannot read %s: %s", cli->words[0], strerror(errno));
    }
    status = import_from(cli, in, cli->words[0]);
    (void)fclose(in);
    return status;
}
