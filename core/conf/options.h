/*
 * options.h - the options of topics.conf as rows, and the one way a written value becomes a
 * field of a struct. Part of conf/conf.c; nobody else includes this.
 *
 * A new option is one row in conf/options.c and one field in conf/conf.h or conf/service.h.
 */
#ifndef ZINGQ_CONF_OPTIONS_H
#define ZINGQ_CONF_OPTIONS_H

#include "conf/conf.h"

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a value is written and what it becomes. */
enum conf_kind {
    CONF_TEXT,          /* char * */
    CONF_SECRET,        /* char *; env:NAME and file:PATH are resolved */
    CONF_SECRETS,       /* char **; the same, their number behind it */
    CONF_PATH,          /* char *; made absolute from the file's folder; "" stays */
    CONF_SCRIPT,        /* char *, a file in scripts/; "" gives NULL */
    CONF_TOPIC,         /* char *, a topic to publish to; "" stays */
    CONF_TOPIC_DEFAULT, /* the same, NULL when not given */
    CONF_FILTERS,       /* char **, topic filters that do not overlap; their number behind it */
    CONF_NAMES,         /* char **; their number behind it */
    CONF_U16,           /* uint16_t */
    CONF_U32,           /* uint32_t */
    CONF_U64,           /* uint64_t */
    CONF_MS,            /* int64_t, a duration in milliseconds */
    CONF_MS_OR_OFF,     /* the same; "off" is 0 */
    CONF_MS_OR_AUTO,    /* the same; "auto" is CONF_AUTO */
    CONF_MS_OR_NONE,    /* the same; 0 when not given */
    CONF_SECONDS,       /* uint32_t, a duration in seconds, rounded up */
    CONF_SIZE,          /* uint64_t, bytes */
    CONF_SIZE_OR_NONE,  /* the same; 0 when not given */
    CONF_LETTERS,       /* struct letter_quota; zeros when not given */
    CONF_RATE,          /* double, a second */
    CONF_FRACTION,      /* double */
    CONF_YES_NO,        /* bool */
    CONF_BACKOFF,       /* enum backoff */
    CONF_ON_DEAD,       /* enum on_dead */
    CONF_SEVERAL_HOSTS, /* bool service_conf.independent */
    CONF_ORDER,         /* bool service_conf.ordered */
    CONF_RULE,          /* struct rule */
    CONF_URL,           /* struct broker_conf: url, host, port, tls */
    CONF_LISTEN,        /* char *, address:port or unix:/path; "" stays */
    CONF_CRON,          /* char * and schedule_conf.ticks */
    CONF_ZONE,          /* char * and schedule_conf.zone */
    CONF_MISSED,        /* enum missed */
    CONF_ROLE,          /* enum role */
    CONF_AUTH,          /* enum auth */
    CONF_PRESET,        /* enum webhook_preset */
    CONF_RECEIVER,      /* char *, http(s)://host[:port][/path]; "" stays */
    CONF_HEADERS,       /* char **, "Name: value", a value as CONF_SECRET; their number behind it */
    CONF_KEYS,          /* char **; each as CONF_SECRET, not empty; their number behind it */
    CONF_LOG_LEVEL,     /* enum log_level */
    CONF_LOG_FORMAT,    /* bool log_settings.json */
    CONF_KIND_COUNT
};

struct conf_row {
    const char *name;
    enum conf_kind kind;
    const char *fallback; /* the text that stands when none is given; NULL = must be given */
    size_t offset;        /* of the field in the section's object */
    int64_t min, max;     /* for numbers, in the field's unit; durations: milliseconds */
    const char *help;     /* for people: docs/options.md is made of it */
};

enum conf_section_form {
    CONF_PLAIN,  /* name { options } */
    CONF_FREE,   /* name { any = "text" } */
    CONF_TITLED, /* name "title" { options }, any number of them */
};

/* A section; the fields of a plain one are in struct conf, of a titled one in its own struct. */
struct conf_spec {
    const char *name;
    enum conf_section_form form;
    const struct conf_row *rows;
    size_t row_count;
};

enum conf_section {
    CONF_BROKER,
    CONF_STORE,
    CONF_HTTP,
    CONF_LIMITS,
    CONF_SYS,
    CONF_HOSTS,
    CONF_CLUSTER,
    CONF_EGRESS,
    CONF_LOG,
    CONF_TELEMETRY,
    CONF_VARS,
    CONF_SERVICE,
    CONF_ENDPOINT,
    CONF_SCHEDULE,
    CONF_TOKEN,
    CONF_DATABASE,
    CONF_SECTION_COUNT
};

extern const struct conf_spec CONF_SPECS[CONF_SECTION_COUNT];

/* Where a value comes from; what stands before the sentence of every error. */
struct conf_place {
    const char *file;               /* topics.conf as the user named it */
    const char *dir;                /* its folder, absolute */
    int line;                       /* in the file; 0 = none */
    const char *origin;             /* instead of file and line: "ZINGQ_BROKER_URL", "--broker" */
    const char *section;            /* "service"; NULL = none */
    const char *title;              /* "payments"; NULL = none */
    const char *option;             /* "retries"; NULL = none */
    bool no_secrets;                /* env: and file: are not read: see conf_overrides */
    struct conf_mistakes *mistakes; /* from conf_overrides */
    struct report *report;
};

/* Writes `topics.conf:14: service "payments": retries: ...`, tells it to place->mistakes and
 * returns ERR_INVALID. */
int conf_fail(const struct conf_place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* core/conf/cluster.c: cluster { }, and where its options stand; the host's name is completed. */
int conf_check_cluster(const struct conf_place *name, const struct conf_place *host,
                       struct conf *c);
/* What may be the name of something: 1 to NAME_BYTES_MAX letters, digits, - and _. */
int conf_check_name(const struct conf_place *place, const char *name);

/* 0 in place of the ERR_INVALID of a conf_fail that was told to place->mistakes: reading goes on,
 * and their count makes it fail in the end. */
static inline int conf_pardon(const struct conf_place *place, int code) {
    return code == ERR_INVALID && place->mistakes != NULL ? 0 : code;
}

/* A text written for an option. */
struct conf_word {
    const char *text;
    int line;
};

/* Whether the option takes any number of words; all others take exactly one. */
bool conf_is_list(const struct conf_row *row);
/* Sets the row's field in `object`, which is zero there. ERR_INVALID with a sentence, ERR_MEMORY;
 * what was set until then is freed by conf_clear_rows. */
int conf_set(const struct conf_place *place, const struct conf_row *row,
             const struct conf_word *words, size_t count, void *object);
/* The value of a text that is one of a kind's few words. ERR_INVALID with a sentence that lists
 * them. */
int conf_choose(const struct conf_place *place, enum conf_kind kind, const char *text, int *out);
/* Appends a kind's few words, "yes or no"; false if it takes others. */
bool conf_list_choices(enum conf_kind kind, struct buf *out);
/* Frees what conf_set put into the fields. */
void conf_clear_rows(const struct conf_spec *spec, void *object);

/* Resolves env:NAME and file:PATH, to "" with place->no_secrets; *secret says whether it was one of
 * them. `may_miss`: an unset variable gives "". The caller frees *out. */
int conf_resolve(const struct conf_place *place, const char *text, bool may_miss, char **out,
                 bool *secret);
/* `path`, or dir/path when it is relative; malloc'd, NULL when out of memory. */
char *conf_join(const char *dir, const char *path);
/* A whole regular file, terminated, malloc'd, at most CONF_BYTES_MAX. ERR_NOTFOUND, ERR_LIMIT,
 * ERR_MEMORY, ERR_SYSTEM: *why says why, as strerror does. */
int conf_read_bytes(const char *path, char **out, size_t *len, const char **why);

/* ---- conf/explain.c ---- */

/* Appends what a person may write for the option: "a duration, 1 s to 30 d". */
void conf_explain_values(const struct conf_row *row, struct buf *out);

/* ---- conf/environment.c ---- */

enum { VARIABLE_BYTES_MAX = 2 * NAME_BYTES_MAX + 16 };

/* ZINGQ_<SECTION>_<OPTION>, into `out`. */
const char *conf_variable_name(const char *section, const char *option,
                               char out[VARIABLE_BYTES_MAX]);

/* ---- conf/finish.c ---- */

/* Completes what the rows of one section have set. ERR_INVALID with a sentence, ERR_MEMORY. */
int conf_finish_service(const struct conf_place *place, void *service);
int conf_finish_schedule(const struct conf_place *place, void *schedule);
/* The names that services had, when all services are read. */
int conf_check_was(const struct conf_place *place, const struct conf *c);

/* ---- conf/database.c ---- */

/* As above. */
int conf_finish_database(const struct conf_place *place, void *database);
#define CONF_WANTS_POSTGRES                                                                        \
    "url must begin with postgres://, as in \"postgres://host:5432/name\", and is best kept in "   \
    "the environment: url = \"env:DATABASE_URL\""
/* The rules between databases and the rest. */
int conf_check_databases(const struct conf_place *place, const struct conf *c);
void conf_free_databases(struct conf *c);

/* ---- conf/web.c: the front door ---- */

/* Completes what the rows of one section have set. ERR_INVALID with a sentence, ERR_MEMORY. */
int conf_finish_endpoint(const struct conf_place *place, void *endpoint);
int conf_finish_token(const struct conf_place *place, void *token);
/* Who may come in, over all sections. `listen` and `token` are the places of the two options of
 * http{}. ERR_INVALID with a sentence. */
int conf_check_web(const struct conf_place *listen, const struct conf_place *token, struct conf *c);

#endif
