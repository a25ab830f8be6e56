/*
 * choice.js - which of several hosts is looked at: a choice in the head of the page, where they divide
 * the keys among them. The host that serves the page knows the others.
 */
import { fill, h } from "./dom.js";
import { api, hostShown, showHost } from "./api.js";

const LOOK_MS = 10000;

/* The hosts of this one's division by their numbers, this one among them. */
function division(hosts) {
    const own = hosts.find((host) => host.self);
    const same = hosts.filter((host) => host.group === own.group && host.count === own.count);
    return own?.count > 1 ? same.sort((a, b) => a.this - b.this) : [];
}

function label(host) {
    const state = host.state === "up" ? "" : `, ${host.state}`;
    return `Host ${host.this} of ${host.count}${host.self ? ", here" : state}`;
}

export function hostChoice() {
    const element = h("select", {
        class: "host-choice", "aria-label": "Host", hidden: true,
        onchange: () => showHost("self" in element.selectedOptions[0].dataset ? null : element.value),
    });

    function show(status) {
        const hosts = division(status.hosts ?? []);
        const shown = hostShown();
        element.hidden = hosts.length < 2;
        if (element.hidden && shown !== null) {
            showHost(null); /* the one that was looked at is no more */
        }
        if (element.hidden || element.matches(":focus")) {
            return; /* options that change under a hand are of no use */
        }
        fill(element, ...hosts.map((host) => h("option", { value: host.this, "data-self": host.self }, label(host))));
        element.value = shown ?? hosts.find((host) => host.self).this;
    }

    /* What the other one says of itself does not tell where the page is from. */
    async function look() {
        try {
            show(await api.ownStatus());
        } catch {
            /* the page says already that nobody answers */
        }
        setTimeout(look, LOOK_MS);
    }

    if (hostShown() !== null) {
        look();
    }
    return {
        element,
        status(status) {
            if (hostShown() === null) {
                show(status);
            }
        },
    };
}
