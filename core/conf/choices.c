/*
 * choices.c - options whose value is one of a few words.
 */
#include "conf/options.h"

#include "base/log.h"

#include <assert.h>
#include <string.h>

/* A word and what it stands for; tables end with NULL. */
struct choice {
    const char *word;
    int value;
};

static const struct choice YES_NO[] = {{"yes", 1}, {"no", 0}, {NULL, 0}};
static const struct choice SEVERAL_HOSTS[] = {{"divided", 0}, {"independent", 1}, {NULL, 0}};
static const struct choice ORDERS[] = {{"key", 1}, {"none", 0}, {NULL, 0}};
static const struct choice BACKOFFS[] = {
    {"exponential", BACKOFF_EXPONENTIAL}, {"constant", BACKOFF_CONSTANT}, {NULL, 0}};
static const struct choice ON_DEADS[] = {
    {"continue", ON_DEAD_CONTINUE}, {"park", ON_DEAD_PARK}, {NULL, 0}};
static const struct choice ROLES[] = {{"read", ROLE_READ},
                                      {"submit", ROLE_SUBMIT},
                                      {"operate", ROLE_OPERATE},
                                      {"admin", ROLE_ADMIN},
                                      {NULL, 0}};
static const struct choice AUTHS[] = {
    {"none", AUTH_NONE}, {"token", AUTH_TOKEN}, {"hmac", AUTH_HMAC}, {NULL, 0}};
static const struct choice PRESETS[] = {
    {"stripe", WEBHOOK_STRIPE}, {"standard-webhooks", WEBHOOK_STANDARD}, {NULL, 0}};
static_assert(sizeof(enum role) == sizeof(int) && sizeof(enum auth) == sizeof(int) &&
                  sizeof(enum missed) == sizeof(int) && sizeof(enum on_dead) == sizeof(int) &&
                  sizeof(enum backoff) == sizeof(int) && sizeof(enum log_level) == sizeof(int) &&
                  sizeof(enum webhook_preset) == sizeof(int),
              "set_enum writes an int");
static const struct choice MISSED[] = {{"once", MISSED_ONCE}, {"skip", MISSED_SKIP}, {NULL, 0}};
static const struct choice LOG_LEVELS[] = {{"debug", LOG_LEVEL_DEBUG},
                                           {"info", LOG_LEVEL_INFO},
                                           {"warn", LOG_LEVEL_WARN},
                                           {"error", LOG_LEVEL_ERROR},
                                           {NULL, 0}};
static const struct choice LOG_FORMATS[] = {{"text", 0}, {"json", 1}, {NULL, 0}};

static const struct choice *const CHOICES[CONF_KIND_COUNT] = {[CONF_YES_NO] = YES_NO,
                                                              [CONF_SEVERAL_HOSTS] = SEVERAL_HOSTS,
                                                              [CONF_ORDER] = ORDERS,
                                                              [CONF_BACKOFF] = BACKOFFS,
                                                              [CONF_ON_DEAD] = ON_DEADS,
                                                              [CONF_MISSED] = MISSED,
                                                              [CONF_ROLE] = ROLES,
                                                              [CONF_AUTH] = AUTHS,
                                                              [CONF_PRESET] = PRESETS,
                                                              [CONF_LOG_LEVEL] = LOG_LEVELS,
                                                              [CONF_LOG_FORMAT] = LOG_FORMATS};

bool conf_list_choices(enum conf_kind kind, struct buf *out) {
    const struct choice *first = CHOICES[kind];
    for (const struct choice *c = first; c != NULL && c->word != NULL; c++) {
        buf_printf(out, "%s%s", c == first ? "" : " or ", c->word);
    }
    return first != NULL;
}

int conf_choose(const struct conf_place *place, enum conf_kind kind, const char *text, int *out) {
    assert(CHOICES[kind] != NULL);
    for (const struct choice *c = CHOICES[kind]; c->word != NULL; c++) {
        if (strcmp(c->word, text) == 0) {
            *out = c->value;
            return 0;
        }
    }
    struct buf words;
    buf_init(&words, 256);
    (void)conf_list_choices(kind, &words);
    int code = conf_fail(place, "\"%s\" is not valid: write %s", text, buf_str(&words));
    buf_clear(&words);
    return code;
}
