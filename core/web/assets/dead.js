/*
 * dead.js - the dead letters: in groups by what went wrong, as a list, one or many at a time.
 *
 * Letters are told apart by what their payloads say first and by the ends of their ids. What is done to
 * many is done to those that were ticked, or to all of a group or a service, never to all there is.
 */
import { fill, h, keyed, setClass, setText } from "./dom.js";
import { api, ITEMS_MAX } from "./api.js";
import { button, data, empty, eventHash, keyText, problem, serviceSelect, shortId } from "./parts.js";
import { askBulk, runBulk, startJob } from "./bulk.js";
import { attempt } from "./dialogs.js";
import { payloadHint, telling } from "./listing.js";
import { ago, clock, count, firstLine, label, msOf, plural } from "./format.js";

const SHOWN = 100; /* and as many again with each "show more" */
const REFRESH_MS = 1500; /* at most so often while letters come in */

function letterKey(letter) {
    return `${letter.service}/${letter.id}`;
}

/* --- groups --- */

function makeGroup(group, choose) {
    const parts = { count: h("span", { class: "group-count" }), when: h("span", { class: "faint" }) };
    const element = h("button", { type: "button", class: "group", "aria-pressed": "false", onclick: () => choose(group) },
        parts.count,
        h("span", { class: "group-text" }, data(firstLine(label(group, "reason")) || "(no reason)", "clamp"),
            h("span", { class: "group-note" }, h("span", {}, group.service), " · ", parts.when)));
    element.parts = parts;
    return element;
}

function updateGroup(element, group, chosen) {
    setText(element.parts.count, count(group.count));
    setText(element.parts.when, ago(msOf(group.newest_at), Date.now()));
    element.setAttribute("aria-pressed", String(group.group === chosen.group && group.service === chosen.of));
}

/* --- the list --- */

function makeLetter(letter, weight, selected, changed) {
    const box = h("input", {
        type: "checkbox", "aria-label": `Select ${letter.id}`,
        onchange: () => {
            selected[box.checked ? "set" : "delete"](letterKey(letter), letter);
            changed();
        },
    });
    const when = h("td", { class: "nowrap", "data-name": "Dead since" });
    const row = h("tr", { class: "row-link" },
        h("td", { class: "tick" }, box),
        when,
        h("td", { class: "cut", "data-name": "Key", title: label(letter, "key") }, keyText(letter), letter.parked && h("span", { class: "pill tone-bad" }, "parked")),
        h("td", { class: "grow-cell", "data-name": "Letter" },
            h("a", { href: eventHash(letter.id, letter.service), class: "row-target", title: letter.id },
                data(payloadHint(letter, weight) || label(letter, "topic"), "clamp")),
            h("div", { class: "faint row-reason" }, data(`${letter.service} · ${firstLine(label(letter, "reason"))}`, "clamp"))),
        h("td", { class: "number", "data-name": "Tries" }, count(letter.attempts)),
        h("td", { class: "nowrap hide-narrow", "data-name": "Id" }, h("span", { class: "mono faint", title: letter.id }, shortId(letter.id), letter.host && ` · host ${letter.host}`)));
    row.parts = { box, when };
    return row;
}

function updateLetter(row, letter, selected) {
    const ms = msOf(letter.dead_at ?? letter.ended_at);
    setText(row.parts.when, ago(ms, Date.now()));
    row.parts.when.title = clock(ms, true);
    row.parts.box.checked = selected.has(letterKey(letter));
    setClass(row, "is-selected", row.parts.box.checked);
}

/* --- the view --- */

export function dead(app) {
    /* service: what the reader wants to see; group and of: a group and whose it is, or "". */
    const chosen = { service: "", group: "", of: "" };
    const selected = new Map();
    let letters = [];
    let groups = [];
    let limit = SHOWN;
    let seen = ""; /* the totals at the last refresh */
    let timer = null;
    let visible = false;

    const services = serviceSelect("Service", () => go({ service: services.element.value }));
    const groupList = h("div", { class: "groups", role: "group", "aria-label": "Groups by error" });
    const tbody = h("tbody", {});
    const all = h("input", { type: "checkbox", "aria-label": "Select all that are shown", onchange: () => selectAll() });
    const table = h("table", { class: "list letters" },
        h("caption", { class: "unseen" }, "Dead letters, newest first"),
        h("thead", {}, h("tr", {}, h("th", { class: "tick", scope: "col" }, all),
            ["Dead since", "Key", "Payload and reason"].map((t) => h("th", { scope: "col" }, t)),
            h("th", { scope: "col", class: "number" }, "Tries"), h("th", { scope: "col", class: "hide-narrow" }, "Id"))),
        tbody);
    const more = button("Show more", null, () => {
        limit = Math.min(ITEMS_MAX, limit + SHOWN);
        refresh();
    }, "quiet");
    const place = h("div", { class: "panel list-panel" });
    const note = h("p", { class: "view-note", role: "status" });
    const selection = h("span", { class: "selection" });
    const whole = h("span", { class: "selection" });
    const ticked = {
        replay: button("Replay", "replay", () => bulkTicked("replay"), "primary"),
        discard: button("Discard", "discard", () => bulkTicked("discard"), "danger-quiet"),
    };
    const every = {
        replay: button("Replay all…", null, (e) => bulkAll("replay", e.currentTarget)),
        discard: button("Discard all…", null, (e) => bulkAll("discard", e.currentTarget), "danger-quiet"),
    };
    const tickedBar = h("div", { class: "toolbar", role: "group", "aria-label": "The selected" }, selection, ticked.replay, ticked.discard);
    const everyBar = h("div", { class: "toolbar", role: "group", "aria-label": "All" }, whole, every.replay, every.discard);
    const element = h("div", { class: "view" },
        h("header", { class: "view-head" }, h("div", { class: "grow" }, h("h1", {}, "Dead letters"), note), services.element),
        h("div", { class: "split" },
            h("section", { class: "split-side", "aria-label": "Groups" }, groupList),
            h("section", { class: "split-main", "aria-label": "Letters" },
                tickedBar, everyBar, place)));

    function go(query) {
        const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
        location.hash = "#/dead" + (text ? "?" + text : "");
    }

    function choose(group) {
        const same = group.group === chosen.group && group.service === chosen.of;
        go({ service: chosen.service, group: same ? "" : group.group, of: same ? "" : group.service });
    }

    function listQuery() {
        return { service: chosen.of || chosen.service, group: chosen.group };
    }

    function chosenCount() {
        return groups.filter((g) => !chosen.group || (g.group === chosen.group && g.service === chosen.of))
            .reduce((sum, g) => sum + g.count, 0);
    }

    function selectAll() {
        selected.clear();
        if (all.checked) {
            letters.forEach((letter) => selected.set(letterKey(letter), letter));
        }
        draw();
    }

    /* One bar: what was ticked, or else what all of the choice would be. */
    function tellSelection() {
        const total = chosenCount();
        const n = selected.size;
        const whose = chosen.group ? "of this group" : chosen.service ? `of ${chosen.service}` : "";
        tickedBar.hidden = n === 0;
        everyBar.hidden = n > 0 || total === 0;
        setText(selection, `${count(n)} selected`);
        setText(whole, whose === "" ? "Tick letters, or choose a group or a service." : `All ${count(total)} ${whose}`);
        every.replay.hidden = whose === "";
        every.discard.hidden = whose === "";
        all.checked = n > 0 && n >= letters.length;
        all.indeterminate = n > 0 && n < letters.length;
    }

    function draw() {
        const total = chosenCount();
        const everything = groups.reduce((sum, g) => sum + g.count, 0);
        setText(note, everything === 0 ? "" : `${plural(everything, "dead letter")} in ${plural(groups.length, "group")}`);
        keyed(groupList, groups, (g) => `${g.service}/${g.group}`, (g) => makeGroup(g, choose),
            (e, g) => updateGroup(e, g, chosen));
        if (letters.length === 0) {
            fill(place, chosen.group || chosen.service
                ? empty("No dead letters here", "Nothing of this choice is dead any more.")
                : empty("No dead letters", "Every event that failed was handled in the end."));
        } else {
            keyed(tbody, letters, letterKey, (l) => makeLetter(l, telling(letters.filter((one) => one.group === l.group)), selected, draw), (row, l) => updateLetter(row, l, selected));
            const left = total - letters.length;
            setText(more, `Show more (${count(left)} left)`);
            fill(place, table, left > 0 && (limit < ITEMS_MAX ? more
                : h("p", { class: "empty" }, `${count(left)} more are not listed: choose a group.`)));
        }
        tellSelection();
    }

    async function refresh() {
        clearTimeout(timer);
        timer = null;
        const asked = JSON.stringify(chosen);
        try {
            const [list, sums] = await Promise.all([
                api.letters({ ...listQuery(), limit }), api.groups({ service: chosen.service })]);
            if (asked !== JSON.stringify(chosen)) {
                return; /* the reader has chosen something else meanwhile */
            }
            letters = list;
            groups = sums;
            const known = new Set(letters.map(letterKey));
            [...selected.keys()].filter((key) => !known.has(key)).forEach((key) => selected.delete(key));
            draw();
        } catch (error) {
            fill(place, problem(error.message));
        }
    }

    async function bulkTicked(verb) {
        const list = [...selected.values()];
        const pace = await askBulk(verb, list.length, "that you selected", false);
        if (pace !== null) {
            selected.clear();
            draw();
            await runBulk(verb, list, pace);
            refresh();
        }
    }

    /* A job of the host, about the group or the service that is chosen. */
    async function bulkAll(verb, opener) {
        const scope = listQuery();
        const pace = await askBulk(verb, chosenCount(), chosen.group ? "of this group" : `of the service ${scope.service}`, true);
        if (pace !== null) {
            await attempt(opener, () => startJob(verb, scope, pace));
            refresh();
        }
    }

    return {
        title: "Dead letters",
        element,
        show(query) {
            visible = true;
            const wish = Object.fromEntries(Object.keys(chosen).map((name) => [name, query.get(name) ?? ""]));
            if (JSON.stringify(wish) !== JSON.stringify(chosen)) {
                Object.assign(chosen, wish);
                selected.clear();
                limit = SHOWN;
            }
            services.choose(chosen.service);
            refresh();
        },
        hide() {
            visible = false;
            clearTimeout(timer);
            timer = null;
        },
        status(status) {
            services.offer(status.services.map((s) => s.name));
            const totals = [...status.services, ...status.division ?? []].map((s) => `${s.dead} ${s.died ?? ""}`).join();
            if (totals !== seen) {
                seen = totals;
                timer ??= visible ? setTimeout(refresh, letters.length === 0 ? 0 : REFRESH_MS) : null;
            }
        },
    };
}
