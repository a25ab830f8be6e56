/*
 * service.js - the page of one service: how it does, what of it is dead and why, its latest events, and
 * what topics.conf says of it.
 */
import { fill, h, keyed, setClass, setText } from "./dom.js";
import { api } from "./api.js";
import { chartPanel, rangeChoice } from "./chart.js";
import { eventTable } from "./events.js";
import { data, empty, problem } from "./parts.js";
import { polling } from "./polling.js";
import { isFailing, latency, pauseButton, stateOf, waitingNote } from "./services.js";
import { sentenceList } from "./verdict.js";
import { ago, bytes, count, duration, firstLine, label, msOf, percent, rate, short } from "./format.js";

const REFRESH_MS = 3000;
const EVENTS = 15;
const GROUPS = 8;

/* --- figures --- */

const figures = [
    ["Done", (s) => rate(s.rate_1min / 60), (s) => `${count(s.done)} in all`],
    ["Waiting", (s) => short(s.lag), waitingNote],
    ["In flight", (s) => short(s.inflight), (s) => (s.keys_held > 0 ? `${short(s.keys_held)} keys at their limits` : "attempts now")],
    ["Retrying", (s) => short(s.retrying), (s) => `${count(s.retries)} retries in all`],
    ["Sleeping", (s) => short(s.sleeping), () => "or put off"],
    ["Failing", (s) => percent(s.failure_rate), (s) => `${count(s.failures_1min)} in the last minute`, (s, status) => isFailing(status, s.name)],
    ["p99", (s) => latency(s, s.p99_us), (s) => `p50 ${latency(s, s.p50_us)}`],
    ["Dead", (s) => short(s.dead), (s) => `${count(s.died)} died in all`, (s) => s.dead > 0],
];

function figureTile([name, of, under, bad]) {
    const parts = [h("div", { class: "tile-figure" }), h("div", { class: "tile-note" })];
    const element = h("div", { class: "tile" }, h("div", { class: "tile-name" }, name), parts);
    return { element, update(service, status) {
        setText(parts[0], of(service));
        setText(parts[1], under(service));
        setClass(element, "is-bad", bad?.(service, status) === true);
    } };
}

/* --- what topics.conf says --- */

function perSecond(n) {
    return n > 0 ? `${n}/s` : null;
}

/* What is not set is not listed. */
const said = [
    ["Topics", (c) => c.subscribe.map((topic) => h("div", {}, data(topic)))],
    ["Handler", (c, s) => [data(c.handler), h("div", { class: "faint mono" }, `version ${s.handler_version.slice(0, 8)}`)]],
    ["Key", (c) => h("span", { class: "mono" }, data(c.key))],
    ["Order", (c) => (c.ordered ? "one event of a key at a time" : "none")],
    ["Idempotency", (c) => (c.idempotency === "none" ? null : h("span", { class: "mono" }, data(c.idempotency)))],
    ["Tenants", (c) => (c.fair === "none" ? null : h("span", { class: "mono" }, data(c.fair)))],
    ["Priority", (c) => (c.priority === "none" ? null : h("span", { class: "mono" }, data(c.priority)))],
    ["Tries", (c) => c.tries],
    ["Retry policy", (c) => c.retry],
    ["Dead letter policy", (c) => c.dead_letter],
    ["When an event dies", (c) => (c.on_dead === "park" ? "its key waits for a person" : "its key goes on")],
    ["Announced on", (c) => c.dead_topic && data(c.dead_topic)],
    ["Dead letters kept", (c) => (c.keep_dead_ms > 0 ? duration(c.keep_dead_ms) : null)],
    ["At once", (c) => `${count(c.concurrency)} attempts` + (c.key_concurrency > 0 ? `, ${count(c.key_concurrency)} of a key` : "")],
    ["Rate", (c) => perSecond(c.rate)],
    ["Rate of a key", (c) => perSecond(c.key_rate)],
    ["Batch", (c) => (c.batch > 1 ? `up to ${count(c.batch)} events` : null)],
    ["Timeout", (c) => duration(c.timeout_ms)],
    ["Lua", (c) => `${duration(c.lua_time_ms)} an attempt, ${bytes(c.lua_memory_bytes)}`],
];

function confList(service) {
    const { conf } = service;
    if (conf === null) {
        return h("p", { class: "empty" }, "topics.conf has no such service any more.");
    }
    return h("dl", { class: "facts" }, said.map(([name, of]) => [name, of(conf, service)]).filter(([, value]) => value)
        .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

const totals = [
    ["Accepted", "accepted"], ["Done", "done"], ["Discarded", "discarded"], ["Expired by a quota", "expired"],
    ["Duplicates dropped", "duplicates"], ["Handed over locally", "handed_over"], ["Timeouts", "timeouts"],
    ["Host crashes in mid-handler", "crashes"], ["Snoozes", "snoozes"], ["Throttles", "throttles"],
];

/* --- its dead letters --- */

function makeLetters(group) {
    const parts = { count: h("span", { class: "group-count" }), when: h("span", { class: "faint nowrap" }) };
    const query = new URLSearchParams({ service: group.service, group: group.group, of: group.service });
    const element = h("li", {}, h("a", { class: "group-line", href: `#/dead?${query}` },
        parts.count, h("span", { class: "grow" }, data(firstLine(label(group, "reason")) || "(no reason)", "clamp")), parts.when));
    element.parts = parts;
    return element;
}

function updateLetters(element, group) {
    setText(element.parts.count, count(group.count));
    setText(element.parts.when, ago(msOf(group.newest_at), Date.now()));
}

/* --- the view --- */

export function service(app) {
    let name = "";
    const asking = polling(() => refresh(), REFRESH_MS);
    let pause = null;
    const title = h("h1", {});
    const state = h("span", { class: "pill" });
    const sub = h("p", { class: "view-about" });
    const pausePlace = h("div", { class: "buttons" });
    const sentences = sentenceList();
    const tiles = figures.map(figureTile);
    const charts = [["rate", "Done and failed"], ["waiting", "Waiting"], ["latency", "p99 and p50"], ["dead", "Dead letters"]]
        .map(([kind, text]) => chartPanel(kind, text, []));
    const range = rangeChoice(app, () => update(app.status));
    const conf = h("div", {});
    const groupList = h("ul", { class: "group-lines" });
    const groupPlace = h("div", {});
    const table = eventTable();
    const eventPlace = h("div", {});
    const values = totals.map(() => h("dd", {}));
    const links = { dead: h("a", {}, "All dead letters"), events: h("a", {}, "All events"), state: h("a", {}, "State"), keys: h("a", {}, "Keys that wait") };
    const body = h("div", { class: "view" }, sentences.element,
        h("section", { class: "tiles tiles-small", "aria-label": "In short" }, tiles.map((tile) => tile.element)),
        h("div", { class: "chart-grid-4" }, charts.map((one) => one.element)),
        h("div", { class: "with-side" },
            h("div", { class: "view" },
                h("section", { class: "panel list-panel" }, h("div", { class: "panel-head" }, h("h2", {}, "Dead letters by what went wrong"), links.dead), groupPlace),
                h("section", { class: "panel list-panel one-service" }, h("div", { class: "panel-head" }, h("h2", {}, "Latest events"), links.events), eventPlace)),
            h("div", { class: "view" },
                h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, "topics.conf"), links.state, links.keys), conf),
                h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, "Since the store was made")),
                    h("dl", { class: "facts" }, totals.map(([text], i) => h("div", {}, h("dt", {}, text), values[i])))))));
    const element = h("div", { class: "view" },
        h("header", { class: "view-head" },
            h("div", { class: "grow" }, h("div", { class: "title-line" }, title, state), sub), range.element, pausePlace),
        body);

    function update(status) {
        const now = status?.services.find((one) => one.name === name);
        body.hidden = now === undefined;
        state.hidden = now === undefined;
        if (now === undefined) {
            setText(sub, status === null ? "" : "There is no service of that name here.");
            return;
        }
        const [word, tone] = stateOf(now, Date.now());
        setText(state, word);
        state.className = `pill tone-${tone}`;
        sentences.update(status.verdict.sentences.filter((one) => one.service === name));
        tiles.forEach((tile) => tile.update(now, status));
        totals.forEach(([, field], i) => setText(values[i], count(now[field])));
        range.draw(app.history);
        charts.forEach((one) => one.draw(app.history, name));
        pause.update(now);
    }

    async function refresh() {
        const asked = name;
        if (body.hidden && app.status !== null) {
            return; /* nothing of it is here */
        }
        try {
            const [all, groups, events] = await Promise.all([api.service(asked),
                api.groups({ service: asked, limit: GROUPS }), api.events({ service: asked, limit: EVENTS })]);
            if (asked === name) {
                draw(all, groups, events);
            }
        } catch (fault) {
            if (asked === name && fault.status !== 404) {
                fill(eventPlace, problem(fault.message));
            }
        }
    }

    function draw(all, groups, events) {
        const { conf: words } = all;
        setText(sub, words === null ? "" : `${words.handler} · ${words.subscribe.join(", ")}`);
        if (conf.shown !== JSON.stringify(words) + all.handler_version) {
            conf.shown = JSON.stringify(words) + all.handler_version;
            fill(conf, confList(all));
        }
        keyed(groupList, groups, (g) => g.group, makeLetters, updateLetters);
        fill(groupPlace, groups.length > 0 ? groupList : h("p", { class: "empty small" }, "Nothing is dead."));
        table.update(events);
        fill(eventPlace, events.length > 0 ? table.element : empty("No events yet", "What its topics bring is listed here."));
    }

    function point(links) {
        const query = new URLSearchParams({ service: name });
        for (const [page, link] of Object.entries(links)) {
            link.href = `#/${page}?${query}`;
        }
    }

    return {
        title: "Service",
        element,
        show(query, [wanted = ""]) {
            if (name !== wanted) {
                name = wanted;
                pause = pauseButton(name);
                conf.shown = null;
                fill(pausePlace, pause.element);
                fill(conf);
                fill(groupPlace);
                fill(eventPlace);
                setText(title, name);
                setText(sub, "");
                point(links);
            }
            this.title = name;
            update(app.status);
            asking.begin();
        },
        hide: asking.end,
        status(status) {
            if (asking.on) {
                update(status);
            }
        },
    };
}
