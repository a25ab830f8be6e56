/*
 * route.h - tables of routes: which row a request is for.
 *
 * A request's row decides what is done for it and who may ask for it, and nothing else does.
 */
#ifndef ZINGQ_IO_HTTPD_ROUTE_H
#define ZINGQ_IO_HTTPD_ROUTE_H

#include "io/httpd/gateway.h"

/* A path's parts between slashes, percent-decoded. Parts after the sixth are left out: no pattern
 * is that long. */
struct parts {
    struct slice at[6];
    size_t count;
};

/* What a client must be allowed to do. */
enum access {
    ACCESS_ALWAYS,  /* nothing; served even when all places are taken */
    ACCESS_ANYONE,  /* nothing, but it must not come from a page of another site */
    ACCESS_OPEN,    /* the same, and it must be addressed to a name that is surely ours */
    ACCESS_READ,    /* to look */
    ACCESS_SUBMIT,  /* to use endpoints */
    ACCESS_OPERATE, /* to change events, keys and services */
    ACCESS_ADMIN,   /* to change the host */
    ACCESS_SOCKET,  /* to open the unix socket; over TCP the path does not exist */
};

struct call;

struct route {
    const char *method;  /* "GET", which HEAD is as well, or "POST" */
    const char *pattern; /* as "/api/keys/X/skip": a part "*" is any, a last one "**" any rest */
    enum access access;
    void (*serve)(void *ctx, const struct call *call); /* takes the request over and answers it */
    int kind;                                          /* interpreted by serve */
};

struct route_table {
    const struct route *rows; /* the first match is used */
    size_t count;
};

/* A request on its way to its handler. */
struct call {
    struct gateway_request *request;
    const struct route_table *table;
    const struct route *route; /* has the path; NULL = none does */
    bool allowed;              /* the method matches as well */
    struct parts parts;
};

/* Finds the row for a method and path, and fills in everything in *call except the request. False:
 * no row has the path. The table and the path are borrowed. */
bool route_find(const struct route_table *table, const char *method, const char *path,
                struct call *call);
/* Answers 405 with the methods of the path, or 404 when no row has it. */
void route_refuse(const struct call *call);

#endif
