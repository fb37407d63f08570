// The pages beside that of a method: the overview, the batch, the history, and the question for another document.

import { ApiDocument, fetchDocument } from "./api.js";
import { exchangeOf, exchangeView, messageOf } from "./call.js";
import { prose } from "./documentation.js";
import { button, h, newId, quiet, store } from "./dom.js";
import { parse } from "./form.js";
import { linkTo } from "./methods.js";

const MOST_LISTED = 200;

export function overview(api) {
    const paths = grouped(api.methods.slice(0, MOST_LISTED), (method) => method.path);
    return h(
        "div.page",
        h("h1", { tabindex: "-1" }, api.title),
        h(
            "p.lead",
            [
                api.version && `Version ${api.version}`,
                `${api.methods.length} method${api.methods.length === 1 ? "" : "s"}`,
            ]
                .filter(Boolean)
                .join(" · "),
        ),
        prose(api.description),
        [...paths].map(([path, methods]) =>
            h(
                "div.stack.list",
                h("h2.mono", path || "/"),
                table(
                    ["Method", "Summary"],
                    methods.map((method) => [h("a", { href: linkTo(method.id) }, method.name), method.summary]),
                ),
            ),
        ),
        api.methods.length > MOST_LISTED && h("p.note", `and ${api.methods.length - MOST_LISTED} more, in the list`),
        h(
            "p.note.keys",
            key("/"),
            " searches, ",
            key("↓"),
            " ",
            key("↑"),
            " move in the list, ",
            key("Ctrl"),
            " ",
            key("Enter"),
            " calls",
        ),
    );
}

const key = (text) => h("kbd", text);

function table(heads, rows) {
    return h(
        "div.scroll",
        { tabindex: "0", role: "group", "aria-label": heads.join(", ") },
        h(
            "table.plain",
            h(
                "thead",
                h(
                    "tr",
                    heads.map((head) => h("th", { scope: "col" }, head)),
                ),
            ),
            h(
                "tbody",
                rows.map((cells) =>
                    h(
                        "tr",
                        cells.map((cell) => h("td", cell)),
                    ),
                ),
            ),
        ),
    );
}

export function batchPage() {
    const place = h("div.stack");
    const save = (batch) => {
        store.set("batch", batch);
        dispatchEvent(new Event("batch"));
        show();
    };
    const show = () => {
        const batch = store.get("batch", []);
        const groups = grouped(batch, (entry) => entry.url);
        place.replaceChildren(...[...groups].map(([url, entries]) => batchOf(url, entries, batch, save)));
        if (!batch.length)
            place.append(h("p.note", "It is empty. “Add to batch” beside a method collects its call here."));
    };
    show();
    return h(
        "div.page",
        h("h1", { tabindex: "-1" }, "Batch"),
        h("p.lead", "Calls that are sent in one request, one for each path."),
        place,
    );
}

function grouped(entries, keyOf) {
    const groups = new Map();
    for (const entry of entries) groups.set(keyOf(entry), [...(groups.get(keyOf(entry)) ?? []), entry]);
    return groups;
}

function batchOf(url, entries, batch, save) {
    const answer = h("div.answer", { "aria-live": "polite" });
    const send = async () => {
        const body = entries.map((entry) => messageOf(entry.name, entry.params && parse(entry.params), entry.isCall));
        answer.replaceChildren(exchangeView(await exchangeOf(url, JSON.stringify(body))));
    };
    const row = (entry) => [
        h("a", { href: linkTo(entry.id, entry.params) }, entry.name),
        h("code.params", entry.params ?? ""),
        h(
            "label.check",
            h("input", {
                type: "checkbox",
                checked: !entry.isCall,
                "aria-label": `${entry.name}: without an answer`,
                onchange: () =>
                    save(batch.map((other) => (other === entry ? { ...entry, isCall: !entry.isCall } : other))),
            }),
            "notify",
        ),
        quiet("Remove", () => save(batch.filter((other) => other !== entry)), `Remove ${entry.name}`),
    ];
    return h(
        "section.stack",
        { "aria-label": url },
        h("p.url", h("span.verb", "POST"), h("code", url)),
        table(["Method", "Parameters", "Kind", "Remove"], entries.map(row)),
        h(
            "div.actions",
            button(`Send ${entries.length}`, send, { class: "primary" }),
            button("Clear", () => save(batch.filter((other) => other.url !== url))),
        ),
        answer,
    );
}

export function historyPage(api) {
    const entries = store.get("history", []);
    const clear = (event) => {
        store.set("history", []);
        event.target.closest(".page").replaceWith(historyPage(api));
    };
    const row = (entry) => [
        new Date(entry.at).toLocaleTimeString(),
        h("a", { href: linkTo(entry.id, entry.params) }, entry.id),
        h("code.params", entry.params ?? ""),
        entry.isCall ? "call" : "notification",
        entry.outcome,
        entry.ms === undefined ? "" : `${entry.ms.toFixed(1)} ms`,
    ];
    return h(
        "div.page",
        h("h1", { tabindex: "-1" }, "History"),
        h("p.lead", "The calls of this tab, the latest first. It forgets them when you close it."),
        entries.length
            ? [
                  table(["Time", "Method", "Parameters", "Kind", "Outcome", "Duration"], entries.map(row)),
                  h("div.actions", button("Clear", clear)),
              ]
            : h("p.note", "No calls yet."),
    );
}

/** Ask for another document: by its URL, as a file, or as text. Calls `open` with it. */
export function askForDocument(open) {
    const heading = h("h2", { id: newId() }, "Open an OpenRPC document");
    const problem = h("p.problem", { role: "alert", hidden: true });
    const url = h("input", {
        id: newId(),
        type: "url",
        placeholder: "https://api.example/openrpc.json",
        autocomplete: "off",
    });
    const file = h("input", { id: newId(), type: "file", accept: ".json,application/json" });
    const text = h("textarea.code", { id: newId(), rows: 4, spellcheck: "false" });
    const dialog = h("dialog", { "aria-labelledby": heading.id });
    const read = async () => {
        if (text.value.trim()) return new ApiDocument(JSON.parse(text.value), {});
        if (file.files[0]) return new ApiDocument(JSON.parse(await file.files[0].text()), {});
        if (url.value) return fetchDocument(url.value);
        throw new Error("Give a URL, a file or a text.");
    };
    const onsubmit = async (event) => {
        event.preventDefault();
        try {
            open(await read());
            dialog.remove();
        } catch (error) {
            const isForeign = error instanceof TypeError && url.value;
            problem.textContent = isForeign
                ? "The console may not read this URL: its server has to list the origin in console_origins, and the other one to allow it by CORS. Load the document as a file instead."
                : error.message;
            problem.hidden = false;
        }
    };
    const row = (title, input) => h("div.row", h("label.name", { htmlFor: input.id }, title), input);
    dialog.append(
        h(
            "form.stack",
            { onsubmit },
            heading,
            row("URL", url),
            row("File", file),
            row("Text", text),
            problem,
            h(
                "div.actions",
                button("This server", () => {
                    dialog.remove();
                    open(null);
                }),
                button("Cancel", () => dialog.remove()),
                h("button.primary", { type: "submit" }, "Open"),
            ),
        ),
    );
    dialog.addEventListener("cancel", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
}
