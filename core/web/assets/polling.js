/*
 * polling.js - a list that is asked for again and again while it is shown: not once its view is left, not
 * while nobody looks at the page, and never before the last answer has come.
 */

/* So long, or until the page is hidden or seen again. */
function pause(ms) {
    return new Promise((resolve) => {
        const wait = new AbortController();
        const end = () => {
            clearTimeout(timer);
            wait.abort();
            resolve();
        };
        const timer = setTimeout(end, ms);
        document.addEventListener("visibilitychange", end, { signal: wait.signal });
    });
}

/* refresh() may be asynchronous, and does not throw. */
export function polling(refresh, everyMs) {
    let round = 0; /* an older one ends */
    const self = {
        on: false,
        async begin() {
            const mine = ++round;
            self.on = true;
            while (mine === round) {
                if (!document.hidden) {
                    await refresh();
                }
                await pause(everyMs);
            }
        },
        end() {
            round++;
            self.on = false;
        },
    };
    return self;
}
