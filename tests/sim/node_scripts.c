/*
 * node_scripts.c - the scripts folder of a host: links to the simulator's own scripts, until somebody
 * saves one anew. What is saved differs in nothing that counts, or does not load; then the last good
 * version stays.
 */
#include "node.h"
#include "sim.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 64, PATH_BYTES = 600, BROKEN_PERCENT = 30 };

static int is_script(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return len > 4 && strcmp(entry->d_name + len - 4, ".lua") == 0;
}

/* Calls each() for every script, in the order of their names. */
static int for_each(struct node *n, bool (*each)(struct node *n, const char *name)) {
    char own[PATH_BYTES];
    struct dirent **names = NULL;
    (void)snprintf(own, sizeof own, "%s/scripts", sim_folder());
    int count = scandir(own, &names, is_script, alphasort);
    int done = 0;
    for (int i = 0; i < count; i++) {
        done += each(n, names[i]->d_name) ? 1 : 0;
        free(names[i]);
    }
    free(names);
    return count > 0 && done == count ? count : -1;
}

/* A copy: a host follows no link out of its folder. */
static bool copy_script(struct node *n, const char *name) {
    char path[PATH_BYTES];
    char text[16384];
    (void)snprintf(path, sizeof path, "%s/scripts/%s", sim_folder(), name);
    FILE *from = fopen(path, "r");
    size_t len = from == NULL ? sizeof text : fread(text, 1, sizeof text, from);
    (void)snprintf(path, sizeof path, "%s/scripts/%s", n->folder, name);
    (void)unlink(path);
    FILE *to = len == sizeof text ? NULL : fopen(path, "w");
    bool copied = to != NULL && fwrite(text, 1, len, to) == len;
    copied = to != NULL && fclose(to) == 0 && copied;
    return from != NULL && fclose(from) == 0 && copied;
}

static bool remove_script(struct node *n, const char *name) {
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/scripts/%s", n->folder, name);
    return unlink(path) == 0;
}

bool node_scripts_make(struct node *n) {
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/scripts", n->folder);
    n->script_count = mkdir(path, 0700) == 0 ? for_each(n, copy_script) : -1;
    return n->script_count > 0;
}

void node_scripts_remove(struct node *n) {
    char path[PATH_BYTES];
    (void)for_each(n, remove_script);
    (void)snprintf(path, sizeof path, "%s/scripts", n->folder);
    (void)rmdir(path);
}

/* --- saving --- */

static bool write_version(struct node *n, const char *name, const char *more) {
    char path[PATH_BYTES];
    char text[1 << 14];
    (void)snprintf(path, sizeof path, "%s/scripts/%s", sim_folder(), name);
    FILE *from = fopen(path, "r");
    size_t len = from == NULL ? 0 : fread(text, 1, sizeof text, from);
    if (from != NULL) {
        (void)fclose(from);
    }
    (void)snprintf(path, sizeof path, "%s/scripts/%s", n->folder, name);
    (void)unlink(path);
    FILE *to = fopen(path, "w");
    if (to == NULL) {
        return false;
    }
    (void)fprintf(to, "%s-- version %u\n", more, ++n->script_versions);
    (void)fwrite(text, 1, len, to);
    return fclose(to) == 0 && len > 0;
}

static bool save(struct node *n, const char *name) {
    static const char *const wrong[] = {"local x = = 1\n", "error('at load')\n",
                                        "local t = nil .. 'x'\n"};
    struct sim *s = n->sim;
    if (n->script_chosen-- != 0) {
        return true;
    }
    bool broken = !s->settling && sim_chance(s, BROKEN_PERCENT);
    (void)snprintf(n->script_broken, sizeof n->script_broken, "%s", broken ? name : "");
    sim_tell(s, "host %u: %s is saved%s", n->number, name, broken ? ", and does not load" : "");
    return write_version(n, name, broken ? wrong[sim_below(s, 3)] : "");
}

static void on_reload(void *ctx, size_t service, const char *error) {
    struct node *n = ctx;
    sim_tell(n->sim, "host %u: service %s %s", n->number, n->conf->services[service].name,
             error == NULL ? "has a new version" : error);
}

static void check_reload(struct node *n) {
    for (size_t i = 0; i < n->conf->service_count; i++) {
        const struct service_conf *service = &n->conf->services[i];
        const char *error = script_error(n->scripts, i);
        bool broken = strcmp(service->handler, n->script_broken) == 0;
        if (!script_runs(n->scripts, i)) {
            sim_fail(n->sim, "host %u: service %s has no code any more", n->number, service->name);
        } else if (broken && error == NULL) {
            sim_fail(n->sim, "host %u: service %s runs what does not load", n->number,
                     service->name);
        } else if (error != NULL && n->script_broken[0] == '\0') {
            sim_fail(n->sim, "host %u: service %s keeps an error: %s", n->number, service->name,
                     error);
        }
    }
}

static void reload(struct node *n) {
    if (script_reload(n->scripts, n, on_reload) > 0) {
        engine_scripts_changed(n->engine);
    }
    check_reload(n);
}

void node_scripts_mend(struct node *n) {
    if (n->script_broken[0] == '\0') {
        return;
    }
    if (!copy_script(n, n->script_broken)) {
        sim_fail(n->sim, "host %u: cannot write %s", n->number, n->script_broken);
    }
    n->script_broken[0] = '\0';
    if (n->scripts != NULL && n->engine != NULL) {
        reload(n);
    }
}

void node_scripts_save(struct node *n) {
    node_scripts_mend(n);
    n->script_chosen = (int)sim_below(n->sim, (uint64_t)n->script_count);
    if (for_each(n, save) < 0) {
        sim_fail(n->sim, "host %u: cannot save a script", n->number);
        return;
    }
    reload(n);
}
