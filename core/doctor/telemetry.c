/*
 * telemetry.c - whether the receiver of spans is there.
 */
#include "doctor/doctor.h"

#include "base/url.h"
#include "io/otlp/otlp.h"

void doctor_telemetry(struct doctor *d, const struct telemetry_conf *conf) {
    struct report r = {""};
    char url[URL_SHOWN_BYTES];
    if (!telemetry_is_on(conf)) {
        return;
    }
    (void)url_shown(conf->otlp, url);
    if (otlp_probe(conf, &r) == 0) {
        (void)doctor_add(d, "telemetry", DOCTOR_GOOD, "%s takes spans", url);
        return;
    }
    struct doctor_row *row = doctor_add(d, "telemetry", DOCTOR_WARN, "%s: %.300s", url, r.text);
    doctor_advise(
        row, "events are handled all the same, but their spans are dropped",
        "start the receiver of OTLP over HTTP (an OpenTelemetry Collector, Jaeger and Tempo "
        "listen on port 4318), or mend telemetry { otlp, headers } in topics.conf");
}
