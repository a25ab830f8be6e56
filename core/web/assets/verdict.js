/*
 * verdict.js - is all well? One line, and below it a banner for each thing that needs a look, with a
 * link to where it is looked at.
 */
import { h, keyed, setClass, setText } from "./dom.js";
import { icon } from "./icons.js";
import { count, duration, percent, plural, ago } from "./format.js";
import { isFailing, serviceHash } from "./services.js";

const STORE_FULL = 0.8;
const OLD_MS = 300000;

/* {key, tone, text, more?, link: [text, hash]} */
function hostThings({ host, engine }) {
    const things = [];
    if (!host.connected) {
        const why = host.broker_error ? `: ${host.broker_error}` : "";
        things.push({ key: "broker", tone: "bad", text: `Not connected to the broker ${host.broker}${why}. What is stored is handled; publishes wait.`,
            link: ["Host", "#/host"] });
    }
    for (const text of host.warnings ?? []) {
        things.push({ key: `warning/${text}`, tone: "warn", text: `${text[0].toUpperCase()}${text.slice(1)}.`, link: ["Host", "#/host"] });
    }
    if (!engine.accepts) {
        things.push({ key: "accepts", tone: "bad", text: "Nothing is accepted: the backlog or the store is full. New messages wait at the broker.",
            link: ["Host", "#/host"] });
    }
    if (engine.outbox_refused > 0) {
        things.push({ key: "refused", tone: "bad", text: `The broker refuses ${plural(engine.outbox_refused, "publish", "publishes")}.`,
            link: ["Outbox", "#/outbox"] });
    }
    if (engine.store_max > 0 && engine.store_used / engine.store_max > STORE_FULL) {
        things.push({ key: "store", tone: "warn", text: `The store is ${percent(engine.store_used / engine.store_max)} full: raise store.max_size or shorten store.keep_done.`,
            link: ["Host", "#/host"] });
    }
    return things;
}

function serviceThings(service, now) {
    const things = [];
    const add = (what, tone, text, link = ["Service", serviceHash(service.name)], more = "") =>
        things.push({ key: `${service.name}/${what}`, tone, text: `${service.name}: ${text}`, more, link });
    if (service.handler_error) {
        add("script", "bad", "the saved script was refused, the last good one stays.", undefined, service.handler_error);
    }
    if (service.removed) {
        const heir = service.heir ? `being moved to ${service.heir}` : "no longer in topics.conf, nothing runs";
        add("removed", "warn", `${heir}; ${plural(service.lag, "event")} wait, ${count(service.dead)} are dead.`);
        return things;
    }
    if (service.paused) {
        add("paused", "warn", `paused; ${plural(service.lag, "event")} wait.`);
    }
    if (service.throttled_until_ms > now) {
        add("throttled", "warn", `slowed down at its handler's wish, goes on ${ago(service.throttled_until_ms, now)}.`);
    }
    if (isFailing(service)) {
        add("failing", "bad", `${percent(service.failure_rate)} of the attempts of the last minute failed.`);
    }
    if (service.dead > 0) {
        add("dead", "warn", `${plural(service.dead, "dead letter")} ${service.dead === 1 ? "waits" : "wait"} for a person.`,
            ["Dead letters", `#/dead?service=${encodeURIComponent(service.name)}`]);
    }
    if (service.oldest_ms > OLD_MS && !service.paused) {
        add("old", "warn", `its oldest event has waited ${duration(service.oldest_ms)}.`, ["Keys that wait", "#/keys"]);
    }
    return things;
}

function makeThing({ link }) {
    const parts = { text: h("span", {}), more: h("pre", { class: "banner-more" }) };
    const element = h("li", { class: "banner" }, icon("warn"), h("div", { class: "grow" }, parts.text, parts.more),
        h("a", { class: "banner-link", href: link[1] }, link[0], icon("open")));
    element.parts = parts;
    return element;
}

function updateThing(element, thing) {
    setClass(element, "tone-bad", thing.tone === "bad");
    setClass(element, "tone-warn", thing.tone === "warn");
    setText(element.parts.text, thing.text);
    setText(element.parts.more, thing.more ?? "");
}

/* {head, list}: the line, and the banners. */
export function verdict() {
    const line = h("h1", { class: "verdict" });
    const sub = h("p", { class: "verdict-note" });
    const dot = h("span", { class: "dot", "aria-hidden": "true" });
    const list = h("ul", { class: "alerts", "aria-label": "What needs a look" });
    return {
        head: h("header", { class: "view-head" }, dot, h("div", { class: "grow" }, line, sub)),
        list,
        update(status) {
            const now = Date.now();
            const things = hostThings(status).concat(status.services.flatMap((s) => serviceThings(s, now)));
            things.sort((a, b) => (a.tone === "bad" ? 0 : 1) - (b.tone === "bad" ? 0 : 1));
            const { host } = status;
            setText(line, things.length === 0 ? "All is well" : `${plural(things.length, "thing")} to look at`);
            setText(sub, `${host.connected ? "Connected to" : "Not connected to"} ${host.broker} · ${plural(status.services.length, "service")} · up ${duration(host.uptime_ms)} · zingq ${host.version}`);
            dot.className = `dot tone-${things.length === 0 ? "good" : things[0].tone}`;
            keyed(list, things, (thing) => thing.key, makeThing, updateThing);
        },
    };
}
