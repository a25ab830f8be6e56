/*
 * database.c - the databases of topics.conf.
 */
#include "conf/options.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

bool conf_is_postgres(const char *url) {
    return strncmp(url, "postgres://", 11) == 0 || strncmp(url, "postgresql://", 13) == 0;
}

void conf_log_name(const struct conf *c, char out[CONF_LOG_NAME_BYTES]) {
    const struct division *d = &c->hosts.share;
    const char *name = c->cluster.name[0] != '\0' ? c->cluster.name : c->store_name;
    if (division_is_divided(d)) {
        (void)snprintf(out, CONF_LOG_NAME_BYTES, "%s-%u", name, (unsigned)d->place);
    } else {
        (void)snprintf(out, CONF_LOG_NAME_BYTES, "%s", name);
    }
}

int conf_finish_database(const struct conf_place *place, void *object) {
    struct database_conf *d = object;
    d->line = place->line;
    d->name = slice_dup(slice_of(place->title));
    if (d->name == NULL) {
        return ERR_MEMORY;
    }
    bool unread = place->no_secrets && d->url[0] == '\0';
    if (!unread && !conf_is_postgres(d->url)) {
        return conf_fail(place, "%s", CONF_WANTS_POSTGRES);
    }
    return 0;
}

int conf_check_databases(const struct conf_place *place, const struct conf *c) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < c->database_count; i++) {
        const struct database_conf *d = &c->databases[i];
        struct conf_place at = *place;
        at.section = CONF_SPECS[CONF_DATABASE].name;
        at.title = d->name;
        at.line = d->line;
        at.option = "services";
        for (size_t s = 0; code == 0 && s < d->service_count; s++) {
            size_t index;
            if (!conf_find_service(c, slice_of(d->services[s]), &index)) {
                code = conf_fail(&at, "there is no service \"%s\"", d->services[s]);
            }
        }
    }
    return code;
}

void conf_free_databases(struct conf *c) {
    for (size_t i = 0; i < c->database_count; i++) {
        conf_clear_rows(&CONF_SPECS[CONF_DATABASE], &c->databases[i]);
        free(c->databases[i].name);
    }
    free(c->databases);
}

const struct database_conf *conf_find_database(const struct conf *c, struct slice name) {
    for (size_t i = 0; i < c->database_count; i++) {
        if (slice_is(name, c->databases[i].name)) {
            return &c->databases[i];
        }
    }
    return NULL;
}

bool database_serves(const struct database_conf *d, const char *service) {
    for (size_t i = 0; i < d->service_count; i++) {
        if (strcmp(d->services[i], service) == 0) {
            return true;
        }
    }
    return d->service_count == 0;
}
