/*
 * secrets.c - see cli/secrets.h.
 *
 * The text is searched, not parsed: a call in a comment also causes a warning.
 */
#include "cli/secrets.h"

#include "base/limits.h"
#include "cli/options.h"
#include "cli/tell.h"
#include "conf/conf.h"
#include "lua/script.h"

#include <stdio.h>
#include <string.h>

struct search {
    const struct conf *conf;
    const struct service_conf *service;
};

/* The quoted name after zing.secret, with or without parentheses; len 0 = not a literal name. */
static struct slice written_name(const char *at) {
    at += strspn(at, " \t(");
    if (*at != '"' && *at != '\'') {
        return (struct slice){at, 0};
    }
    const char quote[] = {*at, '\n', '\0'};
    return (struct slice){at + 1, strcspn(at + 1, quote)};
}

static int line_of(const char *text, const char *at) {
    int line = 1;
    for (const char *c = text; c < at; c++) {
        line += *c == '\n';
    }
    return line;
}

static void look_for_calls(const struct search *s, const char *file, const char *text) {
    static const char call[] = "zing.secret";
    for (const char *at = strstr(text, call); at != NULL; at = strstr(at + 1, call)) {
        struct slice name = written_name(at + strlen(call));
        if (name.len > 0 && !service_has_secret(s->service, name)) {
            cli_warn("scripts/%s:%d: service \"%s\" is not given the secret \"%.*s\": add "
                     "secrets = {\"%.*s\"} to it in %s",
                     file, line_of(text, at), s->service->name, (int)name.len, name.data,
                     (int)name.len, name.data, s->conf->file);
        }
    }
}

static void look_into(void *ctx, const char *file) {
    const struct search *s = ctx;
    char path[4096];
    struct buf text;
    int len = snprintf(path, sizeof path, "%s/%s", s->conf->scripts_dir, file);
    if (len < 0 || (size_t)len >= sizeof path) {
        return; /* it could not be loaded */
    }
    if (cli_read_file(path, SCRIPT_BYTES_MAX, &text) == 0) {
        look_for_calls(s, file, buf_str(&text));
    }
    buf_clear(&text);
}

void cli_warn_of_secrets(const struct conf *conf, const struct script_host *scripts) {
    for (size_t i = 0; i < conf->service_count; i++) {
        struct search search = {conf, &conf->services[i]};
        script_each_file(scripts, i, &search, look_into);
    }
}
