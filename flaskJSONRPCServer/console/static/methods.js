// The list of methods, and the links to them.

import { h, newId } from "./dom.js";

export class MethodList {
    constructor() {
        this.grouping = "path";
        this.search = h("input", {
            type: "search",
            placeholder: "Search methods",
            "aria-label": "Search methods",
            "aria-keyshortcuts": "/",
            autocomplete: "off",
            spellcheck: "false",
            oninput: () => this.filter(),
            onkeydown: (event) => this.onSearchKey(event),
        });
        this.count = h("p.note", { role: "status" });
        this.groups = h("div.groups", { onkeydown: (event) => this.onLinkKey(event) });
        const choice = (value, text) =>
            h(
                "label",
                h("input", {
                    type: "radio",
                    name: "grouping",
                    value,
                    checked: value === this.grouping,
                    onchange: () => this.group(value),
                }),
                text,
            );
        this.node = h(
            "nav.methods",
            { "aria-label": "Methods" },
            h(
                "div.finder",
                h("div.search", this.search, h("kbd", { "aria-hidden": "true" }, "/")),
                h(
                    "div.beside",
                    this.count,
                    h(
                        "fieldset.switch",
                        h("legend.offscreen", "Group by"),
                        choice("path", "Paths"),
                        choice("tag", "Tags"),
                    ),
                ),
            ),
            this.groups,
        );
    }

    show(methods) {
        this.methods = methods;
        this.search.value = "";
        this.group(this.grouping);
    }

    group(grouping) {
        this.grouping = grouping;
        const groups = new Map();
        for (const method of this.methods) {
            for (const title of grouping === "path"
                ? [method.path || "/"]
                : method.tags.length
                  ? method.tags
                  : ["no tag"]) {
                if (!groups.has(title)) groups.set(title, []);
                groups.get(title).push(method);
            }
        }
        this.sections = [...groups]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([title, methods]) => this.section(title, methods));
        this.groups.replaceChildren(...this.sections.map((section) => section.node));
        this.mark(this.current);
        this.filter();
    }

    section(title, methods) {
        const id = newId();
        const items = methods.map((method) => {
            const link = h("a", { href: linkTo(method.id), title: method.summary }, method.name);
            if (method.isDeprecated) link.append(h("span.badge.warn", "deprecated"));
            return { method, link, words: method.words, node: h("li", link) };
        });
        const node = h(
            "section",
            { "aria-labelledby": id },
            h("h2", { id }, title),
            h(
                "ul",
                items.map((item) => item.node),
            ),
        );
        return { node, items };
    }

    /** Show the methods that have all words of the search. */
    filter() {
        const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
        let found = 0;
        for (const { node, items } of this.sections) {
            let shown = 0;
            for (const item of items) {
                const isHidden = !words.every((word) => item.words.includes(word));
                if (item.node.hidden !== isHidden) item.node.hidden = isHidden;
                shown += isHidden ? 0 : 1;
            }
            if (node.hidden !== (shown === 0)) node.hidden = shown === 0;
            found += shown;
        }
        const total = this.methods.length;
        this.count.textContent = words.length ? `${found} found` : `${total} method${total === 1 ? "" : "s"}`;
    }

    mark(id) {
        this.current = id;
        for (const { items } of this.sections ?? []) {
            for (const { method, link } of items) {
                if (method.id === id) link.setAttribute("aria-current", "page");
                else if (link.hasAttribute("aria-current")) link.removeAttribute("aria-current");
            }
        }
        this.groups.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    }

    get links() {
        return this.sections.flatMap(({ items }) => items.filter((item) => !item.node.hidden).map((item) => item.link));
    }

    onSearchKey(event) {
        if (event.key === "ArrowDown") this.links[0]?.focus();
        else if (event.key === "Enter") this.links[0]?.click();
        else if (event.key === "Escape" && this.search.value) {
            this.search.value = "";
            this.filter();
        } else return;
        event.preventDefault();
    }

    onLinkKey(event) {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        const { links } = this;
        const next = links.indexOf(document.activeElement) + step;
        (next < 0 ? this.search : links[Math.min(next, links.length - 1)])?.focus();
    }
}

/** Return the link to a method, filled in with the parameters if their JSON is given. */
export const linkTo = (id, params) =>
    `#/method/${encodeURIComponent(id)}${params === undefined ? "" : `?params=${encodeURIComponent(params)}`}`;
