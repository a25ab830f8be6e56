/* stage.c - what a black-box test plays on. */
#include "stage.h"

#include "base/buf.h"

#include <stdlib.h>

int stage_open(void **state) {
    struct stage *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return -1;
    }
    broker_init(&s->broker);
    broker_start(&s->broker, STAGE_BROKER);
    program_init(&s->host);
    program_init(&s->other);
    *state = s;
    return 0;
}

int stage_close(void **state) {
    struct stage *s = *state;
    program_clear(&s->host);
    program_clear(&s->other);
    peer_clear(&s->publisher);
    peer_clear(&s->observer);
    broker_clear(&s->broker);
    helper_kill(&s->gateway);
    helper_kill(&s->mail);
    helper_kill(&s->sale);
    silent_free(s->silent);
    free(s);
    return 0;
}

void stage_conf(const struct stage *s, const struct program *p, const char *text) {
    struct buf all;
    buf_init(&all, 1 << 20);
    buf_printf(&all, "broker { url = \"%s\" }\nhttp { listen = \"\" }\n%s", s->broker.url, text);
    program_file(p, "topics.conf", buf_str(&all));
    buf_clear(&all);
}

void stage_play(struct stage *s, const char *conf, const char *script_name, const char *script) {
    stage_conf(s, &s->host, conf);
    program_file(&s->host, script_name, script);
    program_start(&s->host);
}

void stage_peers(struct stage *s, const char *filter) {
    peer_start(&s->publisher, s->broker.port, "publisher", PEER_MQTT5, NULL);
    peer_start(&s->observer, s->broker.port, "observer", PEER_KEPT, filter);
}

void stage_fail(const struct stage *s, const char *what) {
    const struct program *const hosts[] = {&s->host, &s->other};
    for (size_t i = 0; i < 2; i++) {
        if (hosts[i]->pid != 0) {
            program_show(hosts[i]);
        }
    }
    wait_fail(what);
}
