/*
 * diff.js - what an edit changed, line by line.
 *
 * The longest common subsequence by the plain table; past LINES_MAX lines, where the table would
 * grow too large, everything between the equal beginning and end counts as changed.
 */
import { h } from "./dom.js";

const LINES_MAX = 1500;
const CONTEXT = 3;

function common(a, b) {
    const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--) {
        for (let j = b.length - 1; j >= 0; j--) {
            table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
        }
    }
    return table;
}

function middle(a, b) {
    if (a.length > LINES_MAX || b.length > LINES_MAX) {
        return [...a.map((text) => ["-", text]), ...b.map((text) => ["+", text])];
    }
    const table = common(a, b);
    const rows = [];
    let i = 0;
    let j = 0;
    while (i < a.length || j < b.length) {
        if (i < a.length && j < b.length && a[i] === b[j]) {
            rows.push([" ", a[i++]]);
            j++;
        } else if (i < a.length && (j === b.length || table[i + 1][j] >= table[i][j + 1])) {
            rows.push(["-", a[i++]]);
        } else {
            rows.push(["+", b[j++]]);
        }
    }
    return rows;
}

/* Rows of [" " | "-" | "+", line]. */
export function diffLines(before, after) {
    const a = before.split("\n");
    const b = after.split("\n");
    let head = 0;
    while (head < a.length && head < b.length && a[head] === b[head]) {
        head++;
    }
    let tail = 0;
    while (tail < a.length - head && tail < b.length - head
        && a[a.length - 1 - tail] === b[b.length - 1 - tail]) {
        tail++;
    }
    const same = (lines) => lines.map((text) => [" ", text]);
    return [
        ...same(a.slice(0, head)),
        ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
        ...same(a.slice(a.length - tail)),
    ];
}

const classes = { " ": "diff-same", "-": "diff-gone", "+": "diff-new" };
const words = { "-": "before: ", "+": "after: " };

/* The rows near a change; null when nothing differs. */
export function diffView(before, after) {
    const rows = diffLines(before, after);
    const near = new Set();
    rows.forEach(([sign], i) => {
        for (let k = i - CONTEXT; sign !== " " && k <= i + CONTEXT; k++) {
            near.add(k);
        }
    });
    if (near.size === 0) {
        return null;
    }
    const lines = [];
    rows.forEach(([sign, text], i) => {
        if (near.has(i)) {
            lines.push(h("div", { class: classes[sign] },
                words[sign] && h("span", { class: "unseen" }, words[sign]),
                h("span", { class: "diff-sign", "aria-hidden": "true" }, sign), text));
        } else if (near.has(i - 1)) {
            lines.push(h("div", { class: "diff-gap", "aria-hidden": "true" }, "⋯"));
        }
    });
    return h("div", { class: "code diff", tabindex: "0", role: "region", "aria-label": "Difference" }, lines);
}
