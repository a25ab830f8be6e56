/*
 * environment.c - the names of variables that override options, and variables that look like one.
 *
 * Those that match no option are no error: container platforms put ZINGQ_HTTP_PORT and the like
 * into every environment. `zingq check` names the others.
 */
#include "conf/options.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_MAX = CONF_SECTION_COUNT * 16 };

const char *conf_variable_name(const char *section, const char *option,
                               char out[VARIABLE_BYTES_MAX]) {
    const char *parts[] = {"ZINGQ_", section, "_", option};
    size_t len = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (const char *c = parts[i]; *c != '\0' && len + 1 < VARIABLE_BYTES_MAX; c++) {
            out[len++] = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
        }
    }
    out[len] = '\0';
    return out;
}

/* Kubernetes and Docker links: ZINGQ_HTTP_SERVICE_HOST, ZINGQ_PORT_80_TCP_ADDR, and ports that are
 * URLs. */
static bool is_of_platform(const char *name, const char *value) {
    return strstr(name, "_SERVICE_HOST") != NULL || strstr(name, "_SERVICE_PORT") != NULL ||
           strstr(name, "_PORT_") != NULL || strstr(value, "tcp://") == value ||
           strstr(value, "udp://") == value;
}

/* All variables that override something; ZINGQ_TOKEN is the default of http.token. */
static size_t list_names(char room[][VARIABLE_BYTES_MAX], const char *names[]) {
    size_t count = 0;
    for (size_t i = 0; i < CONF_SECTION_COUNT; i++) {
        const struct conf_spec *spec = &CONF_SPECS[i];
        for (size_t k = 0; spec->form == CONF_PLAIN && k < spec->row_count; k++) {
            names[count] = conf_variable_name(spec->name, spec->rows[k].name, room[count]);
            count++;
            assert(count < NAMES_MAX);
        }
    }
    names[count++] = "ZINGQ_TOKEN";
    return count;
}

void conf_unknown_variables(void *ctx,
                            void (*each)(void *ctx, const char *name, const char *near)) {
    static const char prefix[] = "ZINGQ_";
    static const char of_vars[] = "ZINGQ_VARS_";
    char room[NAMES_MAX][VARIABLE_BYTES_MAX];
    const char *names[NAMES_MAX];
    size_t count = list_names(room, names);
    for (char **at = environ; *at != NULL; at++) {
        char name[VARIABLE_BYTES_MAX];
        size_t len = strcspn(*at, "=");
        if (strncmp(*at, prefix, sizeof prefix - 1) != 0 || len >= sizeof name ||
            strncmp(*at, of_vars, sizeof of_vars - 1) == 0) {
            continue;
        }
        memcpy(name, *at, len);
        name[len] = '\0';
        bool known = is_of_platform(name, *at + len + ((*at)[len] == '='));
        for (size_t i = 0; i < count && !known; i++) {
            known = strcmp(names[i], name) == 0;
        }
        if (!known) {
            each(ctx, name, conf_suggest(name, names, count));
        }
    }
}
