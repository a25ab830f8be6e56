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

/*
 * Makes `nodes` what stands in `parent` in this order, in the place of `had` (children of it). What is
 * there already stays where it is: an element that is taken out and put back loses focus, selection
 * and scrolling. Where rows change places, the focus is given back.
 */
function arrange(parent, had, nodes) {
    const focused = document.activeElement;
    const wanted = new Set(nodes);
    let at = had.find((node) => wanted.has(node)) ?? had.at(-1)?.nextSibling ?? null;
    had.filter((node) => !wanted.has(node)).forEach((node) => node.remove());
    for (const node of nodes) {
        if (node === at) {
            at = at.nextSibling;
        } else {
            parent.insertBefore(node, at);
        }
    }
    if (focused !== document.activeElement && parent.contains(focused)) {
        focused.focus({ preventScroll: true });
    }
}

/* Makes `children` all that is in the element. */
export function fill(element, ...children) {
    arrange(element, [...element.childNodes], flat(children).map((child) =>
        child instanceof Node ? child : document.createTextNode(child)));
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
    arrange(parent, mine, items.map((item) => {
        const key = keyOf(item);
        const element = had.get(key) ?? make(item);
        element.keyOfItem = key;
        update?.(element, item);
        return element;
    }));
    const keys = items.map(keyOf);
    console.assert(new Set(keys).size === items.length, `two items have the key ${keys.find((key, i) => keys.indexOf(key) < i)}`);
}
