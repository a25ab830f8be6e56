/*
 * change.c - compares two versions of topics.conf, option by option, and exchanges them.
 */
#include "conf/change.h"

#include "conf/options.h"

#include <assert.h>
#include <string.h>

/* ---- options ---- */

static bool same_text(const void *a, const void *b) {
    const char *const *x = a;
    const char *const *y = b;
    return *x == NULL || *y == NULL ? *x == *y : strcmp(*x, *y) == 0;
}

/* A list has its number behind it. */
struct words {
    char **items;
    size_t count;
};

static bool same_list(const void *a, const void *b) {
    const struct words *x = a;
    const struct words *y = b;
    bool same = x->count == y->count;
    for (size_t i = 0; same && i < x->count; i++) {
        same = strcmp(x->items[i], y->items[i]) == 0;
    }
    return same;
}

static bool same_urls(const void *a, const void *b) {
    const struct broker_conf *x =
        (const void *)((const char *)a - offsetof(struct broker_conf, addresses));
    const struct broker_conf *y =
        (const void *)((const char *)b - offsetof(struct broker_conf, addresses));
    bool same = x->address_count == y->address_count;
    for (size_t i = 0; same && i < x->address_count; i++) {
        same = strcmp(x->addresses[i].url, y->addresses[i].url) == 0;
    }
    return same;
}

static bool same_rule(const void *a, const void *b) {
    const struct rule *x = a;
    const struct rule *y = b;
    return x->kind == y->kind && x->level == y->level && same_text(&x->arg, &y->arg);
}

static bool same_letters(const void *a, const void *b) {
    const struct letter_quota *x = a;
    const struct letter_quota *y = b;
    return x->count == y->count && x->bytes == y->bytes;
}

/* The size of a field that is a number, a word out of a few, or yes or no. */
static size_t plain_bytes(enum conf_kind kind) {
    switch (kind) {
    case CONF_U16:
        return sizeof(uint16_t);
    case CONF_U32:
    case CONF_SECONDS:
        return sizeof(uint32_t);
    case CONF_RATE:
    case CONF_FRACTION:
        return sizeof(double);
    case CONF_YES_NO:
    case CONF_SEVERAL_HOSTS:
    case CONF_ORDER:
    case CONF_LOG_FORMAT:
        return sizeof(bool);
    case CONF_BACKOFF:
    case CONF_ON_DEAD:
    case CONF_MISSED:
    case CONF_ROLE:
    case CONF_AUTH:
    case CONF_PRESET:
    case CONF_LOG_LEVEL:
        return sizeof(int);
    default:
        return sizeof(int64_t);
    }
}

static_assert(sizeof(enum backoff) == sizeof(int) && sizeof(enum role) == sizeof(int),
              "the enumerations are stored as int");

static bool same_option(const struct conf_row *row, const void *a, const void *b) {
    const char *x = (const char *)a + row->offset;
    const char *y = (const char *)b + row->offset;
    switch (row->kind) {
    case CONF_TEXT:
    case CONF_SECRET:
    case CONF_PATH:
    case CONF_SCRIPT:
    case CONF_TOPIC:
    case CONF_TOPIC_DEFAULT:
    case CONF_LISTEN:
    case CONF_RECEIVER:
    case CONF_CRON:
    case CONF_ZONE:
        return same_text(x, y);
    case CONF_SECRETS:
    case CONF_FILTERS:
    case CONF_NAMES:
    case CONF_KEYS:
    case CONF_HEADERS:
        return same_list(x, y);
    case CONF_URL:
        return same_urls(x, y);
    case CONF_RULE:
        return same_rule(x, y);
    case CONF_LETTERS:
        return same_letters(x, y);
    default:
        return memcmp(x, y, plain_bytes(row->kind)) == 0;
    }
}

static bool same_options(enum conf_section section, const void *a, const void *b) {
    const struct conf_spec *spec = &CONF_SPECS[section];
    bool same = true;
    for (size_t i = 0; same && i < spec->row_count; i++) {
        same = same_option(&spec->rows[i], a, b);
    }
    return same;
}

/* ---- sections ---- */

/* Sections with a title, in an array; the title is the first field of each. */
struct titled {
    const void *items;
    size_t count, item_bytes;
};

static_assert(offsetof(struct service_conf, name) == 0 && offsetof(struct endpoint_conf, path) == 0,
              "the title comes first");
static_assert(offsetof(struct schedule_conf, name) == 0 && offsetof(struct token_conf, name) == 0,
              "the title comes first");
static_assert(offsetof(struct database_conf, name) == 0, "the title comes first");

static bool same_titled(enum conf_section section, struct titled a, struct titled b) {
    bool same = a.count == b.count;
    for (size_t i = 0; same && i < a.count; i++) {
        const char *x = (const char *)a.items + i * a.item_bytes;
        const char *y = (const char *)b.items + i * b.item_bytes;
        same = same_text(x, y) && same_options(section, x, y);
    }
    return same;
}

static struct titled titled_of(const struct conf *c, enum conf_section section) {
    switch (section) {
    case CONF_SERVICE:
        return (struct titled){c->services, c->service_count, sizeof *c->services};
    case CONF_ENDPOINT:
        return (struct titled){c->endpoints, c->endpoint_count, sizeof *c->endpoints};
    case CONF_SCHEDULE:
        return (struct titled){c->schedules, c->schedule_count, sizeof *c->schedules};
    case CONF_DATABASE:
        return (struct titled){c->databases, c->database_count, sizeof *c->databases};
    default:
        return (struct titled){c->tokens, c->token_count, sizeof *c->tokens};
    }
}

static bool same_vars(const struct conf *a, const struct conf *b) {
    bool same = a->var_count == b->var_count;
    for (size_t i = 0; same && i < a->var_count; i++) {
        const struct var_conf *x = &a->vars[i];
        const struct var_conf *y = &b->vars[i];
        same = x->secret == y->secret && strcmp(x->name, y->name) == 0 &&
               strcmp(x->value, y->value) == 0;
    }
    return same;
}

static bool same_section(enum conf_section section, const struct conf *a, const struct conf *b) {
    switch (CONF_SPECS[section].form) {
    case CONF_PLAIN:
        return same_options(section, a, b);
    case CONF_FREE:
        return same_vars(a, b);
    case CONF_TITLED:
        break;
    }
    return same_titled(section, titled_of(a, section), titled_of(b, section));
}

bool conf_same(const struct conf *a, const struct conf *b) {
    bool same = true;
    for (size_t i = 0; same && i < CONF_SECTION_COUNT; i++) {
        same = same_section(i, a, b);
    }
    return same;
}

/* ---- what only a restart changes ---- */

/* Options, and sections of which it is true of every option. */
bool conf_is_fixed(const char *section, const char *option) {
    static const struct {
        const char *section, *option;
    } fixed[] = {
        {"broker", NULL},      {"hosts", NULL},       {"cluster", NULL},    {"store", "path"},
        {"store", "max_size"}, {"store", "url"},      {"store", "name"},    {"http", "listen"},
        {"http", "proxies"},   {"http", "cert_file"}, {"http", "key_file"}, {"limits", "payload"},
        {"limits", "memory"},  {"sys", "interval"},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (strcmp(fixed[i].section, section) == 0 &&
            (fixed[i].option == NULL || strcmp(fixed[i].option, option) == 0)) {
            return true;
        }
    }
    return false;
}

static void add_name(struct buf *names, const char *section, const char *option) {
    buf_printf(names, "%s%s.%s", names->len > 0 ? ", " : "", section, option);
}

static void add_fixed(const struct conf *running, const struct conf *fresh, struct buf *names) {
    for (size_t s = 0; s < CONF_SECTION_COUNT; s++) {
        const struct conf_spec *spec = &CONF_SPECS[s];
        for (size_t i = 0; spec->form == CONF_PLAIN && i < spec->row_count; i++) {
            if (conf_is_fixed(spec->name, spec->rows[i].name) &&
                !same_option(&spec->rows[i], running, fresh)) {
                add_name(names, spec->name, spec->rows[i].name);
            }
        }
    }
}

/* Both forms of a subscription would be there for a while, and each message would come twice. */
static void add_shares(const struct conf *running, const struct conf *fresh, struct buf *names) {
    for (size_t i = 0; i < running->service_count; i++) {
        const struct service_conf *before = &running->services[i];
        size_t at;
        if (conf_find_heir(fresh, slice_of(before->name), &at) &&
            fresh->services[at].share != before->share) {
            add_name(names, fresh->services[at].name, "share");
        }
    }
}

/* Their connections and the statements under way belong to the databases that were there first. */
static void add_databases(const struct conf *running, const struct conf *fresh, struct buf *names) {
    if (!same_section(CONF_DATABASE, running, fresh)) {
        buf_printf(names, "%sdatabase{}", names->len > 0 ? ", " : "");
    }
}

/* The other hosts know the services of this one, by their numbers, from when it connected. */
static void add_services(const struct conf *running, const struct conf *fresh, struct buf *names) {
    bool same = running->service_count == fresh->service_count;
    for (size_t i = 0; same && i < running->service_count; i++) {
        same = conf_has_service(fresh, running->services[i].name);
    }
    if (!same && division_is_divided(&running->hosts.share)) {
        buf_printf(names, "%sthe list of services where hosts divide the keys",
                   names->len > 0 ? ", " : "");
    }
}

int conf_check_change(const struct conf *running, const struct conf *fresh, struct report *r) {
    struct buf names;
    buf_init(&names, sizeof r->text / 2);
    add_fixed(running, fresh, &names);
    add_shares(running, fresh, &names);
    add_services(running, fresh, &names);
    add_databases(running, fresh, &names);
    int code = 0;
    if (names.failed || names.len > 0) {
        code = report(r, ERR_INVALID, "a change of %s needs a restart of the host",
                      names.failed ? "so many options" : buf_str(&names));
    }
    buf_clear(&names);
    return code;
}

/* ---- taking over ---- */

void conf_exchange(struct conf *running, struct conf *fresh) {
#define KEPT(field)                                                                                \
    { offsetof(struct conf, field), sizeof((struct conf *)0)->field }
    static const struct {
        size_t offset, bytes;
    } kept[] = {
        KEPT(file),           KEPT(dir),           KEPT(scripts_dir),  KEPT(broker),
        KEPT(store_path),     KEPT(http_listen),   KEPT(http_proxies), KEPT(http_proxy_count),
        KEPT(http_cert_file), KEPT(http_key_file), KEPT(hosts),        KEPT(databases),
        KEPT(database_count), KEPT(store_url),     KEPT(store_name),   KEPT(cluster),
    };
#undef KEPT
    struct conf before = *running;
    *running = *fresh;
    *fresh = before;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        char *ours = (char *)running + kept[i].offset;
        char *theirs = (char *)fresh + kept[i].offset;
        memcpy(theirs, ours, kept[i].bytes);
        memcpy(ours, (const char *)&before + kept[i].offset, kept[i].bytes);
    }
}
