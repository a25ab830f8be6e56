/*
 * calls.c - see fault.h: the calls that can fail. A row here is all there is to one: tests/CMakeLists.txt reads the names.
 *
 * Left out: what never fails if it is used as documented (uv_timer_init, curl_multi_assign, clock_gettime, munmap).
 */
#define CURL_DISABLE_TYPECHECK
#include "impl.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <lmdb.h>
#include <microhttpd.h>
#include <mosquitto.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

/* What a call that fails gives: `error` is what it leaves in errno. */
#define FAILS(kind, name, error, result)                                                           \
    if (fault_strikes(kind, #name)) {                                                              \
        errno = (error);                                                                           \
        return result;                                                                             \
    }
#define HEAD(type, name, parameters)                                                               \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,bugprone-macro-parentheses): named by the linker */

#define CALL(name, type, parameters, arguments, kind, error, result)                               \
    HEAD(type, name, parameters) {                                                                 \
        FAILS(kind, name, error, result)                                                           \
        return __real_##name arguments;                                                            \
    }
#define MEMORY(name, type, parameters, arguments)                                                  \
    CALL(name, type, parameters, arguments, FAULT_MEMORY, ENOMEM, NULL)
#define SYSTEM(name, parameters, arguments, error)                                                 \
    CALL(name, int, parameters, arguments, FAULT_SYSTEM, error, -1)
#define STORE(name, parameters, arguments)                                                         \
    CALL(name, int, parameters, arguments, FAULT_STORE, EIO, EIO)
#define LIBRARY(name, type, parameters, arguments, result)                                         \
    CALL(name, type, parameters, arguments, FAULT_LIBRARY, ENOMEM, result)
/* Calls that may be interrupted, or do less than they are asked to. */
#define TRANSFER(name, parameters, arguments, less, error)                                         \
    HEAD(ssize_t, name, parameters) {                                                              \
        FAILS(FAULT_SYSTEM, name, error, -1)                                                       \
        FAILS(FAULT_INTERRUPT, name, EINTR, -1)                                                    \
        if (fault_strikes(FAULT_SHORT, #name)) {                                                   \
            return __real_##name less;                                                             \
        }                                                                                          \
        return __real_##name arguments;                                                            \
    }
#define INTERRUPTED(name, parameters, arguments, error)                                            \
    HEAD(int, name, parameters) {                                                                  \
        FAILS(FAULT_SYSTEM, name, error, -1)                                                       \
        FAILS(FAULT_INTERRUPT, name, EINTR, -1)                                                    \
        return __real_##name arguments;                                                            \
    }

/* --- memory --- */

MEMORY(malloc, void *, (size_t size), (size))
MEMORY(calloc, void *, (size_t count, size_t size), (count, size))
MEMORY(realloc, void *, (void *block, size_t size), (block, size))
MEMORY(reallocarray, void *, (void *block, size_t count, size_t size), (block, count, size))
MEMORY(strdup, char *, (const char *text), (text))
MEMORY(open_memstream, FILE *, (char **text, size_t *len), (text, len))
MEMORY(fmemopen, FILE *, (void *text, size_t len, const char *mode), (text, len, mode))
CALL(vasprintf, int, (char **text, const char *form, va_list args), (text, form, args),
     FAULT_MEMORY, ENOMEM, -1)

HEAD(int, asprintf, (char **text, const char *form, ...)) {
    FAILS(FAULT_MEMORY, asprintf, ENOMEM, -1)
    va_list args;
    va_start(args, form);
    int len = __real_vasprintf(text, form, args);
    va_end(args);
    return len;
}

/* --- the system --- */

HEAD(int, open, (const char *path, int flags, ...)) {
    FAILS(FAULT_SYSTEM, open, EMFILE, -1)
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    return __real_open(path, flags, mode);
}

HEAD(int, fcntl, (int fd, int command, ...)) {
    FAILS(FAULT_SYSTEM, fcntl, EINVAL, -1)
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    return __real_fcntl(fd, command, argument);
}

TRANSFER(read, (int fd, void *to, size_t len), (fd, to, len), (fd, to, len > 0), EIO)
TRANSFER(write, (int fd, const void *from, size_t len), (fd, from, len), (fd, from, len > 0),
         ENOSPC)
TRANSFER(pread, (int fd, void *to, size_t len, off_t at), (fd, to, len, at), (fd, to, len > 0, at),
         EIO)
TRANSFER(pwrite, (int fd, const void *from, size_t len, off_t at), (fd, from, len, at),
         (fd, from, len > 0, at), ENOSPC)
TRANSFER(recv, (int fd, void *to, size_t len, int flags), (fd, to, len, flags),
         (fd, to, len > 0, flags), ECONNRESET)
TRANSFER(send, (int fd, const void *from, size_t len, int flags), (fd, from, len, flags),
         (fd, from, len > 0, flags), EPIPE)
INTERRUPTED(poll, (struct pollfd * fds, nfds_t count, int ms), (fds, count, ms), ENOMEM)
INTERRUPTED(accept4, (int fd, struct sockaddr *address, socklen_t *len, int flags),
            (fd, address, len, flags), EMFILE)
SYSTEM(socket, (int family, int type, int protocol), (family, type, protocol), EMFILE)
SYSTEM(bind, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len),
       EADDRINUSE)
SYSTEM(listen, (int fd, int backlog), (fd, backlog), EADDRINUSE)
SYSTEM(getsockname, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len), ENOBUFS)
SYSTEM(setsockopt, (int fd, int level, int name, const void *value, socklen_t len),
       (fd, level, name, value, len), EINVAL)
SYSTEM(dup, (int fd), (fd), EMFILE)
SYSTEM(pipe2, (int fds[2], int flags), (fds, flags), EMFILE)
SYSTEM(stat, (const char *path, struct stat *out), (path, out), EIO)
SYSTEM(lstat, (const char *path, struct stat *out), (path, out), EIO)
SYSTEM(fstat, (int fd, struct stat *out), (fd, out), EIO)
SYSTEM(fsync, (int fd), (fd), EIO)
SYSTEM(fdatasync, (int fd), (fd), EIO)
SYSTEM(ftruncate, (int fd, off_t len), (fd, len), EIO)
SYSTEM(flock, (int fd, int what), (fd, what), ENOLCK)
SYSTEM(chmod, (const char *path, mode_t mode), (path, mode), EPERM)
SYSTEM(fchmod, (int fd, mode_t mode), (fd, mode), EPERM)
SYSTEM(chown, (const char *path, uid_t user, gid_t group), (path, user, group), EPERM)
SYSTEM(mkdir, (const char *path, mode_t mode), (path, mode), ENOSPC)
SYSTEM(mkstemp, (char *form), (form), ENOSPC)
SYSTEM(mkostemp, (char *form, int flags), (form, flags), ENOSPC)
SYSTEM(rename, (const char *from, const char *to), (from, to), ENOSPC)
SYSTEM(unlink, (const char *path), (path), EIO)
SYSTEM(rmdir, (const char *path), (path), EIO)
CALL(posix_fallocate, int, (int fd, off_t at, off_t len), (fd, at, len), FAULT_SYSTEM, 0, ENOSPC)
CALL(mmap, void *, (void *at, size_t len, int rights, int flags, int fd, off_t from),
     (at, len, rights, flags, fd, from), FAULT_SYSTEM, ENOMEM, MAP_FAILED)
CALL(fopen, FILE *, (const char *path, const char *mode), (path, mode), FAULT_SYSTEM, EMFILE, NULL)
CALL(fdopen, FILE *, (int fd, const char *mode), (fd, mode), FAULT_SYSTEM, ENOMEM, NULL)
CALL(opendir, DIR *, (const char *path), (path), FAULT_SYSTEM, EMFILE, NULL)
CALL(realpath, char *, (const char *path, char *out), (path, out), FAULT_SYSTEM, EIO, NULL)
CALL(readlink, ssize_t, (const char *path, char *out, size_t size), (path, out, size), FAULT_SYSTEM,
     EIO, -1)
CALL(fwrite, size_t, (const void *from, size_t size, size_t count, FILE *to),
     (from, size, count, to), FAULT_SYSTEM, ENOSPC, 0)
CALL(fflush, int, (FILE * file), (file), FAULT_SYSTEM, ENOSPC, EOF)

/* These do their work all the same: a descriptor is closed, whatever close says. */
HEAD(int, fclose, (FILE * file)) {
    int code = __real_fclose(file);
    FAILS(FAULT_SYSTEM, fclose, ENOSPC, EOF)
    return code;
}

HEAD(int, close, (int fd)) {
    int code = __real_close(fd);
    FAILS(FAULT_SYSTEM, close, EIO, -1)
    return code;
}

/* --- LMDB --- */

STORE(mdb_env_create, (MDB_env * *env), (env))
STORE(mdb_env_open, (MDB_env * env, const char *path, unsigned flags, mdb_mode_t mode),
      (env, path, flags, mode))
STORE(mdb_env_copy2, (MDB_env * env, const char *path, unsigned flags), (env, path, flags))
STORE(mdb_env_set_mapsize, (MDB_env * env, size_t size), (env, size))
STORE(mdb_env_set_maxdbs, (MDB_env * env, MDB_dbi count), (env, count))
STORE(mdb_dbi_open, (MDB_txn * txn, const char *name, unsigned flags, MDB_dbi *dbi),
      (txn, name, flags, dbi))
STORE(mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned flags, MDB_txn **txn),
      (env, parent, flags, txn))
STORE(mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
STORE(mdb_put, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags),
      (txn, dbi, key, data, flags))
STORE(mdb_del, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
STORE(mdb_drop, (MDB_txn * txn, MDB_dbi dbi, int del), (txn, dbi, del))
STORE(mdb_stat, (MDB_txn * txn, MDB_dbi dbi, MDB_stat *out), (txn, dbi, out))
STORE(mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor **cursor), (txn, dbi, cursor))
STORE(mdb_cursor_get, (MDB_cursor * cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op),
      (cursor, key, data, op))
STORE(mdb_cursor_put, (MDB_cursor * cursor, MDB_val *key, MDB_val *data, unsigned flags),
      (cursor, key, data, flags))
STORE(mdb_cursor_del, (MDB_cursor * cursor, unsigned flags), (cursor, flags))

/* A commit that fails ends the transaction. */
HEAD(int, mdb_txn_commit, (MDB_txn * txn)) {
    if (fault_strikes(FAULT_STORE, "mdb_txn_commit")) {
        mdb_txn_abort(txn);
        return EIO;
    }
    return __real_mdb_txn_commit(txn);
}

/* --- libuv --- */

LIBRARY(uv_loop_init, int, (uv_loop_t * loop), (loop), UV_EMFILE)
LIBRARY(uv_async_init, int, (uv_loop_t * loop, uv_async_t *async, uv_async_cb call),
        (loop, async, call), UV_EMFILE)
LIBRARY(uv_poll_init, int, (uv_loop_t * loop, uv_poll_t *poll, int fd), (loop, poll, fd), UV_ENOMEM)
LIBRARY(uv_poll_init_socket, int, (uv_loop_t * loop, uv_poll_t *poll, uv_os_sock_t fd),
        (loop, poll, fd), UV_ENOMEM)
LIBRARY(uv_poll_start, int, (uv_poll_t * poll, int events, uv_poll_cb call), (poll, events, call),
        UV_ENOMEM)
LIBRARY(uv_signal_init, int, (uv_loop_t * loop, uv_signal_t *handle), (loop, handle), UV_EMFILE)
LIBRARY(uv_signal_start, int, (uv_signal_t * handle, uv_signal_cb call, int number),
        (handle, call, number), UV_ENOMEM)
LIBRARY(uv_fs_event_start, int,
        (uv_fs_event_t * handle, uv_fs_event_cb call, const char *path, unsigned flags),
        (handle, call, path, flags), UV_EMFILE)

/* --- libcurl --- */

LIBRARY(curl_easy_init, CURL *, (void), (), NULL)
LIBRARY(curl_easy_perform, CURLcode, (CURL * easy), (easy), CURLE_OUT_OF_MEMORY)
LIBRARY(curl_easy_recv, CURLcode, (CURL * easy, void *to, size_t len, size_t *got),
        (easy, to, len, got), CURLE_RECV_ERROR)
LIBRARY(curl_easy_send, CURLcode, (CURL * easy, const void *from, size_t len, size_t *sent),
        (easy, from, len, sent), CURLE_SEND_ERROR)
LIBRARY(curl_slist_append, struct curl_slist *, (struct curl_slist * list, const char *text),
        (list, text), NULL)
LIBRARY(curl_multi_init, CURLM *, (void), (), NULL)
LIBRARY(curl_multi_add_handle, CURLMcode, (CURLM * multi, CURL *easy), (multi, easy),
        CURLM_OUT_OF_MEMORY)
LIBRARY(curl_multi_socket_action, CURLMcode,
        (CURLM * multi, curl_socket_t fd, int events, int *running), (multi, fd, events, running),
        CURLM_OUT_OF_MEMORY)
LIBRARY(curl_url, CURLU *, (void), (), NULL)
LIBRARY(curl_url_set, CURLUcode, (CURLU * url, CURLUPart part, const char *text, unsigned flags),
        (url, part, text, flags), CURLUE_OUT_OF_MEMORY)
LIBRARY(curl_url_get, CURLUcode, (const CURLU *url, CURLUPart part, char **text, unsigned flags),
        (url, part, text, flags), CURLUE_OUT_OF_MEMORY)

/* All of its options are as wide as a pointer. */
HEAD(CURLcode, curl_easy_setopt, (CURL * easy, CURLoption option, ...)) {
    FAILS(FAULT_LIBRARY, curl_easy_setopt, ENOMEM, CURLE_OUT_OF_MEMORY)
    va_list args;
    va_start(args, option);
    void *value = va_arg(args, void *);
    va_end(args);
    return __real_curl_easy_setopt(easy, option, value);
}

/* --- libmosquitto --- */

LIBRARY(mosquitto_new, struct mosquitto *, (const char *id, bool clean, void *ctx),
        (id, clean, ctx), NULL)
LIBRARY(mosquitto_int_option, int, (struct mosquitto * m, enum mosq_opt_t option, int value),
        (m, option, value), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_username_pw_set, int,
        (struct mosquitto * m, const char *user, const char *password), (m, user, password),
        MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_will_set_v5, int,
        (struct mosquitto * m, const char *topic, int len, const void *payload, int qos,
         bool retain, mosquitto_property *properties),
        (m, topic, len, payload, qos, retain, properties), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_connect_bind_v5, int,
        (struct mosquitto * m, const char *host, int port, int keepalive, const char *from,
         const mosquitto_property *properties),
        (m, host, port, keepalive, from, properties), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_publish_v5, int,
        (struct mosquitto * m, int *mid, const char *topic, int len, const void *payload, int qos,
         bool retain, const mosquitto_property *properties),
        (m, mid, topic, len, payload, qos, retain, properties), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_subscribe_v5, int,
        (struct mosquitto * m, int *mid, const char *filter, int qos, int options,
         const mosquitto_property *properties),
        (m, mid, filter, qos, options, properties), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_unsubscribe_v5, int,
        (struct mosquitto * m, int *mid, const char *filter, const mosquitto_property *properties),
        (m, mid, filter, properties), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_loop_read, int, (struct mosquitto * m, int packets), (m, packets), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_loop_write, int, (struct mosquitto * m, int packets), (m, packets),
        MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_loop_misc, int, (struct mosquitto * m), (m), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_property_add_int16, int, (mosquitto_property * *list, int id, uint16_t value),
        (list, id, value), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_property_add_int32, int, (mosquitto_property * *list, int id, uint32_t value),
        (list, id, value), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_property_add_varint, int, (mosquitto_property * *list, int id, uint32_t value),
        (list, id, value), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_property_add_binary, int,
        (mosquitto_property * *list, int id, const void *value, uint16_t len),
        (list, id, value, len), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_property_add_string, int, (mosquitto_property * *list, int id, const char *value),
        (list, id, value), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_property_add_string_pair, int,
        (mosquitto_property * *list, int id, const char *name, const char *value),
        (list, id, name, value), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_property_copy_all, int,
        (mosquitto_property * *to, const mosquitto_property *from), (to, from), MOSQ_ERR_NOMEM)
LIBRARY(mosquitto_property_read_string_pair, const mosquitto_property *,
        (const mosquitto_property *list, int id, char **name, char **value, bool skip),
        (list, id, name, value, skip), NULL)

/* --- libpq --- */

LIBRARY(PQconninfoParse, PQconninfoOption *, (const char *text, char **error), (text, error), NULL)
LIBRARY(PQconndefaults, PQconninfoOption *, (void), (), NULL)
LIBRARY(PQconnectStartParams, PGconn *,
        (const char *const *names, const char *const *values, int expand), (names, values, expand),
        NULL)
LIBRARY(PQconnectPoll, PostgresPollingStatusType, (PGconn * conn), (conn), PGRES_POLLING_FAILED)
LIBRARY(PQsetnonblocking, int, (PGconn * conn, int on), (conn, on), -1)
LIBRARY(PQsendQuery, int, (PGconn * conn, const char *text), (conn, text), 0)
LIBRARY(PQsendQueryParams, int,
        (PGconn * conn, const char *text, int count, const Oid *types, const char *const *values,
         const int *lengths, const int *forms, int form),
        (conn, text, count, types, values, lengths, forms, form), 0)
LIBRARY(PQsetSingleRowMode, int, (PGconn * conn), (conn), 0)
LIBRARY(PQflush, int, (PGconn * conn), (conn), -1)
LIBRARY(PQconsumeInput, int, (PGconn * conn), (conn), 0)

/* --- libmicrohttpd --- */

LIBRARY(MHD_create_response_from_buffer, struct MHD_Response *,
        (size_t len, void *bytes, enum MHD_ResponseMemoryMode mode), (len, bytes, mode), NULL)
LIBRARY(MHD_create_response_from_callback, struct MHD_Response *,
        (uint64_t len, size_t block, MHD_ContentReaderCallback call, void *ctx,
         MHD_ContentReaderFreeCallback end),
        (len, block, call, ctx, end), NULL)
LIBRARY(MHD_add_response_header, enum MHD_Result,
        (struct MHD_Response * response, const char *name, const char *value),
        (response, name, value), MHD_NO)
LIBRARY(MHD_queue_response, enum MHD_Result,
        (struct MHD_Connection * c, unsigned status, struct MHD_Response *response),
        (c, status, response), MHD_NO)

/* The socket is closed in any case. */
HEAD(enum MHD_Result, MHD_add_connection,
     (struct MHD_Daemon * daemon, MHD_socket fd, const struct sockaddr *address, socklen_t len)) {
    if (fault_strikes(FAULT_LIBRARY, "MHD_add_connection")) {
        (void)__real_close(fd);
        return MHD_NO;
    }
    return __real_MHD_add_connection(daemon, fd, address, len);
}

/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,bugprone-macro-parentheses) */
