/*
 * dom.js - elements, and lists of them that keep their rows.
 *
 * What comes from outside (topics, keys, payloads, errors) only ever becomes a text node or the
 * value of an attribute that cannot run: nothing in this folder parses HTML, and a lint gate holds
 * it to that. Styles come from classes, because the page's policy allows no inline ones.
 */

const SVG = "http://www.w3.org/2000/svg";

function setOne(element, name, value) {
    if (value === undefined || value === null || value === false) {
        return;
    }
    if (typeof value === "function") {
        element.addEventListener(name.slice(2), value); /* onclick → click */
    } else if (name === "class") {
        element.setAttribute("class", value);
    } else if (name === "value" || name === "checked" || name === "disabled") {
        element[name] = value;
    } else {
        element.setAttribute(name, value === true ? "" : String(value));
    }
}

function build(element, props, children) {
    for (const [name, value] of Object.entries(props ?? {})) {
        setOne(element, name, value);
    }
    element.append(...flat(children));
    return element;
}

function flat(children) {
    return children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false);
}

/* h("p", {class: "note"}, "text", element): strings become text nodes. */
export function h(tag, props, ...children) {
    return build(document.createElement(tag), props, children);
}

/* The same for SVG. */
export function s(tag, props, ...children) {
    return build(document.createElementNS(SVG, tag), props, children);
}

/* Sets an element's text where it differs; spares the browser the rest. */
export function setText(element, text) {
    const wanted = String(text);
    if (element.textContent !== wanted) {
        element.textContent = wanted;
    }
}

export function setClass(element, name, on) {
    if (element.classList.contains(name) !== on) {
        element.classList.toggle(name, on);
    }
}

export function fill(element, ...children) {
    element.replaceChildren(...flat(children));
    return element;
}

/*
 * Makes the children of `parent` show `items`, one each, in order. Elements of items that stay are
 * kept, so that focus, selection and scrolling survive a refresh. make(item) returns an element;
 * update(element, item) is called for every one, new ones too. Children not made here (a table's
 * head) stay, in front.
 */
export function keyed(parent, items, keyOf, make, update) {
    const mine = [...parent.children].filter((child) => child.keyOfItem !== undefined);
    const had = new Map(mine.map((child) => [child.keyOfItem, child]));
    let at = mine[0] ?? null;
    for (const item of items) {
        const key = keyOf(item);
        let element = had.get(key);
        had.delete(key);
        if (element === undefined) {
            element = make(item);
            element.keyOfItem = key;
        }
        update?.(element, item);
        if (element === at) {
            at = at.nextElementSibling;
        } else {
            parent.insertBefore(element, at);
        }
    }
    for (const gone of had.values()) {
        gone.remove();
    }
    console.assert(new Set(items.map(keyOf)).size === items.length, "two items have one key");
}
