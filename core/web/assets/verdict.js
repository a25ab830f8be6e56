/*
 * verdict.js - is all well? The host says it (status.verdict): a line, and a sentence for each thing that
 * needs a look, with a link to where it is looked at.
 */
import { h, keyed, setClass, setText } from "./dom.js";
import { icon } from "./icons.js";
import { duration, plural } from "./format.js";

const pages = [["#/dead", "Dead letters"], ["#/service", "Service"], ["#/keys", "Keys"], ["#/outbox", "Outbox"], ["#/host", "Host"]];

function pageOf(link) {
    return pages.find(([start]) => link.startsWith(start))?.[1] ?? "Look";
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

function makeSentence({ link, command }) {
    const parts = { text: h("span", {}), more: h("pre", { class: "banner-more" }),
        link: h("a", { class: "banner-link", href: link, title: command }, pageOf(link), icon("open")) };
    const element = h("li", { class: "banner" }, icon("warn"), h("div", { class: "grow" }, parts.text, parts.more), parts.link);
    element.parts = parts;
    return element;
}

function updateSentence(element, { level, link, service, text, more }) {
    setClass(element, "tone-bad", level === "bad");
    setClass(element, "tone-warn", level === "warn");
    setText(element.parts.text, service === null ? `${capital(text)}.` : `${service}: ${text}.`);
    setText(element.parts.more, more ?? "");
    element.parts.link.hidden = link === location.hash; /* that is here */
}

/* The host's warnings have one code: their texts tell them apart. */
function keyOf({ code, service, text }) {
    return service === null && code === "host" ? `host/${text}` : `${service}/${code}`;
}

export function sentenceList() {
    const element = h("ul", { class: "alerts", "aria-label": "What needs a look" });
    return {
        element,
        update: (sentences) => keyed(element, sentences, keyOf, makeSentence, updateSentence),
    };
}

/* {head, list}: the line, and the sentences. */
export function verdict() {
    const line = h("h1", { class: "verdict" });
    const sub = h("p", { class: "verdict-note" });
    const dot = h("span", { class: "dot", "aria-hidden": "true" });
    const list = sentenceList();
    return {
        head: h("header", { class: "view-head" }, dot, h("div", { class: "grow" }, line, sub)),
        list: list.element,
        update({ host, services, verdict: said }) {
            setText(line, capital(said.text));
            setText(sub, `${host.connected ? "Connected to" : "Not connected to"} ${host.broker} · ${plural(services.length, "service")} · up ${duration(host.uptime_ms)} · zingq ${host.version}`);
            dot.className = `dot tone-${said.level}`;
            list.update(said.sentences);
        },
    };
}
