// Elements. Texts become text nodes only: nothing is ever parsed as markup.

let lastId = 0;

export const newId = () => `e${++lastId}`;

/** Make an element: `h("p.note", {id: "x", onclick: f}, "text", child)`; the attributes may be left out. */
export function h(tag, ...children) {
    const props = children[0]?.constructor === Object ? children.shift() : {};
    const [name, ...classes] = tag.split(".");
    const node = document.createElement(name);
    if (classes.length) node.className = classes.join(" ");
    for (const [key, value] of Object.entries(props)) {
        if (value === undefined || value === null || value === false) continue;
        if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
        else if (key === "value" || key === "checked" || key === "disabled" || key === "htmlFor") node[key] = value;
        else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
    return node;
}

export const button = (text, onclick, props = {}) => h("button", { type: "button", onclick, ...props }, text);

/** Make a button without a frame; its label is for screen readers. */
export const quiet = (text, onclick, label) => button(text, onclick, { class: "quiet", "aria-label": label });

/** Tell all users something for a moment, screen readers included. */
export function announce(text) {
    const status = document.getElementById("status");
    status.textContent = text;
    status.classList.add("shown");
    clearTimeout(announce.timer);
    announce.timer = setTimeout(() => status.classList.remove("shown"), 2500);
}

export async function copy(text) {
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        // Only secure origins have the clipboard; this old way works on all.
        const area = h("textarea.offscreen", { value: text, "aria-hidden": "true" });
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
    }
    announce("Copied");
}

/** Tabs after the ARIA pattern: arrows move between them. `tabs` is a list of [title, node]. */
export function tabs(label, items) {
    const panels = [];
    const heads = items.map(([title, node], index) => {
        const id = newId();
        const head = h("button.tab", { type: "button", role: "tab", id, onclick: () => select(index) }, title);
        const panel = h("div.tabpanel", { role: "tabpanel", "aria-labelledby": id, id: `${id}p`, tabindex: "0" }, node);
        head.setAttribute("aria-controls", panel.id);
        panels.push(panel);
        return head;
    });
    function select(chosen, focus = false) {
        heads.forEach((head, index) => {
            head.setAttribute("aria-selected", index === chosen);
            head.tabIndex = index === chosen ? 0 : -1;
            panels[index].hidden = index !== chosen;
        });
        if (focus) heads[chosen].focus();
    }
    function onkeydown(event) {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        select((heads.indexOf(event.target) + step + heads.length) % heads.length, true);
    }
    select(0);
    return h("div.tabs", h("div.tablist", { role: "tablist", "aria-label": label, onkeydown }, heads), panels);
}

/** Values kept for this tab only. */
export const store = {
    get(name, fallback) {
        try {
            return JSON.parse(sessionStorage.getItem(`console.${name}`)) ?? fallback;
        } catch {
            return fallback;
        }
    },
    set(name, value) {
        try {
            sessionStorage.setItem(`console.${name}`, JSON.stringify(value));
        } catch {
            // Storage is full or forbidden: the value lasts as long as the page.
        }
    },
};
