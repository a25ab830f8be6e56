/*
 * flags.c - see journal/flags.h.
 */
#include "journal/flags.h"

#include "journal/impl.h"

#include <stdio.h>

enum { NAME_BYTES = sizeof "throttled/" + NAME_BYTES_MAX };

/* What counts where events of two stores come together. */
enum join { OWN, HIGHEST, LOWEST };

static const struct {
    const char *name;
    bool renamed; /* goes on under the service's new name */
    enum join join;
} flags[] = {
    /* clang-format off */
    [FLAG_PAUSED]    = {"paused",    true,  HIGHEST},
    [FLAG_RATE]      = {"rate",      true,  OWN},
    [FLAG_THROTTLED] = {"throttled", true,  OWN},
    [FLAG_HANGS]     = {"hangs",     true,  OWN},
    [FLAG_WINDOW]    = {"window",    true,  LOWEST},
    [FLAG_FORGOTTEN] = {"forgotten", true,  HIGHEST},
    [FLAG_MOVE]      = {"move",      false, OWN}, /* of a service that is gone */
    [FLAG_MOVING]    = {"moving",    false, OWN},
    /* clang-format on */
};

enum { FLAG_COUNT = sizeof flags / sizeof *flags };

static const char *name_of(enum service_flag flag, const char *service, char out[NAME_BYTES]) {
    (void)snprintf(out, NAME_BYTES, "%s/%s", flags[flag].name, service);
    return out;
}

int flags_get(struct journal *j, enum service_flag flag, const char *service, uint64_t *value) {
    char name[NAME_BYTES];
    return journal_flag_get(j, name_of(flag, service, name), value);
}

int flags_put(struct journal *j, enum service_flag flag, const char *service, uint64_t value) {
    char name[NAME_BYTES];
    return journal_flag_put(j, name_of(flag, service, name), value);
}

static int rename_one(struct journal *j, enum service_flag flag, const char *from, const char *to) {
    char name[NAME_BYTES];
    uint64_t value;
    int code = flags_get(j, flag, from, &value);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    code = flags_put(j, flag, to, value);
    return code == 0 ? journal_flag_del(j, name_of(flag, from, name)) : code;
}

int flags_rename(struct journal *j, const char *from, const char *to) {
    int code = 0;
    for (unsigned i = 0; code == 0 && i < FLAG_COUNT; i++) {
        code = flags[i].renamed ? rename_one(j, (enum service_flag)i, from, to) : 0;
    }
    return code;
}

static int join_one(struct journal *to, struct journal *from, enum service_flag flag,
                    const char *service) {
    uint64_t own;
    uint64_t other;
    int code = flags_get(from, flag, service, &other);
    int there = code == 0 ? flags_get(to, flag, service, &own) : code;
    if (code != 0 || (there != 0 && there != ERR_NOTFOUND)) {
        return code == ERR_NOTFOUND ? 0 : code != 0 ? code : there;
    }
    bool counts = there == ERR_NOTFOUND || (flags[flag].join == LOWEST ? other < own : other > own);
    return counts ? flags_put(to, flag, service, other) : 0;
}

int flags_join(struct journal *to, struct journal *from, const char *service) {
    int code = 0;
    for (unsigned i = 0; code == 0 && i < FLAG_COUNT; i++) {
        code = flags[i].join == OWN ? 0 : join_one(to, from, (enum service_flag)i, service);
    }
    return code;
}
