/*
 * conf.c - reads topics.conf into struct conf: finds the file, decides which source wins, and
 * checks the rules between options.
 *
 * Design: the file becomes words with lines (conf/read.c); a row says which field a word goes to
 * (conf/options.c) and its kind how (conf/kinds.c). Here the word is chosen: command line, then
 * environment, then file, then default. The first error ends it, with the place and the mend,
 * unless all are wanted (struct conf_mistakes); then what depends on a wrong option is not checked.
 */
#include "conf/conf.h"

#include "conf/egress.h"

#include "conf/options.h"
#include "conf/read.h"
#include "base/limits.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char HERE[] = "topics.conf";
static const char SYSTEM_WIDE[] = "/etc/zingq/topics.conf";

struct loader {
    struct conf *conf;
    cfg_t *cfg;
    struct conf_place place; /* of the file as a whole */
    const char *broker_url;  /* from the command line, or NULL */
    char *data;              /* the same, as an absolute path */
    uint32_t wrong;          /* sections with mistakes, a bit each by enum conf_section */
};

/* ---- which source wins ---- */

/* The word that overrides the file, and its source (`room` holds the name). */
static const char *overriding(const struct loader *l, const struct conf_place *place,
                              const char **origin, char room[VARIABLE_BYTES_MAX]) {
    if (l->broker_url != NULL && strcmp(place->section, "broker") == 0 &&
        strcmp(place->option, "url") == 0) {
        *origin = "--broker";
        return l->broker_url;
    }
    if (l->data != NULL && strcmp(place->section, "store") == 0 &&
        strcmp(place->option, "path") == 0) {
        *origin = "--data";
        return l->data;
    }
    *origin = conf_variable_name(place->section, place->option, room);
    return getenv(*origin);
}

/* Sets one option of a section from the source that wins. */
static int apply_row(const struct loader *l, const struct conf_place *section_place,
                     const struct conf_row *row, cfg_t *section, void *object) {
    struct conf_place place = *section_place;
    struct conf_word words[FILTERS_MAX + 1];
    char room[VARIABLE_BYTES_MAX];
    const char *origin = NULL;
    unsigned count = 0;

    place.option = row->name;
    const char *text = place.title == NULL ? overriding(l, &place, &origin, room) : NULL;
    if (text != NULL) {
        place.origin = origin;
        words[count++] = (struct conf_word){text, 0};
    } else {
        while (count <= FILTERS_MAX && conf_word_at(section, row->name, count, &words[count])) {
            count++;
        }
    }
    if (count == 0 && row->fallback == NULL) {
        place.option = NULL;
        return conf_fail(&place, "\"%s\" is required", row->name);
    }
    if (count == 0 && (!conf_is_list(row) || row->fallback[0] != '\0')) {
        words[count++] = (struct conf_word){row->fallback, place.line};
    }
    return conf_set(&place, row, words, count, object);
}

static int apply_rows(const struct loader *l, const struct conf_place *place,
                      const struct conf_spec *spec, cfg_t *section, void *object) {
    int code = 0;
    for (size_t i = 0; i < spec->row_count && code == 0; i++) {
        code = conf_pardon(place, apply_row(l, place, &spec->rows[i], section, object));
    }
    return code;
}

static size_t mistakes_so_far(const struct loader *l) {
    return l->place.mistakes == NULL ? 0 : l->place.mistakes->count;
}

static int load_plain(struct loader *l) {
    int code = 0;
    for (size_t i = 0; i < CONF_SECTION_COUNT && code == 0; i++) {
        const struct conf_spec *spec = &CONF_SPECS[i];
        if (spec->form == CONF_PLAIN) {
            struct conf_place place = l->place;
            size_t before = mistakes_so_far(l);
            place.section = spec->name;
            code = apply_rows(l, &place, spec, cfg_getsec(l->cfg, spec->name), l->conf);
            l->wrong |= mistakes_so_far(l) == before ? 0 : UINT32_C(1) << i;
        }
    }
    return code;
}

/* ---- vars ---- */

/* Adds an entry; a value in the environment overrides the given one. */
static int add_var(struct loader *l, const struct conf_place *vars_place, const char *name,
                   const struct conf_word *word) {
    struct conf *c = l->conf;
    struct conf_place place = *vars_place;
    place.line = word->line;
    int code = conf_check_name(&place, name);
    if (code == 0 && c->var_count >= VARS_MAX) {
        code = conf_fail(&place, "more than %d entries", VARS_MAX);
    }
    if (code != 0) {
        return code;
    }
    char room[VARIABLE_BYTES_MAX];
    const char *text = getenv(conf_variable_name("vars", name, room));
    place.option = name;
    place.origin = text == NULL ? NULL : room;
    struct var_conf *vars = realloc(c->vars, (c->var_count + 1) * sizeof *vars);
    if (vars == NULL) {
        return ERR_MEMORY;
    }
    c->vars = vars;
    struct var_conf *var = &vars[c->var_count++];
    *var = (struct var_conf){.name = slice_dup(slice_of(name))};
    if (var->name == NULL) {
        return ERR_MEMORY;
    }
    return conf_resolve(&place, text == NULL ? word->text : text, false, &var->value, &var->secret);
}

/* True if the variable overrides an existing entry. */
static bool is_known_var(const struct conf *c, const char *variable) {
    char room[VARIABLE_BYTES_MAX];
    for (size_t i = 0; i < c->var_count; i++) {
        if (strcmp(conf_variable_name("vars", c->vars[i].name, room), variable) == 0) {
            return true;
        }
    }
    return false;
}

/* ZINGQ_VARS_SMTP_URL=... adds an entry smtp_url if the file has none. */
static int add_vars_of_environment(struct loader *l, const struct conf_place *place) {
    static const char prefix[] = "ZINGQ_VARS_";
    int code = 0;
    for (char **at = environ; *at != NULL && code == 0; at++) {
        size_t len = strcspn(*at, "=");
        char variable[VARIABLE_BYTES_MAX];
        if (strncmp(*at, prefix, sizeof prefix - 1) != 0 || len >= sizeof variable) {
            continue;
        }
        memcpy(variable, *at, len);
        variable[len] = '\0';
        if (is_known_var(l->conf, variable)) {
            continue;
        }
        char *name = variable + sizeof prefix - 1;
        for (char *c = name; *c != '\0'; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        code = conf_pardon(place, add_var(l, place, name, &(struct conf_word){*at + len + 1, 0}));
    }
    return code;
}

static int load_vars(struct loader *l) {
    struct conf_place place = l->place;
    place.section = CONF_SPECS[CONF_VARS].name;
    cfg_t *section = cfg_getsec(l->cfg, place.section);
    const char *name;
    struct conf_word word;
    int code = 0;
    for (unsigned n = 0; code == 0 && conf_entry_at(section, n, &name, &word); n++) {
        code = conf_pardon(&place, add_var(l, &place, name, &word));
    }
    return code != 0 ? code : add_vars_of_environment(l, &place);
}

/* ---- services, schedules ---- */

/* A kind of titled section: how many there may be, the size of its struct, and what to do after its
 * rows were read. */
struct titled {
    enum conf_section section;
    unsigned max;
    size_t size;
    bool named; /* its title is a name of ours */
    int (*finish)(const struct conf_place *place, void *object);
};

static const struct titled SERVICES = {CONF_SERVICE, SERVICES_MAX, sizeof(struct service_conf),
                                       true, conf_finish_service};
static const struct titled ENDPOINTS = {CONF_ENDPOINT, ENDPOINTS_MAX, sizeof(struct endpoint_conf),
                                        false, conf_finish_endpoint};
static const struct titled SCHEDULES = {CONF_SCHEDULE, SCHEDULES_MAX, sizeof(struct schedule_conf),
                                        true, conf_finish_schedule};
static const struct titled TOKENS = {CONF_TOKEN, TOKENS_MAX, sizeof(struct token_conf), true,
                                     conf_finish_token};
static const struct titled DATABASES = {CONF_DATABASE, DATABASES_MAX, sizeof(struct database_conf),
                                        true, conf_finish_database};

static int load_one(const struct loader *l, const struct titled *kind, cfg_t *section,
                    void *object) {
    const struct conf_spec *spec = &CONF_SPECS[kind->section];
    struct conf_place place = l->place;
    place.line = conf_section_line(section);
    place.section = spec->name;
    size_t before = mistakes_so_far(l);
    int code = kind->named ? conf_pardon(&place, conf_check_name(&place, cfg_title(section))) : 0;
    place.title = cfg_title(section);
    if (code == 0) {
        code = apply_rows(l, &place, spec, section, object);
    }
    bool sound = code == 0 && mistakes_so_far(l) == before;
    return sound ? conf_pardon(&place, kind->finish(&place, object)) : code;
}

/* Allocates *array for `count` items; the current one is counted, so that conf_free finds it. */
static int load_titled(struct loader *l, const struct titled *kind, void **array, size_t *count) {
    const char *name = CONF_SPECS[kind->section].name;
    size_t before = mistakes_so_far(l);
    unsigned there = cfg_size(l->cfg, name);
    if (there > kind->max) {
        return conf_fail(&l->place, "%u sections \"%s\"; the limit is %u", there, name, kind->max);
    }
    *array = calloc(there == 0 ? 1 : there, kind->size);
    if (*array == NULL) {
        return ERR_MEMORY;
    }
    int code = 0;
    for (unsigned i = 0; i < there && code == 0; i++) {
        (*count)++;
        code = load_one(l, kind, cfg_getnsec(l->cfg, name, i), (char *)*array + i * kind->size);
    }
    l->wrong |= mistakes_so_far(l) == before ? 0 : UINT32_C(1) << kind->section;
    return code;
}

static int load_all_titled(struct loader *l) {
    struct conf *c = l->conf;
    void *services = NULL;
    void *endpoints = NULL;
    void *schedules = NULL;
    void *tokens = NULL;
    void *databases = NULL;
    const struct {
        const struct titled *kind;
        void **array;
        size_t *count;
    } all[] = {
        {&SERVICES, &services, &c->service_count},    {&ENDPOINTS, &endpoints, &c->endpoint_count},
        {&SCHEDULES, &schedules, &c->schedule_count}, {&TOKENS, &tokens, &c->token_count},
        {&DATABASES, &databases, &c->database_count},
    };
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof all / sizeof *all; i++) {
        code = load_titled(l, all[i].kind, all[i].array, all[i].count);
    }
    c->services = services;
    c->endpoints = endpoints;
    c->schedules = schedules;
    c->tokens = tokens;
    c->databases = databases;
    return code;
}

/* ---- rules between options ---- */

/* Where an option of a plain section was written, if it was. */
static struct conf_place place_of(const struct loader *l, enum conf_section which,
                                  const char *option) {
    struct conf_place place = l->place;
    struct conf_word word;
    place.section = CONF_SPECS[which].name;
    place.option = option;
    if (conf_word_at(cfg_getsec(l->cfg, place.section), option, 0, &word)) {
        place.line = word.line;
    }
    return place;
}

static int check_web(const struct loader *l) {
    struct conf_place listen = place_of(l, CONF_HTTP, "listen");
    struct conf_place token = place_of(l, CONF_HTTP, "token");
    return conf_check_web(&listen, &token, l->conf);
}

static int check_tls(const struct loader *l) {
    const struct broker_conf *b = &l->conf->broker;
    if ((b->cert_file[0] == '\0') != (b->key_file[0] == '\0')) {
        struct conf_place place =
            place_of(l, CONF_BROKER, b->cert_file[0] == '\0' ? "key_file" : "cert_file");
        return conf_fail(&place, "cert_file and key_file must be set together");
    }
    bool any_tls = false;
    for (size_t i = 0; i < b->address_count; i++) {
        any_tls = any_tls || b->addresses[i].tls;
    }
    if (!any_tls && (b->ca_file[0] != '\0' || b->cert_file[0] != '\0')) {
        struct conf_place place = place_of(l, CONF_BROKER, "url");
        return conf_fail(&place, "certificates are set, but the url is not mqtts://");
    }
    return 0;
}

static int check_egress(const struct loader *l) {
    struct conf_place place = place_of(l, CONF_EGRESS, "allow");
    for (size_t i = 0; i < l->conf->egress_allow_count; i++) {
        struct report r;
        if (egress_check(l->conf->egress_allow[i], &r) != 0) {
            return conf_fail(&place, "%s", r.text);
        }
    }
    return 0;
}

static int check_hosts(const struct loader *l) {
    struct hosts_conf *h = &l->conf->hosts;
    struct conf_place group = place_of(l, CONF_HOSTS, "group");
    int code = conf_check_name(&group, h->group);
    struct conf_place place = place_of(l, CONF_HOSTS, "this");
    if (code == 0 && h->share.place > h->share.count) {
        return conf_fail(&place, "%u is not possible with count = %u: use 1 to count",
                         (unsigned)h->share.place, (unsigned)h->share.count);
    }
    if (code == 0 && h->share.count > 1 && h->share.place == 0) {
        return conf_fail(&place,
                         "count is %u, so each host needs its number: write `this = 1` for the "
                         "first, or set ZINGQ_HOSTS_THIS",
                         (unsigned)h->share.count);
    }
    struct conf_place secret = place_of(l, CONF_HOSTS, "secret");
    if (code == 0 && h->believes_any && h->secret_count == 0) {
        return conf_fail(&secret,
                         "\"any\" is there for the time until all hosts have a secret: write "
                         "that secret before it, secret = {\"env:NAME\", \"any\"}");
    }
    h->share.place = h->share.place == 0 ? 1 : h->share.place;
    return code;
}

static int check_store(const struct loader *l) {
    struct conf_place url = place_of(l, CONF_STORE, "url");
    struct conf_place name = place_of(l, CONF_STORE, "name");
    bool given = l->conf->store_url[0] != '\0' || (url.line != 0 && !url.no_secrets);
    url.option = NULL; /* the sentence names it */
    if (given && !conf_is_postgres(l->conf->store_url)) {
        return conf_fail(&url, "%s", CONF_WANTS_POSTGRES);
    }
    return conf_check_name(&name, l->conf->store_name);
}

static int check_cluster(const struct loader *l) {
    struct conf_place name = place_of(l, CONF_CLUSTER, "name");
    struct conf_place host = place_of(l, CONF_CLUSTER, "host");
    return conf_check_cluster(&name, &host, l->conf);
}

static int check_was(const struct loader *l) {
    return conf_check_was(&l->place, l->conf);
}

static int check_databases(const struct loader *l) {
    return conf_check_databases(&l->place, l->conf);
}

/* ---- loading ---- */

/* A check between options needs sound ones: while its sections have mistakes it waits. */
static int load_all(struct loader *l) {
    int (*const steps[])(struct loader *) = {load_plain, load_vars, load_all_titled};
    const struct {
        int (*check)(const struct loader *l);
        uint32_t sections;
    } checks[] = {
        {check_web, 1u << CONF_HTTP | 1u << CONF_ENDPOINT | 1u << CONF_TOKEN},
        {check_was, 1u << CONF_SERVICE},
        {check_hosts, 1u << CONF_HOSTS},
        {check_egress, 1u << CONF_EGRESS},
        {check_tls, 1u << CONF_BROKER},
        {check_store, 1u << CONF_STORE},
        {check_cluster, 1u << CONF_CLUSTER | 1u << CONF_STORE},
        {check_databases, 1u << CONF_DATABASE | 1u << CONF_SERVICE},
    };
    int code = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && code == 0; i++) {
        code = steps[i](l);
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && code == 0; i++) {
        bool sound = (l->wrong & checks[i].sections) == 0;
        code = sound ? conf_pardon(&l->place, checks[i].check(l)) : 0;
    }
    return code == 0 && mistakes_so_far(l) > 0 ? ERR_INVALID : code;
}

/* The file's bytes, and its name for error messages. */
static int read_file(const char *file, const char **shown, char **bytes, size_t *len,
                     struct report *r) {
    *shown = file != NULL ? file : HERE;
    const char *why = "";
    int code = conf_read_bytes(*shown, bytes, len, &why);
    /* With sudo -u zingq this may be a folder that zingq cannot enter: nothing in it is meant. */
    if (file == NULL && (code == ERR_NOTFOUND || (code == ERR_SYSTEM && access(".", X_OK) != 0))) {
        *shown = SYSTEM_WIDE;
        code = conf_read_bytes(*shown, bytes, len, &why);
        if (code == ERR_NOTFOUND) {
            return report(r, code, "no topics.conf here and no %s: specify one with -c FILE",
                          SYSTEM_WIDE);
        }
    }
    if (code != 0 && code != ERR_MEMORY) {
        return report(r, code, "cannot read %s: %s", *shown, why);
    }
    return code;
}

/* Sets all paths; relative names start at the working directory. */
static int set_paths(struct loader *l, const char *shown, const struct conf_overrides *o) {
    struct conf *c = l->conf;
    char *cwd = getcwd(NULL, 0);
    if (cwd == NULL) {
        return report(l->place.report, ERR_SYSTEM, "cannot read the working directory: %s",
                      strerror(errno));
    }
    c->file = conf_join(cwd, shown);
    if (o != NULL && o->data != NULL) {
        l->data = conf_join(cwd, o->data);
    }
    free(cwd);
    if (c->file == NULL || (l->data == NULL && o != NULL && o->data != NULL)) {
        return ERR_MEMORY;
    }
    const char *slash = strrchr(c->file, '/');
    assert(slash != NULL);
    size_t len = slash == c->file ? 1 : (size_t)(slash - c->file);
    c->dir = slice_dup((struct slice){c->file, len});
    c->scripts_dir = c->dir == NULL ? NULL : conf_join(c->dir, "scripts");
    l->place.dir = c->dir;
    return c->scripts_dir == NULL ? ERR_MEMORY : 0;
}

static int load(struct loader *l, const char *shown, const char *bytes, size_t len,
                const struct conf_overrides *overrides) {
    int code = set_paths(l, shown, overrides);
    if (code == 0) {
        code = conf_read(&l->cfg, &l->place, bytes, len);
    }
    if (code == 0) {
        code = load_all(l);
        (void)cfg_free(l->cfg);
    }
    free(l->data);
    return code;
}

/* A message slightly too large is accepted and becomes a dead letter that says so; a packet that
 * would only fill memory stays at the broker. */
static uint32_t packet_limit(const struct conf *c) {
    uint64_t bytes = c->payload_bytes_max + MQTT_PACKET_ROOM_BYTES;
    /* A forwarded event has more bytes around it. */
    bytes += division_is_divided(&c->hosts.share) ? FORWARD_ROOM_BYTES : 0;
    return (uint32_t)(bytes > MQTT_PACKET_BYTES_LEAST ? bytes : MQTT_PACKET_BYTES_LEAST);
}

int conf_load(struct conf **out, const char *file, const struct conf_overrides *overrides,
              struct report *r) {
    const char *shown;
    char *bytes = NULL;
    size_t len = 0;
    int code = read_file(file, &shown, &bytes, &len, r);
    struct conf *c = code == 0 ? calloc(1, sizeof *c) : NULL;
    if (code == 0 && c == NULL) {
        code = ERR_MEMORY;
    }
    if (code == 0) {
        struct loader l = {.conf = c,
                           .place = {.file = shown, .report = r},
                           .broker_url = overrides == NULL ? NULL : overrides->broker_url};
        l.place.no_secrets = overrides != NULL && overrides->no_secrets;
        l.place.mistakes = overrides == NULL ? NULL : overrides->mistakes;
        code = load(&l, shown, bytes, len, overrides);
        if (code == ERR_INVALID && overrides != NULL && overrides->folder != NULL &&
            (l.wrong & 1u << CONF_STORE) == 0) {
            *overrides->folder = c->store_path;
            c->store_path = NULL;
        }
    }
    free(bytes);
    if (code == ERR_MEMORY) {
        (void)report(r, code, "out of memory while reading %s", shown);
    }
    if (code != 0) {
        conf_free(c);
        return code;
    }
    c->broker.packet_bytes_max = packet_limit(c);
    *out = c;
    return 0;
}

static void free_units(struct conf *c) {
    for (size_t i = 0; i < c->service_count; i++) {
        conf_clear_rows(&CONF_SPECS[CONF_SERVICE], &c->services[i]);
        free(c->services[i].name);
    }
    for (size_t i = 0; i < c->endpoint_count; i++) {
        conf_clear_rows(&CONF_SPECS[CONF_ENDPOINT], &c->endpoints[i]);
        free(c->endpoints[i].path);
    }
    for (size_t i = 0; i < c->schedule_count; i++) {
        conf_clear_rows(&CONF_SPECS[CONF_SCHEDULE], &c->schedules[i]);
        cron_zone_free(c->schedules[i].zone);
        free(c->schedules[i].name);
    }
    for (size_t i = 0; i < c->token_count; i++) {
        conf_clear_rows(&CONF_SPECS[CONF_TOKEN], &c->tokens[i]);
        free(c->tokens[i].name);
    }
    conf_free_databases(c);
    free(c->tokens);
    free(c->services);
    free(c->endpoints);
    free(c->schedules);
}

void conf_free(struct conf *c) {
    if (c == NULL) {
        return;
    }
    free_units(c);
    for (size_t i = 0; i < c->var_count; i++) {
        free(c->vars[i].name);
        free(c->vars[i].value);
    }
    free(c->vars);
    for (size_t i = 0; i < CONF_SECTION_COUNT; i++) {
        if (CONF_SPECS[i].form == CONF_PLAIN) {
            conf_clear_rows(&CONF_SPECS[i], c);
        }
    }
    free(c->scripts_dir);
    free(c->dir);
    free(c->file);
    free(c);
}

bool conf_has_service(const struct conf *c, const char *name) {
    size_t index;
    return conf_find_service(c, slice_of(name), &index);
}

int64_t conf_keep_idempotency(const struct conf *c, const struct service_conf *s) {
    int64_t ms = s != NULL ? s->keep_idempotency_ms : c->keep_idempotency_ms;
    for (size_t i = 0; s == NULL && i < c->service_count; i++) {
        int64_t of_one = c->services[i].keep_idempotency_ms;
        ms = of_one > ms ? of_one : ms;
    }
    return ms > 0 ? ms : c->keep_idempotency_ms;
}

const char *conf_var(const struct conf *c, const char *name) {
    for (size_t i = 0; i < c->var_count; i++) {
        if (strcmp(c->vars[i].name, name) == 0) {
            return c->vars[i].value;
        }
    }
    return NULL;
}
