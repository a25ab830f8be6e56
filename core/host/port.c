/* port.c - see host/port.h. */
#include "host/port.h"

#include "base/limits.h"
#include "base/log.h"
#include "host/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* 0 = none. */
static int inherited(void) {
    const char *text = getenv(PORT_INHERITED);
    return text == NULL ? 0 : (int)strtol(text, NULL, 10);
}

int host_port_open(struct gateway **out, uv_loop_t *loop, const struct conf *conf, bool any,
                   struct gateway_callbacks callbacks, struct report *r) {
    struct report why = {""};
    callbacks.listener = inherited();
    callbacks.cert_file = conf->http_cert_file;
    callbacks.key_file = conf->http_key_file;
    int code = gateway_new(out, loop, conf->http_listen, GATEWAY_BODY_BYTES_MAX, &callbacks, &why);
    if (code == ERR_BUSY && any) {
        code = gateway_new(out, loop, "127.0.0.1:0", GATEWAY_BODY_BYTES_MAX, &callbacks, &why);
    }
    if (code == 0) {
        host_port_tell();
    }
    return code == 0 ? 0 : report(r, code, "http.listen: %s", why.text);
}

void host_port_tell(void) {
    if (inherited() != 0 && host_notify(PORT_ATTENDED) != 0) {
        log_warn("host", "cannot tell the fleet that it need not answer: %s", strerror(errno));
    }
}

void host_port_reload(const struct gateway *port) {
    struct report r = {""};
    if (port != NULL && gateway_reload_tls(port, &r) != 0) {
        log_error("host", "the certificate stays as it was: %s", r.text);
    }
}

void host_port_answer_unready(struct gateway_request *request, const char *why) {
    if (strcmp(gateway_path(request), "/healthz") == 0) {
        gateway_answer(request, 200, NULL, NULL, slice_of("{\"ok\":true}"));
    } else {
        gateway_answer_error(request, 503, NULL, why);
    }
}
