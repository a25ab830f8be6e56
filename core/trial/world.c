/* world.c - see trial/world.h. */
#include "trial/world.h"

#include "base/limits.h"
#include "base/temp.h"
#include "lua/api/api.h"
#include "trial/folder.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WINDOW = 1000, PACKET_BYTES = 256 << 20, COMMAND_TURNS = 100 };

/* ---- topics.conf ---- */

static int no_service(const struct world *w, const char *name, struct report *r) {
    struct buf names;
    buf_init(&names, 1024); /* what does not fit is left out */
    for (size_t i = 0; i < w->conf->service_count; i++) {
        buf_printf(&names, "%s%s", i == 0 ? "" : ", ", w->conf->services[i].name);
    }
    int code =
        report(r, ERR_NOTFOUND,
               "%s has no service \"%s\", and none whose handler is %s.lua; its services: %s",
               w->conf->file, name, name, buf_str(&names));
    buf_clear(&names);
    return code;
}

/* By its name, or by its handler's. */
static int find_service(const struct world *w, const char *name, size_t *index, struct report *r) {
    char file[NAME_BYTES_MAX + 8];
    if (conf_find_service(w->conf, slice_of(name), index)) {
        return 0;
    }
    (void)snprintf(file, sizeof file, "%s.lua", name);
    for (size_t i = 0; i < w->conf->service_count; i++) {
        if (strcmp(w->conf->services[i].handler, file) == 0) {
            *index = i;
            return 0;
        }
    }
    return no_service(w, name, r);
}

static int choose_services(struct world *w, const struct world_options *o, struct report *r) {
    size_t index = 0;
    int code = 0;
    if (o->only_count > SERVICES_MAX) {
        return report(r, ERR_LIMIT, "a test runs at most %d services", SERVICES_MAX);
    }
    for (size_t i = 0; i < o->only_count && code == 0; i++) {
        code = find_service(w, o->only[i], &index, r);
        w->only[w->only_count++] = code == 0 ? w->conf->services[index].name : "";
    }
    for (size_t i = 0; i < w->conf->service_count && o->only_count == 0; i++) {
        w->only[w->only_count++] = w->conf->services[i].name;
    }
    return code;
}

static struct var_conf *find_var(struct conf *conf, const char *name) {
    for (size_t i = 0; i < conf->var_count; i++) {
        if (strcmp(conf->vars[i].name, name) == 0) {
            return &conf->vars[i];
        }
    }
    return NULL;
}

static int set_vars(struct conf *conf, const json_t *vars, struct report *r) {
    const char *name;
    json_t *value;
    json_object_foreach(vars, name, value) {
        struct var_conf *var = find_var(conf, name);
        char *text = var == NULL || !json_is_string(value)
                         ? NULL
                         : slice_dup(slice_of(json_string_value(value)));
        if (text == NULL) {
            return report(r, ERR_INVALID,
                          "vars.%s: give it a text, for an entry that vars { } of %s has", name,
                          conf->file);
        }
        free(var->value);
        var->value = text;
    }
    return 0;
}

static int load_conf(struct world *w, const struct world_options *o, struct report *r) {
    const struct conf_overrides overrides = {.data = o->path, .no_secrets = true};
    int code = conf_load(&w->conf, o->conf_file, &overrides, r);
    if (code != 0) {
        w->conf = NULL;
        return code;
    }
    w->conf->hosts.share = (struct division){.count = 1, .place = 1}; /* it has every key */
    code = o->vars == NULL ? 0 : set_vars(w->conf, o->vars, r);
    return code == 0 ? choose_services(w, o, r) : code;
}

int world_service(const struct world *w, const char *name, size_t *index, struct report *r) {
    int code = find_service(w, name, index, r);
    for (size_t i = 0; i < w->only_count && code == 0; i++) {
        if (strcmp(w->only[i], w->conf->services[*index].name) == 0) {
            return 0;
        }
    }
    return code != 0 ? code
                     : report(r, ERR_NOTFOUND,
                              "this test does not run the service \"%s\": name it in "
                              "test.services{...}",
                              name);
}

/* ---- start and end ---- */

/* Scripts of services that the test does not run may be broken. */
static int load_scripts(struct world *w, struct report *r) {
    struct report all = {""};
    int code = script_host_new(&w->scripts, w->conf, &api_library);
    if (code != 0) {
        w->scripts = NULL;
        return report(r, code, "cannot start Lua: %s", error_text(code));
    }
    memory_init(&w->memory, w->conf->memory_bytes);
    script_use_memory(w->scripts, &w->memory);
    (void)script_load_all(w->scripts, &all); /* looked at one by one */
    for (size_t i = 0; i < w->only_count; i++) {
        size_t index = 0;
        bool found = conf_find_service(w->conf, slice_of(w->only[i]), &index);
        assert(found);
        (void)found;
        const char *error = script_error(w->scripts, index);
        if (!script_runs(w->scripts, index)) {
            return report(r, ERR_SCRIPT, "%s", error == NULL ? "out of memory" : error);
        }
    }
    return 0;
}

static int start(struct world *w, struct report *r) {
    const struct engine_doors doors = world_doors(w);
    const struct store_options store = {.path = w->conf->store_path,
                                        .max_bytes = w->conf->store_max_bytes};
    int code = load_scripts(w, r);
    if (code == 0 && (code = store_open(&w->store, &store, r)) != 0) {
        w->store = NULL;
    }
    if (code != 0) {
        return code;
    }
    struct engine_options options = {.conf = w->conf,
                                     .store = w->store,
                                     .scripts = w->scripts,
                                     .doors = &doors,
                                     .memory = &w->memory,
                                     .seed = ++w->seed,
                                     .only = w->only,
                                     .only_count = w->only_count};
    code = engine_new(&w->engine, &options, r);
    if (code != 0) {
        w->engine = NULL;
        return code;
    }
    engine_connected(w->engine, WINDOW, PACKET_BYTES);
    return engine_watch(w->engine, true);
}

static void stop(struct world *w) {
    w->call_count = 0;
    w->unacknowledged = 0;
    if (w->engine != NULL) {
        engine_free(w->engine);
    }
    if (w->scripts != NULL) {
        script_host_free(w->scripts);
    }
    if (w->store != NULL) {
        store_close(w->store);
    }
    w->engine = NULL;
    w->scripts = NULL;
    w->store = NULL;
}

int world_new(struct world **out, const struct world_options *options, struct report *r) {
    struct world *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    w->path = slice_dup(slice_of(options->path));
    w->now_ms = options->now_ms;
    int code = w->path == NULL || mkdir(w->path, 0700) != 0
                   ? report(r, ERR_SYSTEM, "cannot make the folder %s", options->path)
                   : load_conf(w, options, r);
    code = code == 0 ? start(w, r) : code;
    if (code != 0) {
        world_free(w);
        return code;
    }
    *out = w;
    return 0;
}

static void free_message(struct world_message *m) {
    free(m->topic);
    free(m->content_type);
    free((void *)(uintptr_t)m->payload.data);
    free((void *)(uintptr_t)m->properties.data);
}

static void forget_messages(struct world *w) {
    for (size_t i = 0; i < w->message_count; i++) {
        free_message(&w->messages[i]);
    }
    w->message_count = 0;
}

void world_free(struct world *w) {
    if (w == NULL) {
        return;
    }
    stop(w);
    conf_free(w->conf);
    forget_messages(w);
    world_forget_published(w);
    free(w->messages);
    free(w->published);
    if (w->path != NULL) {
        (void)temp_folder_remove(w->path);
    }
    free(w->path);
    free(w);
}

void world_forget_published(struct world *w) {
    for (size_t i = 0; i < w->published_count; i++) {
        struct publication *p = &w->published[i].p;
        free((void *)(uintptr_t)p->topic.data);
        free((void *)(uintptr_t)p->payload.data);
        free((void *)(uintptr_t)p->properties.data);
        free((void *)(uintptr_t)p->content_type.data);
    }
    w->published_count = 0;
    w->unacknowledged = 0;
}

/* ---- inputs ---- */

static int offer(struct world *w, const struct world_message *m) {
    const struct event_bytes bytes = {.topic = slice_of(m->topic),
                                      .payload = m->payload,
                                      .content_type = slice_of(m->content_type),
                                      .properties = m->properties};
    return engine_offer(w->engine, m->service, &bytes, (struct offer){.qos = 1});
}

int world_crash(struct world *w, struct report *r) {
    stop(w);
    int code = start(w, r);
    for (size_t i = 0; i < w->message_count && code == 0; i++) {
        code = offer(w, &w->messages[i]);
    }
    return code;
}

int world_offer(struct world *w, size_t service, const struct event_bytes *bytes) {
    if (w->message_count == w->message_max) {
        size_t max = w->message_max * 2 + 16;
        struct world_message *more = realloc(w->messages, max * sizeof *more);
        if (more == NULL) {
            return ERR_MEMORY;
        }
        w->messages = more;
        w->message_max = max;
    }
    struct world_message m = {
        .service = service,
        .topic = slice_dup(bytes->topic),
        .content_type = bytes->content_type.len == 0 ? NULL : slice_dup(bytes->content_type),
        .payload = {slice_dup(bytes->payload), bytes->payload.len},
        .properties = {slice_dup(bytes->properties), bytes->properties.len}};
    if (m.topic == NULL || m.payload.data == NULL || m.properties.data == NULL) {
        free_message(&m);
        return ERR_MEMORY;
    }
    w->messages[w->message_count++] = m;
    return offer(w, &m);
}

static void acknowledge(struct world *w) {
    size_t first = w->published_count - w->unacknowledged;
    w->unacknowledged = 0;
    for (size_t i = first; i < w->published_count; i++) {
        engine_published(w->engine, w->published[i].mid, 0);
    }
}

int world_turn(struct world *w, bool blind, bool deaf) {
    w->blind = blind;
    int code = engine_turn(w->engine);
    w->blind = false;
    if (code != 0) {
        return code;
    }
    forget_messages(w);
    if (!deaf) {
        acknowledge(w);
    }
    return 0;
}

bool world_answer(struct world *w, uint64_t call, struct call_result *result) {
    for (size_t i = 0; i < w->call_count; i++) {
        if (w->calls[i].id == call) {
            memmove(&w->calls[i], &w->calls[i + 1], (w->call_count - i - 1) * sizeof *w->calls);
            w->call_count--;
            engine_call_done(w->engine, call, result);
            return true;
        }
    }
    return false;
}

int world_command(struct world *w, struct command *c) {
    int code = 0;
    w->answered = false;
    engine_submit(w->engine, c);
    for (int i = 0; i < COMMAND_TURNS && !w->answered && code == 0; i++) {
        code = world_turn(w, false, false);
    }
    assert(w->answered || code != 0);
    return code != 0 ? code : w->code;
}
