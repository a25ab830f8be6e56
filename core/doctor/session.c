/*
 * session.c - ends the session of a host whose data folder is gone: the broker would keep its share of
 * the messages for it until the session expires.
 *
 * One client looks whether the host has announced itself, the other connects under its client id and
 * ends the session. Its messages come to nobody: they would need its store.
 */
#include "doctor/probe.h"
#include "doctor/session.h"

#include <stdio.h>
#include <stdlib.h>

/* What the hand learns of the host's presence. Where it cannot look, only force goes on. */
static int look_for(struct probe *p, const struct doctor_session *s, struct report *r) {
    char filter[sizeof "zingq/hosts/+/" + HOST_NAME_BYTES_MAX];
    (void)snprintf(filter, sizeof filter, "zingq/hosts/+/%s", s->host);
    const struct peer_settings hand = {
        .name = "hand", .receive_maximum = WINDOW, .acknowledges = true, .filters = {filter}};
    int code = probe_start(p, &p->hand, &hand);
    if (code == 0 && !probe_wait(p, &p->hand.ups, 1, CONNECT_WAIT_MS)) {
        code = report(r, ERR_NETWORK, "cannot connect to %s: %s", p->conf->url,
                      p->hand.text[0] == '\0' ? "no answer" : p->hand.text);
    }
    if (code != 0) {
        return code;
    }
    bool answered = probe_wait(p, &p->hand.subscribed, 1, PROBE_WAIT_MS);
    if ((!answered || p->hand.refusal != 0) && !s->force) {
        return report(r, ERR_BUSY,
                      "it is unknown whether host %s is up: the broker %s the subscription to %s; "
                      "if it is gone, add --force",
                      s->host, answered ? "refuses" : "does not answer", filter);
    }
    probe_wait_quiet(p, &p->hand.presences);
    return 0;
}

static int take_over(struct probe *p, struct doctor_session *s, struct report *r) {
    const struct peer_settings settings = {.name = "patient",
                                           .receive_maximum = WINDOW,
                                           .session_expiry_s = PATIENT_EXPIRY_S,
                                           .acknowledges = true};
    int code = probe_start(p, &p->patient, &settings);
    if (code == 0 && !probe_wait(p, &p->patient.ups, 1, CONNECT_WAIT_MS)) {
        code = report(r, ERR_NETWORK, "cannot connect as %s: %s", s->client_id,
                      p->patient.text[0] == '\0' ? "no answer" : p->patient.text);
    }
    if (code == 0) {
        s->existed = mqtt_session(p->patient.mqtt)->session_present;
        probe_end(p, &p->patient, false);
    }
    return code;
}

/* So that no host waits for it, or tells of it. */
static int forget_presence(struct probe *p, struct report *r) {
    const struct mqtt_publish nothing = {.topic = p->hand.presence, .qos = 1, .retain = true};
    int mid = 0;
    int before = p->hand.published;
    int code = mqtt_publish(p->hand.mqtt, &nothing, &mid, r);
    if (code == 0) {
        mqtt_flush(p->hand.mqtt);
    }
    if (code == 0 && !probe_wait(p, &p->hand.published, before + 1, PROBE_WAIT_MS)) {
        code = report(r, ERR_NETWORK,
                      "the session has ended, but %s is still retained: the broker "
                      "did not answer",
                      p->hand.presence);
    }
    return code;
}

static int end_session(struct probe *p, struct doctor_session *s, struct report *r) {
    int code = look_for(p, s, r);
    if (code == 0 && p->hand.presence_up && !s->force) {
        code = report(r, ERR_BUSY,
                      "host %s says that it is up (%s): run `zingq leave` on its machine; if it is "
                      "gone nevertheless, add --force",
                      s->host, p->hand.presence);
    }
    code = code == 0 ? take_over(p, s, r) : code;
    return code == 0 && p->hand.presence[0] != '\0' ? forget_presence(p, r) : code;
}

int doctor_end_session(const struct broker_conf *conf, struct doctor_session *s, struct report *r) {
    struct probe *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY));
    }
    p->conf = conf;
    p->report = r;
    p->patient_id = s->client_id;
    int code = probe_open(p);
    if (code == 0) {
        code = end_session(p, s, r);
        probe_close(p);
    }
    free(p);
    return code;
}
