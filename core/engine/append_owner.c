/*
 * append_owner.c - see engine/append_owner.h.
 */
#include "engine/append_owner.h"

#include <stdio.h>

enum { FLAG_BYTES = 256 };

static void flag_name(struct slice file, char out[FLAG_BYTES]) {
    (void)snprintf(out, FLAG_BYTES, "owner/%.*s", (int)file.len, file.data);
}

int append_owner(struct journal *journal, struct slice file, uint16_t *service) {
    char flag[FLAG_BYTES];
    uint64_t number = 0;
    flag_name(file, flag);
    int code = journal_flag_get(journal, flag, &number);
    *service = (uint16_t)number;
    return code;
}

/* A handler that began before the file had an owner may write to it, too. */
int append_claim(struct journal *journal, struct slice file, uint16_t service) {
    char flag[FLAG_BYTES];
    uint16_t owner;
    int code = append_owner(journal, file, &owner);
    if (code != ERR_NOTFOUND) {
        return code;
    }
    flag_name(file, flag);
    return journal_flag_put(journal, flag, service);
}
