/*
 * theme.js - light or dark, before the first paint; so this one script is no module.
 */
(function () {
    "use strict";
    const system = matchMedia("(prefers-color-scheme: dark)");

    function wish() {
        try {
            return localStorage.getItem("zingq-theme");
        } catch {
            return null; /* storage is closed to this page */
        }
    }

    function apply() {
        const theme = wish() ?? (system.matches ? "dark" : "light");
        document.documentElement.dataset.theme = theme;
    }

    /* The toggle: the other one; back to the system's when that is what it now says anyway. */
    window.zingqToggleTheme = function () {
        const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
        try {
            if ((next === "dark") === system.matches) {
                localStorage.removeItem("zingq-theme");
            } else {
                localStorage.setItem("zingq-theme", next);
            }
        } catch {
            /* then it holds until the page is loaded again */
        }
        document.documentElement.dataset.theme = next;
        return next;
    };

    system.addEventListener("change", apply);
    apply();
})();
