/* commands.c - all commands, in the order of the help. */
#include "cli/commands.h"

#include <assert.h>
#include <string.h>

const struct cli_group cli_groups[] = {
    {"Run", cli_host_commands},
    {"Check before you run", cli_check_commands},
    {"Write and test handlers", cli_write_commands},
    {"Inspect", cli_look_commands},
    {"Dead letters", cli_dlq_commands},
    {"Outbox", cli_outbox_commands},
    {"Keys", cli_keys_commands},
    {"State", cli_state_commands},
    {"A cluster", cli_cluster_commands},
    {"The store's file", cli_file_commands},
    {"Change a running host", cli_change_commands},
    {"Shells", cli_shell_commands},
    {NULL, NULL},
};

/* First words of two-word commands. */
const char *const cli_families[] = {"new", "dlq", "outbox", "keys", "state", "cluster", NULL};

const struct cli_command *cli_find_command(const char *name) {
    for (size_t g = 0; cli_groups[g].title != NULL; g++) {
        const struct cli_command *c = cli_groups[g].commands;
        for (; c->name != NULL; c++) {
            if (strcmp(c->name, name) == 0) {
                return c;
            }
        }
    }
    return NULL;
}

bool cli_is_family(const char *word) {
    for (size_t i = 0; cli_families[i] != NULL; i++) {
        if (strcmp(cli_families[i], word) == 0) {
            return true;
        }
    }
    return false;
}

size_t cli_list_names(const char *family, const char *names[CLI_NAMES_MAX]) {
    size_t count = 0;
    for (size_t i = 0; family == NULL && cli_families[i] != NULL; i++) {
        names[count++] = cli_families[i];
    }
    for (size_t g = 0; cli_groups[g].title != NULL; g++) {
        const struct cli_command *c = cli_groups[g].commands;
        for (; c->name != NULL; c++) {
            bool two = strchr(c->name, ' ') != NULL;
            const char *name = family != NULL ? cli_second_word(c->name, family)
                               : two          ? NULL
                                              : c->name;
            if (name != NULL) {
                assert(count < CLI_NAMES_MAX);
                names[count++] = name;
            }
        }
    }
    return count;
}
