/*
 * rewrite.c - what whoever serves a request puts in the place of its path, or of a parameter.
 */
#include "io/httpd/impl.h"

#include <stdlib.h>

bool gateway_set_path(struct gateway_request *request, const char *path) {
    free(request->set_path);
    request->set_path = slice_dup(slice_of(path));
    return request->set_path != NULL;
}

bool gateway_set_query(struct gateway_request *request, const char *name, const char *value) {
    free(request->set_value);
    request->set_name = name;
    request->set_value = slice_dup(slice_of(value));
    return request->set_value != NULL;
}

void gateway_forget_set(struct gateway_request *request) {
    free(request->set_path);
    free(request->set_value);
}
