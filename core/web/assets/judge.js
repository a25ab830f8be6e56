/*
 * judge.js - what needs a look, for a host whose status has no verdict.
 */
import { ago, count, duration, percent, plural } from "./format.js";
import { isFailing, serviceHash } from "./services.js";

const STORE_FULL = 0.8;
const OLD_MS = 300000;

function hostThings({ host, engine }) {
    const things = [];
    if (!host.connected) {
        const why = host.broker_error ? `: ${host.broker_error}` : "";
        things.push({ code: "broker", level: "bad", service: null, text: `Not connected to the broker ${host.broker}${why}. What is stored is handled; publishes wait`,
            link: "#/host" });
    }
    for (const text of host.warnings ?? []) {
        things.push({ code: "host", level: "warn", service: null, text, link: "#/host" });
    }
    if (!engine.accepts) {
        things.push({ code: "accepts", level: "bad", service: null, text: "Nothing is accepted: the backlog or the store is full. New messages wait at the broker",
            link: "#/host" });
    }
    if (engine.outbox_refused > 0) {
        things.push({ code: "refused", level: "bad", service: null, text: `The broker refuses ${plural(engine.outbox_refused, "publish", "publishes")}`,
            link: "#/outbox" });
    }
    if (engine.store_max > 0 && engine.store_used / engine.store_max > STORE_FULL) {
        things.push({ code: "store", level: "warn", service: null, text: `The store is ${percent(engine.store_used / engine.store_max)} full: raise store.max_size or shorten store.keep_done`,
            link: "#/host" });
    }
    return things;
}

function serviceThings(service, now) {
    const things = [];
    const add = (code, level, text, link = serviceHash(service.name), more = null) =>
        things.push({ code, level, service: service.name, text, more, link });
    if (service.handler_error) {
        add("script", "bad", "the saved script was refused, the last good one stays", undefined, service.handler_error);
    }
    if (service.removed) {
        const heir = service.heir ? `being moved to ${service.heir}` : "no longer in topics.conf, nothing runs";
        add("removed", "warn", `${heir}; ${plural(service.lag, "event")} wait, ${count(service.dead)} are dead`);
        return things;
    }
    if (service.paused) {
        add("paused", "warn", `paused; ${plural(service.lag, "event")} wait`);
    }
    if (service.throttled_until_ms > now) {
        add("throttled", "warn", `slowed down at its handler's wish, goes on ${ago(service.throttled_until_ms, now)}`);
    }
    if (isFailing(service)) {
        add("failing", "bad", `${percent(service.failure_rate)} of the attempts of the last minute failed`);
    }
    if (service.dead > 0) {
        add("dead", "warn", `${plural(service.dead, "dead letter")} ${service.dead === 1 ? "waits" : "wait"} for a person`,
            `#/dead?service=${encodeURIComponent(service.name)}`);
    }
    if (service.oldest_ms > OLD_MS && !service.paused) {
        add("old", "warn", `its oldest event has waited ${duration(service.oldest_ms)}`, "#/keys");
    }
    return things;
}

/* In the form of status.verdict. */
export function judge(status) {
    const now = Date.now();
    const sentences = hostThings(status).concat(status.services.flatMap((service) => serviceThings(service, now)));
    sentences.sort((a, b) => (a.level === "bad" ? 0 : 1) - (b.level === "bad" ? 0 : 1));
    const text = sentences.length === 0 ? "all is well" : `${plural(sentences.length, "thing")} to look at`;
    return { level: sentences[0]?.level ?? "good", text, sentences };
}
