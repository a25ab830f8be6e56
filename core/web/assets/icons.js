/*
 * icons.js - the few signs the page uses, as paths in a box of 16 by 16, drawn with strokes.
 */
import { s } from "./dom.js";

const paths = {
    replay: "M3 8a5 5 0 1 0 1.6-3.7M3 2.5v3h3",
    discard: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4",
    edit: "M3 13l.6-2.8L10.9 3a1.4 1.4 0 0 1 2 2L5.8 12.3 3 13zM9.6 4.3l2 2",
    trial: "M6 2.5h4M7 2.5v4L3.4 12a1 1 0 0 0 .9 1.5h7.4a1 1 0 0 0 .9-1.5L9 6.5v-4M5.2 10h5.6",
    pause: "M5.5 3.5v9M10.5 3.5v9",
    play: "M5 3.2v9.6l7.5-4.8z",
    skip: "M4 3.5v9l6-4.5zM12 3.5v9",
    close: "M4 4l8 8M12 4l-8 8",
    search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3L14 14",
    sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM8 1.5v1.4M8 13.1v1.4M1.5 8h1.4M13.1 8h1.4"
        + "M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1",
    moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z",
    menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
    open: "M6 3.5L10.5 8 6 12.5",
    back: "M10 3.5L5.5 8l4.5 4.5",
    warn: "M8 2.2L14.5 13.5h-13zM8 6.5v3.4M8 11.6v.1",
    check: "M3 8.5l3.2 3.2L13 4.8",
    copy: "M5.5 5.5h7v8h-7zM10.5 5.5v-3h-7v8h2",
    leave: "M9.5 3h-6v10h6M7 8h7M11.5 5.5L14 8l-2.5 2.5",
    clear: "M3 13h10M4.5 9.5l5-6 3.5 3-5 6H6z",
    parked: "M5 13.5v-11h3.6a3 3 0 0 1 0 6.2H5",
};

/* Decoration only: what a button does is said by its text or its aria-label. */
export function icon(name) {
    return s("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
        s("path", { d: paths[name] }));
}
