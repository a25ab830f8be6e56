/*
 * shell.c - completion for bash, zsh and fish, from the list of commands. The scripts are made once, when
 * a package is built or a shell starts, and do not run zingq.
 */
#include "cli/impl.h"

#include "cli/options.h"
#include "cli/remote.h"
#include "cli/tell.h"

#include <stdio.h>
#include <string.h>

/* One shell's way of writing. What may follow "zingq" (family "") or the first word of a command of
 * two, then the options of each command. FAMILIES in `begin` stands for these first words. */
struct shell {
    const char *name;
    const char *begin, *end;
    const char *before_names, *after_names; /* after the family */
    void (*put_name)(const char *family, const char *name, const char *help);
    void (*put_options)(const struct cli_command *c);
};

/* ---- walking the list ---- */

static void each_name(const struct cli *cli, const char *family,
                      void (*put)(const char *family, const char *name, const char *help)) {
    bool top = family[0] == '\0';
    for (size_t i = 0; top && cli->families[i] != NULL; i++) {
        put(family, cli->families[i], "");
    }
    for (size_t g = 0; cli->groups[g].title != NULL; g++) {
        for (const struct cli_command *c = cli->groups[g].commands; c->name != NULL; c++) {
            bool two = strchr(c->name, ' ') != NULL;
            const char *name = top ? (two ? NULL : c->name) : cli_second_word(c->name, family);
            if (name != NULL) {
                put(family, name, c->help);
            }
        }
    }
}

static void each_option(const struct cli_command *c,
                        void (*put)(const struct cli_command *c, const struct cli_option *o)) {
    const struct cli_option *lists[] = {c->options, cli_common_options,
                                        cli_has_host(c) ? cli_host_option : NULL};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (const struct cli_option *o = lists[i]; o != NULL && o->name != NULL; o++) {
            put(c, o);
        }
    }
}

/* Within single quotes: a backslash before `special`, and `quote` for a single quote. */
static void put_text(const char *text, const char *special, const char *quote) {
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            (void)fputs(quote, stdout);
        } else {
            (void)printf("%s%c", strchr(special, *text) == NULL ? "" : "\\", *text);
        }
    }
}

/* ---- bash ---- */

static void bash_name(const char *family, const char *name, const char *help) {
    (void)family;
    (void)help;
    (void)printf(" %s", name);
}

static void bash_option(const struct cli_command *c, const struct cli_option *o) {
    (void)c;
    (void)printf(" --%s", o->name);
}

static void bash_value(const struct cli_command *c, const struct cli_option *o) {
    if (o->value != NULL) {
        bash_option(c, o);
    }
}

static void bash_options(const struct cli_command *c) {
    (void)printf("    'options:%s') words='", c->name);
    each_option(c, bash_option);
    (void)printf("' values='-c");
    each_option(c, bash_value);
    (void)printf("' ;;\n");
}

/* ---- zsh ---- */

static void zsh_name(const char *family, const char *name, const char *help) {
    (void)family;
    (void)printf(" '%s:", name);
    put_text(help, ":\\", "'\\''");
    (void)printf("'");
}

static void zsh_option(const struct cli_command *c, const struct cli_option *o) {
    (void)c;
    (void)printf(" '--%s[", o->name);
    put_text(o->help, ":[]\\", "'\\''");
    (void)printf("]");
    if (o->value != NULL) {
        (void)printf(":%s:_files", o->value);
    }
    (void)printf("'");
}

static void zsh_options(const struct cli_command *c) {
    (void)printf("    'options:%s') _arguments", c->name);
    each_option(c, zsh_option);
    (void)printf(" '*:word:_files' ;;\n");
}

/* ---- fish ---- */

static void fish_name(const char *family, const char *name, const char *help) {
    (void)printf("complete -c zingq -f -n 'test (string join \" \" (commandline -opc)) = "
                 "\"zingq%s%s\"' -a %s -d '",
                 family[0] == '\0' ? "" : " ", family, name);
    put_text(help, "\\", "\\'");
    (void)printf("'\n");
}

static void fish_option(const struct cli_command *c, const struct cli_option *o) {
    (void)printf("complete -c zingq -n 'string match -q \"zingq %s *\" (string join \" \" "
                 "(commandline -opc) \"\")' -l %s%s -d '",
                 c->name, o->name, o->value == NULL ? "" : " -r");
    put_text(o->help, "\\", "\\'");
    (void)printf("'\n");
}

static void fish_options(const struct cli_command *c) {
    each_option(c, fish_option);
}

static const struct shell shells[] = {
    {"bash",
     "# eval \"$(zingq completion bash)\", or as a file in /usr/share/bash-completion/completions\n"
     "_zingq() {\n"
     "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
     "    local kind=options name=${COMP_WORDS[1]-} words='' values=''\n"
     "    case $name in\n"
     "    FAMILIES) if ((COMP_CWORD > 2)); then name+=\" ${COMP_WORDS[2]}\"; else kind=names; fi "
     ";;\n"
     "    esac\n"
     "    if ((COMP_CWORD == 1)); then kind=names name=''; fi\n"
     "    case $kind:$name in\n",
     "    esac\n"
     "    COMPREPLY=()\n"
     "    case \" $values \" in *\" $prev \"*) return ;; esac # its value: a file's name, perhaps\n"
     "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
     "}\n"
     "complete -o default -F _zingq zingq\n",
     "    'names:%s') words='", "' ;;\n", bash_name, bash_options},
    {"zsh",
     "#compdef zingq\n"
     "# eval \"$(zingq completion zsh)\" after compinit, or as the file _zingq in a folder of "
     "$fpath\n"
     "_zingq() {\n"
     "    local kind=options name=${words[2]-}\n"
     "    local -a names\n"
     "    case $name in\n"
     "    FAMILIES) if ((CURRENT > 3)); then name+=\" ${words[3]}\"; else kind=names; fi ;;\n"
     "    esac\n"
     "    if ((CURRENT == 2)); then kind=names name=''; fi\n"
     "    case $kind:$name in\n",
     "    esac\n"
     "    ((!$#names)) || _describe command names\n"
     "}\n"
     "if [[ ${funcstack[1]-} == _zingq ]]; then _zingq; else compdef _zingq zingq; fi\n",
     "    'names:%s') names=(", " ) ;;\n", zsh_name, zsh_options},
    {"fish", "# zingq completion fish | source, or as ~/.config/fish/completions/zingq.fish\n", "",
     NULL, NULL, fish_name, fish_options},
};

/* ---- the command ---- */

static void put_names(const struct cli *cli, const struct shell *shell, const char *family) {
    if (shell->before_names != NULL) {
        const char *rest = strstr(shell->before_names, "%s");
        (void)printf("%.*s%s%s", (int)(rest - shell->before_names), shell->before_names, family,
                     rest + 2);
    }
    each_name(cli, family, shell->put_name);
    (void)fputs(shell->after_names == NULL ? "" : shell->after_names, stdout);
}

static void put_begin(const struct cli *cli, const char *text) {
    static const char mark[] = "FAMILIES";
    const char *at = strstr(text, mark);
    if (at == NULL) {
        (void)fputs(text, stdout);
        return;
    }
    (void)fwrite(text, 1, (size_t)(at - text), stdout);
    for (size_t i = 0; cli->families[i] != NULL; i++) {
        (void)printf("%s%s", i == 0 ? "" : "|", cli->families[i]);
    }
    (void)fputs(at + sizeof mark - 1, stdout);
}

static void put_script(const struct cli *cli, const struct shell *shell) {
    put_begin(cli, shell->begin);
    put_names(cli, shell, "");
    for (size_t i = 0; cli->families[i] != NULL; i++) {
        put_names(cli, shell, cli->families[i]);
    }
    for (size_t g = 0; cli->groups[g].title != NULL; g++) {
        for (const struct cli_command *c = cli->groups[g].commands; c->name != NULL; c++) {
            shell->put_options(c);
        }
    }
    (void)fputs(shell->end, stdout);
}

static int run_completion(struct cli *cli) {
    const char *names[sizeof shells / sizeof *shells];
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        names[i] = shells[i].name;
        if (strcmp(cli->words[0], shells[i].name) == 0) {
            put_script(cli, &shells[i]);
            return EXIT_GOOD;
        }
    }
    return cli_unknown("shell", cli->words[0], names, sizeof names / sizeof *names);
}

const struct cli_command cli_shell_commands[] = {
    {"completion", "bash|zsh|fish", "print a completion script for a shell", NULL, 1, 1, NULL,
     run_completion},
    {"manual", "[options|commands]", "print the manual page: zingq manual | man -l -",
     "With a word: the options of topics.conf, or the commands, as Markdown.", 0, 1, NULL,
     cli_manual},
    {NULL, NULL, NULL, NULL, 0, 0, NULL, NULL},
};
