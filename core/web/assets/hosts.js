/*
 * hosts.js - the hosts that share this one's services, as far as the broker lets them be seen.
 */
import { h, keyed, setText } from "./dom.js";
import { ago } from "./format.js";

const TONES = { up: "good", joining: "mute", asked: "mute", silent: "warn", gone: "warn" };

function makeHost() {
    const state = h("span", { class: "pill" });
    const cells = ["name", "group", "number", "version", "since", "held"].map((name) =>
        h("td", { class: "data", "data-name": name }));
    const row = h("tr", {}, h("td", {}, state), cells);
    row.update = (host) => {
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
    const element = h("section", { class: "panel list-panel", "aria-labelledby": "hosts-title", hidden: true },
        h("div", { class: "panel-head" }, h("h2", { id: "hosts-title" }, "Hosts"), note),
        h("table", { class: "list" },
            h("caption", { class: "unseen" }, "Hosts that share the services of this one"),
            h("thead", {}, h("tr", {}, ["State", "Host", "Group", "Number", "Version", "Started", "Held because of another"]
                .map((t) => h("th", { scope: "col" }, t)))),
            rows));
    return {
        element,
        update({ hosts = [], hosts_known: known }) {
            element.hidden = hosts.length < 2 && !(hosts[0]?.count > 1);
            setText(note, known ? "" : "There may be others: this host cannot see them.");
            keyed(rows, hosts, (host) => `${host.group}/${host.host}/${host.self}`, makeHost, (row, host) => row.update(host));
        },
    };
}
