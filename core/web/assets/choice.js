/*
 * choice.js - which of several hosts is looked at, all or one: a choice in the head of the page, where they divide
 * the keys among them. The host that serves the page knows the others. Beside it, which of them a list lacks.
 */
import { fill, h, setText } from "./dom.js";
import { api, hostShown, onMissing, showHost } from "./api.js";

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
    const select = h("select", {
        class: "host-choice", "aria-label": "Host", hidden: true,
        onchange: () => showHost(select.value === "" ? null : select.value),
    });
    const missing = h("span", { class: "pill tone-warn", role: "status", hidden: true });
    onMissing((hosts) => {
        missing.hidden = hosts.length === 0;
        missing.title = hosts.map((one) => one.why ?? `host ${one.host}`).join("; ");
        setText(missing, `without host ${hosts.map((one) => one.host).join(", ")}`);
    });

    function show(status) {
        const hosts = division(status.hosts ?? []);
        const shown = hostShown();
        select.hidden = hosts.length < 2;
        if (select.hidden && shown !== null) {
            showHost(null); /* the one that was looked at is no more */
        }
        if (select.hidden || select.matches(":focus")) {
            return; /* options that change under a hand are of no use */
        }
        fill(select, h("option", { value: "" }, "All hosts"), ...hosts.map((host) => h("option", { value: host.this }, label(host))));
        select.value = shown ?? "";
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
        parts: [missing, select],
        status(status) {
            if (hostShown() === null) {
                show(status);
            }
        },
    };
}
