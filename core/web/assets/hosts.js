/*
 * hosts.js - the hosts that share this one's services, as far as the broker lets them be seen, and the figures of those
 * that divide the keys with it.
 */
import { h, keyed, setText } from "./dom.js";
import { ago, rate, short } from "./format.js";

const TONES = { up: "good", joining: "mute", asked: "mute", silent: "warn", gone: "warn" };

const figures = { Waiting: "waiting", "In flight": "inflight", Dead: "dead", "Done a second": "rate_1min" };

/* Of all services of the hosts; without a division, of this one's. */
export function sumOf({ division, services }, name) {
    return (division ?? services).reduce((sum, one) => sum + (one[name] ?? 0), 0);
}

function figure(name, value) {
    return name === "rate_1min" ? rate(value / 60) : short(value);
}

function figureCells() {
    return Object.keys(figures).map((title) => h("td", { class: "number", "data-name": title }));
}

function setFigures(cells, row) {
    Object.values(figures).forEach((name, i) => setText(cells[i], row === undefined ? "" : figure(name, row[name])));
}

function makeHost() {
    const state = h("span", { class: "pill" });
    const cells = ["name", "group", "number", "version", "since", "held"].map((name) =>
        h("td", { class: "data", "data-name": name }));
    const numbers = figureCells();
    const row = h("tr", {}, h("td", {}, state), cells, numbers);
    row.update = (host, own, division) => {
        const same = host.group === own?.group && host.count === own?.count;
        setFigures(numbers, same ? division?.find((one) => one.host === host.this) : undefined);
        setText(state, host.stood_in_by ? `${host.state}, host ${host.stood_in_by} stands in` : host.state);
        state.className = `pill tone-${TONES[host.state] ?? "mute"}`;
        [host.self ? `${host.host} (this one)` : host.host, host.group,
            `${host.this} of ${host.count}`, host.version, ago(Date.parse(host.since), Date.now()),
            host.held.join(", ") || "nothing"].forEach((text, i) => setText(cells[i], text));
    };
    return row;
}

/* Shown when there is another one to see, or should be. */
export function hostsPanel() {
    const note = h("p", { class: "faint" });
    const rows = h("tbody", {});
    const sums = figureCells();
    const foot = h("tfoot", { hidden: true }, h("tr", {}, h("th", { scope: "row", colspan: 7 }, "All"), sums));
    const element = h("section", { class: "panel list-panel", "aria-labelledby": "hosts-title", hidden: true },
        h("div", { class: "panel-head" }, h("h2", { id: "hosts-title" }, "Hosts"), note),
        h("table", { class: "list" },
            h("caption", { class: "unseen" }, "Hosts that share the services of this one"),
            h("thead", {}, h("tr", {}, ["State", "Host", "Group", "Number", "Version", "Started", "Held because of another"]
                .map((t) => h("th", { scope: "col" }, t)), Object.keys(figures).map((t) => h("th", { scope: "col", class: "number" }, t)))),
            rows, foot));
    return {
        element,
        update({ hosts = [], hosts_known: known, division, services }) {
            const own = hosts.find((host) => host.self);
            foot.hidden = !division;
            setFigures(sums, Object.fromEntries(Object.values(figures).map((name) => [name, sumOf({ division, services }, name)])));
            element.hidden = hosts.length < 2 && !(hosts[0]?.count > 1);
            setText(note, known ? "" : "There may be others: this host cannot see them.");
            keyed(rows, hosts, (host) => `${host.group}/${host.host}/${host.self}`, makeHost, (row, host) => row.update(host, own, division));
        },
    };
}
