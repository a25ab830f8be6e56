/*
 * format.js - figures, times and bytes as people read them.
 */

const counts = new Intl.NumberFormat("en", { useGrouping: true });

export function count(n) {
    return typeof n === "number" && Number.isFinite(n) ? counts.format(n) : "–";
}

/* 12.3k, 4.56M: for narrow places. */
export function short(n) {
    if (!Number.isFinite(n)) {
        return "–";
    }
    if (Math.abs(n) < 10000) {
        return count(Math.round(n));
    }
    const [scale, unit] = n < 1e6 ? [1e3, "k"] : n < 1e9 ? [1e6, "M"] : [1e9, "G"];
    const scaled = n / scale;
    return scaled.toFixed(scaled < 100 ? 1 : 0) + unit;
}

/* Events a second. */
export function rate(n) {
    if (!Number.isFinite(n)) {
        return "–";
    }
    if (n === 0) {
        return "0/s";
    }
    return (n < 0.1 ? "<0.1" : n < 10 ? n.toFixed(1) : short(n)) + "/s";
}

export function percent(share) {
    if (!Number.isFinite(share)) {
        return "–";
    }
    const p = share * 100;
    return (p === 0 ? "0" : p < 0.1 ? "<0.1" : p < 10 ? p.toFixed(1) : Math.round(p)) + " %";
}

/* A duration; the two largest units from a minute on. */
export function duration(ms) {
    if (!Number.isFinite(ms)) {
        return "–";
    }
    if (ms < 1) {
        return ms <= 0 ? "0 ms" : Math.max(1, Math.round(ms * 1000)) + " µs";
    }
    if (ms < 1000) {
        return (ms < 10 ? ms.toFixed(1) : Math.round(ms)) + " ms";
    }
    if (ms < 60000) {
        return (ms / 1000).toFixed(ms < 10000 ? 1 : 0) + " s";
    }
    const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
    const seconds = Math.round(ms / 1000);
    const first = units.findIndex(([, size]) => seconds >= size);
    const [unit, size] = units[first];
    const rest = units[first + 1] && Math.floor((seconds % size) / units[first + 1][1]);
    return Math.floor(seconds / size) + " " + unit + (rest ? " " + rest + " " + units[first + 1][0] : "");
}

export function micros(us) {
    return duration(us / 1000);
}

export function bytes(n) {
    if (!Number.isFinite(n)) {
        return "–";
    }
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (n >= 1024 && unit < units.length - 1) {
        n /= 1024;
        unit++;
    }
    return (unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + " " + units[unit];
}

/* The API tells times as "2026-01-02T03:04:05.678Z" or null. */
export function msOf(text) {
    const ms = typeof text === "number" ? text : Date.parse(text ?? "");
    return Number.isFinite(ms) && ms > 0 ? ms : null;
}

function two(n) {
    return String(n).padStart(2, "0");
}

/* Time of day; with the date when it is another day's. */
export function clock(ms, withMillis = false) {
    if (ms === null || ms === undefined) {
        return "–";
    }
    const t = new Date(ms);
    const day = `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} `;
    const time = `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
    const millis = withMillis ? "." + String(t.getMilliseconds()).padStart(3, "0") : "";
    return (t.toDateString() === new Date().toDateString() ? "" : day) + time + millis;
}

/* "3 min ago", "in 12 s". */
export function ago(ms, now) {
    if (ms === null || ms === undefined) {
        return "–";
    }
    const away = Math.abs(now - ms);
    if (away < 1000) {
        return "now";
    }
    const text = away < 60000 ? Math.floor(away / 1000) + " s" : duration(away).replace(/ \d+ s$/, "");
    return ms <= now ? text + " ago" : "in " + text;
}

export function firstLine(text) {
    return (text ?? "").split("\n", 1)[0];
}

/* "1 event", "2 events". */
export function plural(n, one, many = one + "s") {
    return `${count(n)} ${n === 1 ? one : many}`;
}

/* A field that the API gives as text, or as NAME_base64 where it is not UTF-8. */
export function bytesField(object, name) {
    const encoded = object[name + "_base64"];
    if (encoded === undefined) {
        return { text: object[name] ?? "", binary: false };
    }
    return { text: encoded, binary: true };
}

export function label(object, name) {
    const { text, binary } = bytesField(object, name);
    return binary ? `base64:${text}` : text;
}

/* JSON spread over lines, with its numbers as they were written; anything else as it is. */
export function pretty(text) {
    try {
        JSON.parse(text);
    } catch {
        return text;
    }
    return spread(text);
}

/* JSON.parse would turn 12345678901234567890 into another number: only whitespace is touched. */
function spread(text) {
    let out = "";
    let depth = 0;
    const newline = () => "\n" + "  ".repeat(depth);
    const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
    tokens.forEach((token, i) => {
        const next = tokens[i + 1];
        if (token === "{" || token === "[") {
            depth++;
            const empty = next === "}" || next === "]";
            out += token + (empty ? "" : newline());
        } else if (token === "}" || token === "]") {
            depth--;
            const empty = tokens[i - 1] === "{" || tokens[i - 1] === "[";
            out += (empty ? "" : newline()) + token;
        } else {
            out += token === "," ? "," + newline() : token === ":" ? ": " : token;
        }
    });
    return out;
}

/* The reverse of pretty for what was on one line. */
export function tight(text) {
    try {
        JSON.parse(text);
    } catch {
        return text;
    }
    return (text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? []).join("");
}
