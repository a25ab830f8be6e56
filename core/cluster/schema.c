/*
 * schema.c - see cluster/schema.h.
 *
 * Bodies come compressed, and are not compressed again (EXTERNAL). They stay in the row as long as they
 * fit a page: they are written once and read at most once. A host's row is changed by each turn: its page is
 * kept nearly empty, so that a new version finds room in it and no index is touched.
 */
#include "cluster/schema.h"

#include "cluster/impl.h"

#include <stdio.h>
#include <string.h>

/* Whether all is as make_tables leaves it. A zq.store that somebody has dropped is not made again. */
static const struct pg_statement look = {
    .name = "look",
    .text = "SELECT to_regnamespace('zq') IS NOT NULL, to_regclass('zq.format') IS NOT NULL"
            " AND to_regclass('zq.reign') IS NOT NULL"
            " AND (to_regclass('zq.store') IS NULL OR EXISTS (SELECT FROM pg_attribute"
            " WHERE attrelid = to_regclass('zq.store') AND attname = 'schema'))"};

/* Each is one transaction. The lock is for two hosts that start at once. */
static const struct pg_statement make_schema = {
    .text = "SELECT pg_advisory_xact_lock(2037415265); CREATE SCHEMA IF NOT EXISTS zq"};

static const struct pg_statement make_tables = {
    .text =
        "SELECT pg_advisory_xact_lock(2037415265);"
        "CREATE TABLE IF NOT EXISTS zq.format("
        " one bool PRIMARY KEY DEFAULT true CHECK (one), format int NOT NULL);"
        "CREATE TABLE IF NOT EXISTS zq.store("
        " id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE,"
        " log uuid NOT NULL, token uuid NOT NULL, epoch bigint NOT NULL, turn bigint NOT NULL,"
        " bytes bigint NOT NULL, snap_turn bigint NOT NULL, snap_token uuid NOT NULL,"
        " snap_slices int NOT NULL, snap_bytes bigint NOT NULL,"
        " owner text NOT NULL, since timestamptz NOT NULL,"
        " schema int NOT NULL DEFAULT 0) WITH (fillfactor = 20);"
        "CREATE TABLE IF NOT EXISTS zq.reign("
        " store int NOT NULL, epoch bigint NOT NULL, token uuid NOT NULL,"
        " from_turn bigint NOT NULL, PRIMARY KEY (store, epoch));"
        "CREATE TABLE IF NOT EXISTS zq.log("
        " store int NOT NULL, turn bigint NOT NULL, bytes bigint NOT NULL, body bytea NOT NULL,"
        " PRIMARY KEY (store, turn)) WITH (toast_tuple_target = 8160);"
        "CREATE TABLE IF NOT EXISTS zq.snap("
        " store int NOT NULL, turn bigint NOT NULL, token uuid NOT NULL, slice int NOT NULL,"
        " body bytea NOT NULL,"
        " PRIMARY KEY (store, turn, token, slice)) WITH (toast_tuple_target = 8160);"
        "ALTER TABLE zq.log ALTER body SET STORAGE EXTERNAL;"
        "ALTER TABLE zq.snap ALTER body SET STORAGE EXTERNAL;"
        "CREATE TABLE IF NOT EXISTS zq.cluster("
        " name text PRIMARY KEY, shards smallint NOT NULL, secret text NOT NULL,"
        " lost text, losses int NOT NULL DEFAULT 0, made timestamptz NOT NULL);"
        "CREATE TABLE IF NOT EXISTS zq.host("
        " cluster text NOT NULL, name text NOT NULL, token uuid NOT NULL, beat bigint NOT NULL,"
        " at timestamptz NOT NULL, lease_ms int NOT NULL, state text NOT NULL,"
        " draining bool NOT NULL DEFAULT false, process text NOT NULL, status text NOT NULL,"
        " stopping bool NOT NULL DEFAULT false,"
        " PRIMARY KEY (cluster, name)) WITH (fillfactor = 20);"
        "CREATE TABLE IF NOT EXISTS zq.shard("
        " cluster text NOT NULL, number smallint NOT NULL, owner text, since timestamptz NOT NULL,"
        " pin text, failed text, note text NOT NULL DEFAULT '', PRIMARY KEY (cluster, number));"
        "INSERT INTO zq.format(format) VALUES (2) ON CONFLICT DO NOTHING"};

static const struct pg_statement get_format = {.name = "format",
                                               .text = "SELECT format FROM zq.format"};

/* Rights, and what is not there or not as it was made: SQLSTATE's classes. */
static bool is_for_people(const char *sqlstate) {
    static const char *const classes[] = {"28", "3D", "3F", "42"};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (strncmp(sqlstate, classes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}

int cluster_refused(const struct pg_line *line, int code, const char *what, struct report *r) {
    bool final = code == ERR_REFUSED && is_for_people(pg_line_sqlstate(line));
    return report(r, final ? ERR_REFUSED : ERR_NETWORK, "%s: %s", what, pg_line_error(line));
}

static int run(struct pg_line *line, const struct pg_statement *s, const char *what,
               struct report *r) {
    struct pg_row row;
    int code = pg_line_ask(line, s, NULL, NULL, &row);
    return code == 0 || code == ERR_NOTFOUND ? 0 : cluster_refused(line, code, what, r);
}

static int make(struct pg_line *line, bool schema, struct report *r) {
    int code = schema ? 0
                      : run(line, &make_schema,
                            "the schema zq cannot be made (as a superuser: CREATE SCHEMA zq "
                            "AUTHORIZATION the user of store.url)",
                            r);
    return code == 0 ? run(line, &make_tables, "the tables in the schema zq cannot be made", r)
                     : code;
}

static int check_format(struct pg_line *line, struct report *r) {
    struct buf kept;
    struct pg_row row;
    buf_init(&kept, 64);
    int code = pg_line_ask(line, &get_format, NULL, &kept, &row);
    int64_t format = code == 0 ? pg_get_int(row.fields[0]) : 0;
    buf_clear(&kept);
    if (code != 0 && code != ERR_NOTFOUND) {
        return cluster_refused(line, code, "zq.format cannot be read", r);
    }
    if (format < CLUSTER_FORMAT) {
        return report(r, ERR_SCHEMA,
                      "an older zingq made the tables in the schema zq (format %lld; this one "
                      "knows %d): bring each store into a folder with that one (`zingq migrate "
                      "--to FOLDER`), drop the schema, and bring them back",
                      (long long)format, CLUSTER_FORMAT);
    }
    return format == CLUSTER_FORMAT
               ? 0
               : report(r, ERR_SCHEMA,
                        "the tables in the schema zq have format %lld, and this zingq knows %d: "
                        "use the zingq that made them, or a newer one",
                        (long long)format, CLUSTER_FORMAT);
}

/* What is there. */
static int look_around(struct pg_line *line, bool *schema, bool *tables, struct report *r) {
    struct buf kept;
    struct pg_row row;
    int version = pg_line_version(line);
    if (version != 0 && version < CLUSTER_SERVER_LEAST * 10000) {
        return report(r, ERR_INVALID, "the server is PostgreSQL %d: %d or newer is needed",
                      version / 10000, CLUSTER_SERVER_LEAST);
    }
    buf_init(&kept, 64);
    int code = pg_line_ask(line, &look, NULL, &kept, &row);
    *schema = code == 0 && pg_get_int(row.fields[0]) != 0;
    *tables = code == 0 && pg_get_int(row.fields[1]) != 0;
    buf_clear(&kept);
    return code == 0 ? 0 : cluster_refused(line, code, "the schema zq cannot be looked for", r);
}

int schema_find(struct pg_line *line, struct report *r) {
    bool schema = false;
    bool tables = false;
    int code = look_around(line, &schema, &tables, r);
    if (code == 0 && !tables) {
        return report(r, ERR_NOTFOUND, "the database has no tables of zingq");
    }
    return code == 0 ? check_format(line, r) : code;
}

int schema_make(struct pg_line *line, struct report *r) {
    bool schema = false;
    bool tables = false;
    int code = look_around(line, &schema, &tables, r);
    code = code == 0 && !tables ? make(line, schema, r) : code;
    return code == 0 ? check_format(line, r) : code;
}
