/*
 * overview.js - the first page: is all well, what happened lately, and how is each service doing.
 */
import { numberHere } from "./api.js";
import { h, setClass, setText } from "./dom.js";
import { chartPanel, rangeChoice } from "./chart.js";
import { hostsPanel, sumOf } from "./hosts.js";
import { isFailing, serviceTable } from "./services.js";
import { verdict } from "./verdict.js";
import { bytes, count, duration, micros, percent, rate, short } from "./format.js";

const STORE_FULL = 0.8;

function failing(status) {
    const failures = sumOf(status, "failures_1min");
    const attempts = failures + sumOf(status, "rate_1min");
    return { share: attempts === 0 ? 0 : failures / attempts, failures };
}

/* Each says its figure, the line under it, and whether that is bad. */
const tiles = [
    { name: "Throughput", of: (status, app) => ({
        figure: rate((status.division ? null : app.history.rateNow()) ?? sumOf(status, "rate_1min") / 60),
        note: `${count(sumOf(status, "rate_1min"))} done in the last minute` }) },
    { name: "Waiting", of: (status) => ({
        figure: short(sumOf(status, "waiting")),
        note: `oldest ${oldestText(Math.max(0, ...status.services.map((s) => s.oldest_ms)))}, ${count(sumOf(status, "inflight"))} in flight` }) },
    { name: "Failing", of: (status) => {
        const { share, failures } = failing(status);
        return { figure: percent(share), note: `${count(failures)} attempts in the last minute`,
            bad: status.services.some((s) => isFailing(status, s.name)) };
    } },
    { name: "Dead letters", link: "#/dead", of: (status) => {
        const dead = sumOf(status, "dead");
        return { figure: short(dead), note: dead === 0 ? "nothing to look at" : "wait for a person", bad: dead > 0 };
    } },
    { name: "Outbox", link: "#/outbox", of: ({ engine }) => ({
        figure: short(engine.outbox), bad: engine.outbox_refused > 0,
        note: engine.outbox_refused > 0 ? `${count(engine.outbox_refused)} refused by the broker` : `${count(engine.delayed)} for later` }) },
    { name: "Store", link: "#/host", of: ({ engine }) => ({
        figure: bytes(engine.store_used),
        note: `of ${bytes(engine.store_max)}, ${engine.full_in_s > 0 ? `full in ${duration(engine.full_in_s * 1000)}` : `commit ${micros(engine.commit_us_last)}`}`,
        meter: engine.store_used / engine.store_max }) },
];

function oldestText(ms) {
    return ms > 0 ? duration(ms) : "none";
}

function makeTile(tile) {
    const figure = h("div", { class: "tile-figure" });
    const note = h("div", { class: "tile-note" });
    const meter = h("meter", { min: 0, max: 1, high: STORE_FULL, optimum: 0, "aria-label": `${tile.name} used` });
    const name = tile.link ? h("a", { href: tile.link }, tile.name) : tile.name;
    const element = h("div", { class: "tile" }, h("div", { class: "tile-name" }, name), figure, note);
    return {
        element,
        update(status, app) {
            const now = tile.of(status, app);
            setText(figure, now.figure);
            setText(note, now.note);
            setClass(element, "is-bad", now.bad === true);
            if (now.meter !== undefined) {
                meter.value = now.meter;
                element.append(meter);
            }
        },
    };
}

/* --- the view --- */

export function overview(app) {
    const says = verdict();
    const made = tiles.map(makeTile);
    const all = chartPanel("rate", "All services", [h("span", { class: "key key-done" }, "done"),
        h("span", { class: "key key-failed" }, "failed attempts"), h("span", {}, "a second")]);
    const waiting = chartPanel("waiting", "Waiting", []);
    const services = serviceTable();
    const hosts = hostsPanel();
    const one = h("p", { class: "faint", hidden: true });
    const range = rangeChoice(app, () => view.status(app.status));
    all.tools(range.element);
    const element = h("div", { class: "view" },
        says.head,
        says.list,
        h("section", { class: "tiles", "aria-label": "In short" }, made.map((tile) => tile.element)),
        one,
        h("div", { class: "chart-pair" }, all.element, waiting.element),
        services.element,
        hosts.element);

    const view = {
        title: "Overview",
        element,
        show() {
            if (app.status !== null) {
                this.status(app.status);
            }
        },
        status(status) {
            says.update(status);
            made.forEach((tile) => tile.update(status, app));
            one.hidden = !status.division;
            setText(one, `The figures above are of all hosts; charts and services below, and what needs a look, are of host ${numberHere()}, which serves this page.`);
            range.draw(app.history);
            all.draw(app.history);
            waiting.draw(app.history);
            services.update(status, app.history);
            hosts.update(status);
        },
    };
    return view;
}
