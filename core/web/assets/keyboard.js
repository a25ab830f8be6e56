/*
 * keyboard.js - the page without a mouse: / searches, j and k go through the rows, g and a letter go to
 * a page, ? says so.
 */
import { h } from "./dom.js";
import { ask } from "./dialogs.js";

const pages = { o: ["", "Overview"], d: ["dead", "Dead letters"], e: ["events", "Events"], l: ["live", "Live"], k: ["keys", "Keys"],
    w: ["waits", "Waits"], x: ["outbox", "Outbox"], s: ["schedules", "Schedules"], h: ["host", "Host"] };
const GO_MS = 1500; /* from g to its letter */

function help() {
    const row = (keys, text) => h("div", {}, h("dt", {}, h("kbd", {}, keys)), h("dd", {}, text));
    return ask({ title: "Keys", yes: "Close", no: null, body: [h("dl", { class: "facts" },
        row("/", "search by event id or key"), row("j k", "next row, row before"), row("Enter", "open it"), row("Esc", "close it"),
        Object.entries(pages).map(([key, [, name]]) => row(`g ${key}`, name)))] });
}

/* The row after the one with the focus, or before it. */
function move(by) {
    const rows = [...document.querySelectorAll("#main > .view:not([hidden]) .row-target")].filter((row) => row.checkVisibility());
    const at = rows.indexOf(document.activeElement);
    rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
}

/* search(): the field. */
export function listenToKeys(search) {
    let goMs = 0;
    addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, dialog")) {
            return;
        }
        const going = Date.now() - goMs < GO_MS;
        goMs = event.key === "g" ? Date.now() : 0;
        if (going && pages[event.key] !== undefined) {
            location.hash = `#/${pages[event.key][0]}`;
        } else if (event.key === "/") {
            event.preventDefault();
            search().focus();
        } else if (event.key === "j" || event.key === "k") {
            move(event.key === "j" ? 1 : -1);
        } else if (event.key === "?") {
            help();
        }
    });
}
