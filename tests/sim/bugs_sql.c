/*
 * bugs_sql.c - planted bugs of zing.sql and zing.sql.once, and of backups. See bugs.h.
 */
#include "bugs.h"
#include "sim.h"

#include "backup/files.h"
#include "engine/attempt.h"
#include "engine/input.h"
#include "engine/outcome.h"
#include "lua/api/outside.h"
#include "lua/api/sql.h"

#include <string.h>

/* once-anew: each attempt counts as another effect. */
WRAP(const char *, api_once_key, const struct run *run, const char *database, struct slice name,
     char out[CALL_KEY_BYTES], unsigned *round) {
    const char *key = __real_api_once_key(run, database, name, out, round);
    *round += bug_is(BUG_ONCE_ANEW) ? run->event->attempts : 0;
    return key;
}

/* session-left: a handler that goes on after an error has its transaction still. */
WRAP(void, engine_leave_session, struct engine *e, struct invocation *inv) {
    if (bug_is(BUG_SESSION_LEFT)) {
        inv->session = 0;
    }
    __real_engine_leave_session(e, inv);
}

/* commit-assumed: a COMMIT without an answer counts as done. */
WRAP(int, engine_resume, struct engine *e, struct call_end *end) {
    struct invocation *inv = engine_find_call(e, end->id);
    const struct call_request *q = inv == NULL ? NULL : inv->run->request;
    bool commits = q != NULL && q->kind == CALL_KIND_SQL && q->scope == SQL_COMMIT;
    if (commits && end->result.sent && bug_is(BUG_COMMIT_ASSUMED)) {
        end->result.code = 0;
        end->result.status = 0;
    }
    return __real_engine_resume(e, end);
}

/* result-other: an attempt that finds the row has another result than the first one had. */
WRAP(void, sql_push_bytes, lua_State *L, struct slice text) {
    char other[64];
    if (text.len < 4 || text.len > sizeof other || !bug_is(BUG_RESULT_OTHER)) {
        __real_sql_push_bytes(L, text);
        return;
    }
    memcpy(other, text.data, text.len);
    other[5] = other[5] == '7' ? '8' : '7'; /* of a whole number: behind its type */
    __real_sql_push_bytes(L, (struct slice){other, text.len});
}

/* backup-short: the files of zing.append are left out. */
WRAP(int, backup_folder, const char *from, const char *to, const char *name,
     const struct backup_owner *owner, struct backup_sizes *sizes, struct report *r) {
    return bug_is(BUG_BACKUP_SHORT) ? 0 : __real_backup_folder(from, to, name, owner, sizes, r);
}
