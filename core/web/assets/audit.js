/*
 * audit.js - what operators have changed lately: when, whose token it was, from where, and what.
 */
import { api } from "./api.js";
import { h, keyed, setText } from "./dom.js";
import { ago } from "./format.js";

const SHOWN = 10;
const AGAIN_MS = 30000;

function whatOf({ method, path, query }) {
    const words = Object.entries(query ?? {}).map(([name, value]) => `${name}=${value}`).join("&");
    return `${method} ${path}${words === "" ? "" : "?" + words}`;
}

function makeChange() {
    const cells = ["at", "who", "from", "status", "what"].map((name) => h("td", { class: "data", "data-name": name }));
    const row = h("tr", {}, cells);
    row.update = (change) => [ago(change.at_ms, Date.now()), change.who, change.from, String(change.status ?? "?"), whatOf(change)]
        .forEach((text, i) => setText(cells[i], text));
    return row;
}

/* Shown when there is a change to show, to who may see it. */
export function auditPanel() {
    const rows = h("tbody", {});
    const element = h("section", { class: "panel list-panel", "aria-labelledby": "audit-title", hidden: true },
        h("div", { class: "panel-head" }, h("h2", { id: "audit-title" }, "Changes"),
            h("p", { class: "faint" }, "zingq audit lists all of them")),
        h("table", { class: "list" },
            h("caption", { class: "unseen" }, "What was changed on this host"),
            h("thead", {}, h("tr", {}, ["When", "Who", "From", "Status", "What"]
                .map((t) => h("th", { scope: "col" }, t)))),
            rows));
    let askedMs = 0;
    return {
        element,
        async update() {
            if (Date.now() - askedMs < AGAIN_MS) {
                return;
            }
            askedMs = Date.now();
            try {
                const changes = await api.audit({ limit: SHOWN });
                element.hidden = changes.length === 0;
                keyed(rows, changes, (change) => `${change.at_ms}/${change.path}`, makeChange, (row, change) => row.update(change));
            } catch {
                element.hidden = true; /* not for this token, or not now */
            }
        },
    };
}
