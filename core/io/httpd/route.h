/*
 * route.h - tables of routes: which row a request is for.
 *
 * What is done for a request, and who may ask for it, stands in its row and nowhere else.
 */
#ifndef ZINGQ_IO_HTTPD_ROUTE_H
#define ZINGQ_IO_HTTPD_ROUTE_H

#include "io/httpd/gateway.h"

/* A path's parts between slashes, percent-decoded. What is behind the sixth is left out: no pattern
 * is that long. */
struct parts {
    struct slice at[6];
    size_t count;
};

/* What whoever asks must be allowed. */
enum access {
    ACCESS_ALWAYS,  /* nothing, also when all places are taken */
    ACCESS_ANYONE,  /* nothing, but it must be no page of another site */
    ACCESS_OPEN,    /* the same, and the request is addressed to a name that is surely ours */
    ACCESS_READ,    /* to look */
    ACCESS_SUBMIT,  /* to use endpoints */
    ACCESS_OPERATE, /* to change events, keys and services */
    ACCESS_ADMIN,   /* to change the host */
    ACCESS_SOCKET,  /* to open the unix socket; over TCP there is no such path */
};

struct call;

struct route {
    const char *method;  /* "GET", which HEAD is as well, or "POST" */
    const char *pattern; /* as "/api/keys/X/skip": a part "*" is any, a last one "**" any rest */
    enum access access;
    void (*serve)(void *ctx, const struct call *call); /* takes the request over and answers it */
    int kind;                                          /* what it means is the business of serve */
};

struct route_table {
    const struct route *rows; /* the first that matches is taken */
    size_t count;
};

/* A request on its way to what serves it. */
struct call {
    struct gateway_request *request;
    const struct route_table *table;
    const struct route *route; /* knows the path; NULL = none does */
    bool allowed;              /* and the method, too */
    struct parts parts;
};

/* The row for a method and path, into everything of *call but the request. False: no row knows the
 * path. The table and the path are borrowed. */
bool route_find(const struct route_table *table, const char *method, const char *path,
                struct call *call);
/* Answers 405 with the methods that the path knows, or 404 when no row knows it. */
void route_refuse(const struct call *call);

#endif
