/*
 * json.c - answers that are JSON.
 */
#include "io/httpd/gateway.h"

#include "base/json.h"

#include <stdlib.h>

void gateway_answer_json(struct gateway_request *request, int status, const char *headers,
                         json_t *body) {
    char *text = body == NULL ? NULL : json_dumps(body);
    json_decref(body);
    if (text == NULL) {
        gateway_answer(request, 500, NULL, NULL, slice_of("{\"error\":\"out of memory\"}"));
        return;
    }
    if (status == 503 && headers == NULL) {
        headers = "Retry-After: 5\n";
    }
    gateway_answer(request, status, NULL, headers, slice_of(text));
    free(text);
}

void gateway_answer_error(struct gateway_request *request, int status, const char *headers,
                          const char *text) {
    gateway_answer_json(request, status, headers, json_pack("{s:s}", "error", text));
}
