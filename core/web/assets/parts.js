/*
 * parts.js - small pieces that several views show: states, keys, code, buttons, empty places.
 */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { label } from "./format.js";
import { toast } from "./dialogs.js";

/* Colour never says it alone: the word is there too. */
const tones = {
    ready: "info", running: "info", retrying: "warn", sleeping: "warn", compensating: "warn", done: "good", dead: "bad",
    "needs-person": "bad",
    discarded: "mute", expired: "mute", parked: "bad",
    error: "bad", timeout: "bad", crash: "bad", reject: "bad", retry: "warn", snooze: "warn",
    throttle: "warn", cancelled: "mute", replay: "info", edit: "info", call: "info", discard: "mute",
    begun: "info", waiting: "warn", failed: "bad", unknown: "bad",
};

export function toneOf(word) {
    return tones[word] ?? "mute";
}

export function pill(word, tone = toneOf(word)) {
    return h("span", { class: `pill tone-${tone}` }, word);
}

/* Text from outside, kept from turning its neighbours around (bidirectional marks). */
export function data(text, extra = "") {
    return h("bdi", { class: `data ${extra}` }, text);
}

export function keyText(event) {
    const text = label(event, "key");
    return text === "" ? h("span", { class: "faint" }, "no key") : data(text);
}

export function button(text, iconName, onclick, kind = "") {
    return h("button", { type: "button", class: `button ${kind}`, onclick }, iconName && icon(iconName), text);
}

export function iconButton(name, iconName, onclick, kind = "") {
    return h("button", { type: "button", class: `button icon-only ${kind}`, "aria-label": name, title: name, onclick },
        icon(iconName));
}

async function copy(what, text) {
    try {
        await navigator.clipboard.writeText(text);
        toast(`Copied ${what}`);
    } catch {
        toast("The browser does not allow copying here", "bad");
    }
}

export function copyButton(what, text) {
    return iconButton(`Copy ${what}`, "copy", () => copy(what, text), "quiet small");
}

export function copyTextButton(name, text) {
    return button(name, "copy", () => copy(text.split(" ", 2).join(" "), text), "quiet small");
}

export function code(text, name) {
    return h("pre", { class: "code", tabindex: "0", role: "region", "aria-label": name }, text);
}

export function empty(title, text) {
    return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), text && h("p", {}, text));
}

export function problem(text) {
    return h("div", { class: "banner tone-bad", role: "alert" }, icon("warn"), h("span", {}, text));
}

/* A choice of services, kept in step with what the host runs. */
export function serviceSelect(name, onchange) {
    const select = h("select", { "aria-label": name, onchange }, h("option", { value: "" }, "All services"));
    return {
        element: select,
        /* Also before it is known which services there are. */
        choose(name) {
            if (![...select.options].some((option) => option.value === name)) {
                select.append(h("option", { value: name }, name));
            }
            select.value = name;
        },
        offer(names) {
            if (names.length === select.options.length - 1
                && names.every((one, i) => select.options[i + 1].value === one)) {
                return;
            }
            const chosen = select.value;
            select.replaceChildren(select.options[0], ...names.map((one) => h("option", { value: one }, one)));
            select.value = names.includes(chosen) ? chosen : "";
        },
    };
}

/* A link to an event's page. */
export function eventHash(id, service) {
    return `#/event/${encodeURIComponent(id)}` + (service ? `?service=${encodeURIComponent(service)}` : "");
}

/* As the tables of the program have it, whose commands take it: the first digits are only time. */
export function shortId(id) {
    return id.slice(-8);
}
