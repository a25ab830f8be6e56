/*
 * side.js - the pages and the services, at the side; on a narrow screen behind a button.
 */
import { h, keyed, setText } from "./dom.js";
import { icon } from "./icons.js";
import { sumOf } from "./hosts.js";
import { serviceHash, stateOf } from "./services.js";
import { count, short } from "./format.js";

function makeLink({ name }) {
    const dot = h("span", { "aria-hidden": "true" });
    const state = h("span", { class: "unseen" });
    const dead = h("span", { class: "badge" });
    const element = h("a", { href: serviceHash(name), "data-service-link": name }, dot, h("span", { class: "side-name" }, name), state, dead);
    element.update = (service) => {
        const [word, tone] = stateOf(service, Date.now());
        dot.className = `small-dot tone-${tone}`;
        setText(state, word === "running" ? "" : word);
        setText(dead, service.dead > 0 ? short(service.dead) : "");
        dead.hidden = service.dead === 0;
    };
    return element;
}

export function side() {
    const element = document.getElementById("side");
    const services = document.getElementById("side-services");
    const badges = { dead: document.getElementById("dead-badge"), outbox: document.getElementById("outbox-badge") };
    document.getElementById("menu").append(icon("menu"));
    let here = ["", []];

    function mark() {
        const [page, [first]] = here;
        for (const link of element.querySelectorAll("a")) {
            const name = link.dataset.serviceLink;
            const is = name === undefined ? link.dataset.page === page : page === "service" && name === first;
            if (is) {
                link.setAttribute("aria-current", "page");
            } else {
                link.removeAttribute("aria-current");
            }
        }
    }

    return {
        /* Marks where the reader is. */
        point(page, parts = []) {
            here = [page, parts];
            mark();
        },
        close() {
            if (element.matches(":popover-open")) {
                element.hidePopover();
            }
        },
        status(status) {
            const figures = { dead: sumOf(status, "dead"), outbox: status.engine.outbox_refused };
            for (const [name, badge] of Object.entries(badges)) {
                setText(badge, figures[name] > 0 ? count(figures[name]) : "");
                badge.hidden = figures[name] === 0;
            }
            keyed(services, status.services, (s) => s.name, makeLink, (link, service) => link.update(service));
            mark();
        },
    };
}
