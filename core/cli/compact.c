/*
 * compact.c - commands about the store as a whole: export, import, backup, restore, compact, reshard,
 * migrate.
 */
#include "cli/impl.h"

#include "base/json.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "cli/text.h"
#include "store/compact.h"

#include <stdio.h>

static int tell(const struct cli *cli, const struct store_sizes *sizes) {
    if (cli->json) {
        return cli_print_json(json_pack(
            "{s:s, s:I, s:I, s:I}", "data", cli->data, "before", (json_int_t)sizes->before, "after",
            (json_int_t)sizes->after, "dropped", (json_int_t)sizes->dropped));
    }
    struct buf line;
    buf_init(&line, 8192);
    buf_printf(&line, "%s/data.mdb had ", cli->data);
    text_add_bytes(&line, sizes->before);
    buf_add_str(&line, ", has ");
    text_add_bytes(&line, sizes->after);
    if (sizes->dropped > 0) {
        buf_printf(&line, "; %llu records that were set aside have been deleted",
                   (unsigned long long)sizes->dropped);
    }
    (void)printf("%s\n", buf_str(&line));
    buf_clear(&line);
    return 0;
}

static int run_compact(struct cli *cli) {
    struct store_sizes sizes = {0};
    struct report r = {""};
    int status = cli_find_data(cli);
    if (status != 0) {
        return status;
    }
    const struct store_options options = {
        .path = cli->data, .max_bytes = cli->conf == NULL ? 0 : cli->conf->store_max_bytes};
    int code = store_compact(&options, cli_flag(cli, "drop-aside"), &sizes, &r);
    if (code == ERR_BUSY) {
        (void)cli_fail(code, "%s; stop the host before you compact its store", r.text);
        return EXIT_CANNOT_RUN;
    }
    if (code != 0) {
        (void)cli_fail(code, "%s", r.text);
        return EXIT_CANNOT_RUN;
    }
    return tell(cli, &sizes);
}

static const struct cli_option export_options[] = {
    {"salvage", NULL, "read a damaged store: export what is readable, report the rest"},
    {"into", "DIR", "with --salvage: also write a new data folder"},
    {NULL, NULL, NULL},
};

static const struct cli_option compact_options[] = {
    {"drop-aside", NULL, "delete the unreadable records that were set aside"},
    {NULL, NULL, NULL},
};

static const struct cli_option reshard_options[] = {
    {"count", "N", "the new number of hosts"},
    {"dry-run", NULL, "only print what would move"},
    {"abandon", NULL,
     "give up messages that the broker holds for removed hosts that did not leave"},
    {"yes", NULL, "do not ask for confirmation"},
    {NULL, NULL, NULL},
};

static const struct cli_option migrate_options[] = {
    {"to", "URL|DIR",
     "postgres://..., or env:NAME: into a log in that database; else: into that folder"},
    {"name", "NAME", "of the log in the database, if not that of topics.conf (store.name)"},
    {NULL, NULL, NULL},
};

const struct cli_command cli_file_commands[] = {
    {"export", "[FILE|-]", "write all that the data folder holds as JSON lines",
     "The store as of one commit, the files of zing.append, the audit log. The host may run.\n"
     "docs/export.md describes the lines. Of several hosts that share a folder, one.",
     0, 1, export_options, cli_export},
    {"import", "FILE|-", "make the data folder from what `zingq export` wrote",
     "The folder may not hold a store yet. All of it is imported, or nothing.", 1, 1, NULL,
     cli_import},
    {"backup", "DIR|-", "copy the data folder, while its host runs, to a folder or as a tar stream",
     "The store as of one commit, the files of zing.append, the audit log. Of several hosts that "
     "share\n"
     "a folder, all.",
     1, 1, NULL, cli_backup},
    {"restore", "DIR|-", "make the data folder from such a copy",
     "The folder may not hold a store yet.", 1, 1, NULL, cli_restore},
    {"compact", "", "rewrite the store's file without its free pages",
     "The host must be stopped. The disk needs room for a second file.", 0, 0, compact_options,
     run_compact},
    {"reshard", "[DIR...]", "redistribute the keys of stopped hosts for another number of hosts",
     "Give one folder, or none for store.path: that of `zingq run --hosts`, or of a single host,\n"
     "which becomes DIR/1. Or give all folders in the order of the hosts, the existing ones "
     "first,\n"
     "then those to be created. With fewer hosts than before the last folders are emptied.\n"
     "topics.conf must be the one the hosts ran with; each disk needs room for a second file.",
     0, PARTITIONS, reshard_options, cli_reshard},
    {"migrate", "",
     "bring the store of a stopped host into a PostgreSQL, or from there into a folder",
     "What it is brought into may not hold a store yet, and gets all of it, or nothing.\n"
     "docs/cluster.md says when.",
     0, 0, migrate_options, cli_migrate},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
