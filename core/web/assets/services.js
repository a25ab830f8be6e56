/*
 * services.js - the services on the first page: a row each, a card on a phone. Those that had nothing
 * to do for 15 minutes stand below, in one line each.
 *
 * Rows are made once a service and then only their figures change, once a second.
 */
import { fill, h, keyed, setClass, setText } from "./dom.js";
import { api } from "./api.js";
import { attempt } from "./dialogs.js";
import { chart } from "./chart.js";
import { icon } from "./icons.js";
import { count, duration, micros, percent, plural, rate, short } from "./format.js";

/* As the host judges it. */
export function isFailing({ verdict }, name) {
    return verdict.sentences.some((one) => one.code === "failing" && one.service === name);
}

export const serviceHash = (name) => `#/service/${encodeURIComponent(name)}`;

/* A word and its tone. */
export function stateOf(service, now) {
    if (service.removed) {
        return [service.heir ? "being moved" : "removed", "warn"];
    }
    if (service.taking) {
        return ["taking over", "warn"];
    }
    if (!service.active) {
        return ["not run here", "mute"];
    }
    if (service.held) {
        return ["held", "bad"];
    }
    if (service.paused) {
        return ["paused", "warn"];
    }
    if (service.handler_error) {
        return ["script refused", "bad"];
    }
    return service.throttled_until_ms > now ? ["throttled", "warn"] : ["running", "good"];
}

export function pauseButton(name) {
    const element = h("button", { type: "button", class: "button small" });
    let paused = null;
    element.addEventListener("click", () => {
        const verb = paused ? "resume" : "pause";
        attempt(element, () => api[verb](name), `${name}: ${verb}d`);
    });
    return {
        element,
        update(service) {
            if (paused !== service.paused) {
                paused = service.paused;
                fill(element, icon(paused ? "play" : "pause"), h("span", {}, paused ? "Resume" : "Pause"));
                setClass(element, "primary", paused);
                element.setAttribute("aria-label", `${paused ? "Resume" : "Pause"} ${name}`);
            }
        },
    };
}

/* When what waits will be done, where that can be told. */
export function waitingNote(service) {
    return service.clears_in_s > 0 ? `clears in ${duration(service.clears_in_s * 1000)}`
        : service.oldest_ms > 0 ? `oldest ${duration(service.oldest_ms)}` : "none";
}

/* Accepted and done in one turn is less than the clock tells. */
export function latency(service, us) {
    return us > 0 ? micros(us) : service.rate_1min > 0 ? "<1 ms" : "–";
}

function urgent(service) {
    return Object.entries(service.priorities ?? {}).reduce((sum, [priority, n]) => priority > 4 ? sum + n : sum, 0);
}

/* Each is told only while it is not 0. */
const rest = [
    [(s) => s.inflight, "in flight"], [(s) => s.retrying, "retrying"], [(s) => s.sleeping, "sleeping"],
    [(s) => s.keys_held, "keys at their limits"], [(s) => s.queued, "on disk"], [urgent, "urgent"],
];

function restOf(service) {
    return rest.map(([of, name]) => [of(service) ?? 0, name]).filter(([n]) => n > 0).map(([n, name]) => `${short(n)} ${name}`);
}

/* On a phone all of a service in one line. */
function factsOf(service) {
    const facts = [service.rate_1min > 0 && `${rate(service.rate_1min / 60)}`, service.lag > 0 && `${short(service.lag)} waiting`,
        service.failures_1min > 0 && `${percent(service.failure_rate)} failing`, service.p99_us > 0 && service.rate_1min > 0 && `p99 ${micros(service.p99_us)}`];
    return facts.filter((fact) => fact !== false).join(" · ");
}

/* name, title, the figure, the line under it, its class. */
const columns = [
    { name: "Done", title: "Events done a second, over the last minute", of: (s) => rate(s.rate_1min / 60), zero: (s) => s.rate_1min === 0 },
    { name: "Waiting", title: "Events that wait: ready, running, retrying or put off; below: when they will be done, or else since when the oldest waits", of: (s) => short(s.lag),
        under: (s) => (s.lag > 0 ? waitingNote(s) : ""), zero: (s) => s.lag === 0 },
    { name: "Failing", title: "Share of the last minute's attempts that failed", of: (s) => percent(s.failure_rate),
        under: (s) => (s.failures_1min > 0 ? `${short(s.failures_1min)} failed` : ""), bad: (s, status) => isFailing(status, s.name), zero: (s) => s.failures_1min === 0 },
    { name: "p99", title: "99 of 100 of the last minute's events were done within; below: half of them", of: (s) => latency(s, s.p99_us),
        under: (s) => (s.rate_1min > 0 ? `p50 ${latency(s, s.p50_us)}` : ""), zero: (s) => s.rate_1min === 0 },
];

function makeCell(column) {
    const figure = h("span", {});
    const under = h("div", { class: "under" });
    const element = h("td", { class: "number", "data-name": column.name }, figure, under);
    return {
        element,
        update(service, status) {
            setText(figure, column.of(service));
            setText(under, column.under?.(service) ?? "");
            setClass(figure, "is-bad", column.bad?.(service, status) === true);
            setClass(figure, "is-zero", column.zero(service));
        },
    };
}

function makeService(service) {
    const { name } = service;
    const pause = pauseButton(name);
    const dot = h("span", { class: "small-dot", "aria-hidden": "true" });
    const state = h("span", { class: "pill" });
    const facts = h("span", { class: "service-facts" });
    const more = h("span", { class: "service-rest" });
    const rates = chart("rate", `${name}, events a second`);
    const waits = chart("waiting", `${name}, events that wait`);
    const cells = columns.map(makeCell);
    const dead = h("a", { class: "service-dead", href: `#/dead?service=${encodeURIComponent(name)}` });
    const row = h("tr", { class: "service row-link" },
        h("th", { scope: "row", class: "service-name" }, dot,
            h("div", { class: "grow" }, h("div", { class: "service-title" }, h("a", { class: "row-target", href: serviceHash(name) }, name), state), facts, more)),
        h("td", { class: "service-chart" }, rates.element),
        h("td", { class: "service-chart service-lag" }, waits.element),
        cells.map((cell) => cell.element),
        h("td", { class: "number", "data-name": "Dead" }, dead),
        h("td", { class: "service-acts" }, pause.element));
    const body = h("tbody", { class: "service-body", "data-service": name }, row);
    body.update = (now, status, history) => {
        const [word, tone] = stateOf(now, Date.now());
        setText(state, word);
        state.className = `pill tone-${tone}`;
        state.hidden = word === "running";
        dot.className = `small-dot tone-${tone}`;
        setText(facts, factsOf(now));
        setText(more, restOf(now).join(" · "));
        cells.forEach((cell) => cell.update(now, status));
        setText(dead, short(now.dead));
        dead.setAttribute("aria-label", plural(now.dead, "dead letter"));
        setClass(dead, "is-bad", now.dead > 0);
        setClass(dead, "is-zero", now.dead === 0);
        const idle = isQuiet(now, history);
        setClass(body, "is-idle", idle);
        if (!idle) {
            rates.draw(history, name);
            waits.draw(history, name);
        }
        pause.update(now);
    };
    return body;
}

/* Nothing to look at: no work for a while, nothing dead, and it would run. */
function isQuiet(service, history) {
    return service.dead === 0 && stateOf(service, Date.now())[0] === "running" && history.isIdle(service.name);
}

export function serviceTable() {
    const table = h("table", { class: "services" },
        h("caption", { class: "unseen" }, "The services of this host"),
        h("thead", {}, h("tr", {},
            h("th", { scope: "col" }, "Service"),
            h("th", { scope: "col" }, "Done and ", h("span", { class: "is-bad" }, "failed")),
            h("th", { scope: "col" }, "Waiting"),
            columns.map((c) => h("th", { scope: "col", class: "number", title: c.title }, c.name)),
            h("th", { scope: "col", class: "number" }, "Dead"),
            h("th", { scope: "col" }, h("span", { class: "unseen" }, "Actions")))));
    const idleNote = h("p", { class: "idle-note" });
    return {
        element: h("section", { class: "panel services-panel", "aria-label": "Services" }, table, idleNote),
        update(status, history) {
            const { services } = status;
            const quiet = services.filter((s) => isQuiet(s, history));
            keyed(table, [...services.filter((s) => !quiet.includes(s)), ...quiet], (s) => s.name, makeService,
                (body, service) => body.update(service, status, history));
            setText(idleNote, quiet.length === 0 ? "" : `${count(quiet.length)} had nothing to do for 15 minutes.`);
        },
    };
}
