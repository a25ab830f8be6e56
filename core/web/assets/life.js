/*
 * life.js - the life of an event as a timeline: what caused it, itself, what its publishes became
 * in other services, each on one scale of time.
 *
 * The API tells causes from the first to the direct one, then the event with, below each of its
 * publishes, the events that it became.
 */
import { h, s } from "./dom.js";
import { data, eventHash, pill } from "./parts.js";
import { clock, duration, label, msOf, plural } from "./format.js";

const WIDTH = 1000; /* of a bar's drawing, in its own units */
const DEPTH_MAX = 6; /* deeper rows are not indented further */

const ended = new Set(["done", "dead", "discarded", "expired"]);

function flatten(events, depth, rows) {
    for (const event of events) {
        rows.push({ event, depth });
        for (const publish of event.publishes ?? []) {
            flatten(publish.events ?? [], depth + 1, rows);
        }
    }
    return rows;
}

/* The rows of a trace, each {event, depth}. */
export function rowsOf(trace) {
    const causes = trace.causes.map((event, depth) => ({ event, depth }));
    return flatten(trace.events, causes.length, causes);
}

/* Attempts as {from, to, end}; the last one is told by the event itself. */
function attemptsOf(event, now) {
    const tries = (event.history ?? []).filter((a) => a.end !== "replay" && a.end !== "edit")
        .map((a) => ({ from: msOf(a.at), to: msOf(a.at) + a.duration_us / 1000, end: a.end }));
    const started = msOf(event.started_at);
    if (event.state === "done" && started !== null) {
        tries.push({ from: started, to: Math.max(started, msOf(event.ended_at) ?? started), end: "done" });
    } else if (event.state === "running" && started !== null) {
        tries.push({ from: started, to: now, end: "running" });
    }
    return tries;
}

function spanOf(event, now) {
    const from = msOf(event.received_at) ?? now;
    const last = Math.max(from, msOf(event.ended_at) ?? 0, ...attemptsOf(event, now).map((a) => a.to));
    return { from, to: ended.has(event.state) ? last : now };
}

function bar(event, scale, now) {
    const at = (ms) => Math.min(WIDTH, Math.max(0, scale(ms)));
    const rect = (name, from, to, y, height) => {
        const x = Math.min(at(from), WIDTH - 4);
        return s("rect", { class: name, x: x.toFixed(1), y, width: Math.max(4, at(to) - x).toFixed(1), height, rx: 1 });
    };
    const span = spanOf(event, now);
    return s("svg", { class: "life-bar", viewBox: `0 0 ${WIDTH} 20`, preserveAspectRatio: "none", "aria-hidden": "true" },
        rect("life-wait", span.from, span.to, 8, 4),
        attemptsOf(event, now).map((a) => rect(`life-try life-${a.end}`, a.from, a.to, 3, 14)),
        ["dead", "discarded", "expired"].includes(event.state) && rect(`life-try life-${event.state}`, span.to, span.to, 0, 20));
}

/* Within one millisecond the handler's own time says more. */
function tookText(event, span) {
    return duration(Math.max(span.to - span.from, event.duration_us / 1000));
}

function sentence(event, span) {
    return `${event.state}, ${plural(event.attempts, "attempt")}, ${tookText(event, span)}`;
}

/* rows as rowsOf gives them; `own`: the event the page is about. */
export function lifeView(rows, own) {
    const now = Date.now();
    const spans = rows.map((row) => spanOf(row.event, now));
    const from = Math.min(...spans.map((span) => span.from));
    const to = Math.max(...spans.map((span) => span.to), from + 1);
    const scale = (ms) => ((ms - from) / (to - from)) * WIDTH;
    const items = rows.map(({ event, depth }, i) => {
        const here = event.id === own.id && event.service === own.service;
        return h("li", { class: `life-row indent-${Math.min(depth, DEPTH_MAX)}` + (here ? " is-here" : "") },
            h("a", { class: "life-name", href: eventHash(event.id, event.service), "aria-current": here ? "true" : null },
                h("span", { class: "life-service" }, event.service), data(label(event, "topic"), "clamp")),
            bar(event, scale, now),
            h("span", { class: "life-facts" }, pill(event.state), h("span", { class: "faint nowrap" }, tookText(event, spans[i])),
                h("span", { class: "unseen" }, sentence(event, spans[i]))));
    });
    return h("div", { class: "life" },
        h("div", { class: "life-axis", "aria-hidden": "true" },
            h("span", {}, clock(from, true)), h("span", {}, `+${duration((to - from) / 2)}`), h("span", {}, `+${duration(to - from)}`)),
        h("ol", { class: "life-rows" }, items));
}
