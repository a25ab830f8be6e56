/*
 * host.js - the page of the host itself: its broker, its process, its store, and where its time goes.
 */
import { h, keyed, setText } from "./dom.js";
import { api } from "./api.js";
import { attempt } from "./dialogs.js";
import { button } from "./parts.js";
import { bytes, clock, count, duration, micros, percent } from "./format.js";

const groups = [
    ["Broker", [
        ["Address", ({ host }) => host.broker],
        ["Connected", ({ host }) => (host.connected ? (host.connects > 1 ? `yes, for the ${count(host.connects)}th time` : "yes") : `no${host.broker_error ? `: ${host.broker_error}` : ""}`)],
        ["Dropped by it", ({ host }) => count(host.broker_dropped)],
        ["Its clients", ({ host }) => count(host.broker_clients)],
        ["QoS 0 messages", ({ engine }) => count(engine.qos0)],
        ["Refused by it", ({ engine }) => count(engine.outbox_refused)],
    ]],
    ["Process", [
        ["Host", ({ host }) => host.id],
        ["Version", ({ host }) => `${host.version}, process ${host.pid}`],
        ["Up", ({ host }) => `${duration(host.uptime_ms)}, since ${clock(Date.now() - host.uptime_ms)}`],
        ["Configuration", ({ host }) => `${host.conf}, read at ${clock(host.conf_read_ms)}`],
        ["Calls under way", ({ host }) => count(host.calls)],
        ["Handlers' memory", ({ engine }) => bytes(engine.lua_bytes)],
    ]],
    ["Store", [
        ["Used", ({ engine }) => `${bytes(engine.store_used)} of ${bytes(engine.store_max)}, ${percent(engine.store_used / engine.store_max).replace(" ", "\u00a0")}`],
        ["Files of zing.append", ({ engine }) => bytes(engine.file_bytes)],
        ["Last commit", ({ engine }) => micros(engine.commit_us_last)],
        ["Slowest commit", ({ engine }) => micros(engine.commit_us_max)],
        ["Commits", ({ engine }) => count(engine.commits)],
        ["Set aside", ({ engine }) => count(engine.set_aside)],
    ]],
];

function factPanel([title, facts]) {
    const values = facts.map(() => h("dd", { class: "data" }));
    return {
        element: h("section", { class: "panel" }, h("div", { class: "panel-head" }, h("h2", {}, title)),
            h("dl", { class: "figures" }, facts.map(([name], i) => h("div", {}, h("dt", {}, name), values[i])))),
        update: (status) => facts.forEach(([, of], i) => setText(values[i], of(status))),
    };
}

/* --- where the time goes --- */

function makePhase(phase) {
    const bar = h("meter", { min: 0, max: 1, "aria-label": `${phase.name}, share of the time` });
    const cells = [h("td", { class: "number", "data-name": "share" }), h("td", { class: "number", "data-name": "longest" })];
    const row = h("tr", {}, h("td", {}, phase.name), h("td", { class: "grow-cell phase-bar" }, bar), cells);
    row.update = (now, all) => {
        const share = all > 0 ? now.us / all : 0;
        bar.value = share;
        setText(cells[0], percent(share));
        setText(cells[1], micros(now.longest_us));
    };
    return row;
}

function turnsPanel() {
    const note = h("p", { class: "faint" });
    const rows = h("tbody", {});
    return {
        element: h("section", { class: "panel list-panel" },
            h("div", { class: "panel-head" }, h("h2", {}, "Where the time goes"), note),
            h("table", { class: "list" }, h("caption", { class: "unseen" }, "Phases of a turn"),
                h("thead", {}, h("tr", {}, ["Phase", "Share"].map((t) => h("th", { scope: "col" }, t)),
                    ["Of the time", "Longest"].map((t) => h("th", { scope: "col", class: "number" }, t)))), rows)),
        update({ turns }) {
            const all = turns.phases.reduce((sum, phase) => sum + phase.us, 0);
            setText(note, `The last ${turns.seconds} s: ${count(turns.count)} turns, ${count(turns.messages)} messages, ${count(turns.events)} events`);
            keyed(rows, turns.phases, (phase) => phase.name, makePhase, (row, phase) => row.update(phase, all));
        },
    };
}

export function host(app) {
    const facts = groups.map(factPanel);
    const turns = turnsPanel();
    const reload = button("Reload topics.conf", "replay", (event) =>
        attempt(event.currentTarget, api.reload, "topics.conf and the scripts were read again"));
    const element = h("div", { class: "view" },
        h("header", { class: "view-head" }, h("div", { class: "grow" }, h("h1", {}, "Host"),
            h("p", { class: "view-about" }, "The process that runs the handlers, its broker and its store.")), reload),
        facts.map((panel) => panel.element), turns.element);
    return {
        title: "Host",
        element,
        show() {
            if (app.status !== null) {
                this.status(app.status);
            }
        },
        hide() {},
        status(status) {
            if (!element.hidden) {
                facts.forEach((panel) => panel.update(status));
                turns.update(status);
            }
        },
    };
}
