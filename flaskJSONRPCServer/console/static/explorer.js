// The explorer: the list of methods, the documentation of one, the panel that calls it, its batch and history.

import { ApiDocument, authorisationOf, fetchDocument, post } from "./api.js";
import { announce, button, copy, h, newId, quiet, store, tabs } from "./dom.js";
import { Form, highlighted, isObject, parse, pretty, prettyText, requiredOf } from "./form.js";

// The list of methods

export class MethodList {
    constructor(onchoose) {
        this.onchoose = onchoose;
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
const linkTo = (id, params) =>
    `#/method/${encodeURIComponent(id)}${params === undefined ? "" : `?params=${encodeURIComponent(params)}`}`;

// The documentation of a method

const DEEPEST = 3;

/** Return the paragraphs, lists and code of a docstring as nodes. */
function prose(text) {
    const nodes = [];
    for (const block of text.split(/\n\s*\n/)) {
        const lines = block.split("\n").filter((line) => line.trim());
        if (!lines.length) continue;
        if (lines.every((line) => /^(\s{4}|\t|>>>)/.test(line))) nodes.push(h("pre", { tabindex: "0" }, block));
        else if (/^\s*[-*] /.test(lines[0]))
            nodes.push(
                h(
                    "ul",
                    itemsOf(lines).map((item) => h("li", inline(item))),
                ),
            );
        else nodes.push(h("p", inline(block.trim())));
    }
    return nodes;
}

function itemsOf(lines) {
    const items = [];
    for (const line of lines) {
        if (/^\s*[-*] /.test(line)) items.push(line.replace(/^\s*[-*] /, ""));
        else items[items.length - 1] += ` ${line.trim()}`;
    }
    return items;
}

// The odd parts are what the group has matched: text between backticks.
const inline = (text) =>
    text
        .split(/(\x60+[^\x60]+\x60+)/)
        .map((part, index) => (index % 2 ? h("code", part.replaceAll("\x60", "")) : part));

export function documentation(method, fill) {
    const { schemas } = method;
    return h(
        "div.docs",
        h(
            "header",
            h("h1", { tabindex: "-1" }, method.name),
            h("p.url", h("span.verb", "POST"), h("code", method.path || method.url || "no URL")),
        ),
        h("p.badges", [...badges(method)]),
        method.summary && h("p.lead", inline(method.summary)),
        prose(method.description),
        section("Parameters", parameters(method)),
        method.result &&
            section(
                "Result",
                h(
                    "dl.members",
                    member(schemas, "", method.result.schema ?? {}, { note: method.result.description, depth: 0 }),
                ),
            ),
        method.errors.length > 0 && section("Errors", errors(method)),
        method.examples.length > 0 &&
            section(
                "Examples",
                method.examples.map((example) => exampleOf(method, example, fill)),
            ),
    );
}

function* badges(method) {
    if (method.isDeprecated) yield h("span.badge.warn", "deprecated");
    if (method.isNotification) yield h("span.badge", "notification: no answer");
    for (const tag of method.tags) yield h("span.badge", tag);
    if (method.aliases.length)
        yield h(
            "span.note",
            "also ",
            method.aliases.flatMap((name, index) => [index ? ", " : "", h("code", name)]),
        );
    if (method.object["x-timeout"] !== undefined) yield h("span.note", `timeout ${method.object["x-timeout"]} s`);
    if (method.object["x-validate"] === false) yield h("span.note", "values are not checked");
}

function section(title, ...content) {
    const id = newId();
    return h("section", { "aria-labelledby": id }, h("h2", { id }, title), content);
}

function parameters(method) {
    const [structure] = method.structures;
    const params = method.params(structure);
    if (!params.length) return h("p.note", "None.");
    const way = { "by-position": "Passed by position.", "by-name": "Passed by name." }[method.object.paramStructure];
    return [
        h(
            "dl.members",
            params.map((param) =>
                member(
                    method.schemas,
                    (param["x-variadic"] ? (structure === "by-name" ? "**" : "*") : "") + param.name,
                    param.schema ?? {},
                    { note: param.description, isRequired: param.required, depth: 0 },
                ),
            ),
        ),
        way && h("p.note", way),
    ];
}

/** Describe a value: its name, type, limits, documentation, and the members of its type. */
function member(schemas, name, given, { note, isRequired, depth }) {
    const schema = schemas.resolve(given);
    const texts = [note, schema.description].filter((text, index, all) => text && all.indexOf(text) === index);
    return [
        h(
            "dt",
            name && h("span.name", name),
            h("span.type", schemas.typeText(given)),
            isRequired && h("span.required", "required"),
            schema.deprecated === true && h("span.badge.warn", "deprecated"),
            Object.hasOwn(schema, "default") && h("span.note", "default ", h("code", JSON.stringify(schema.default))),
        ),
        h(
            "dd",
            texts.map((text) => prose(String(text))),
            limits(schema),
            inner(schemas, given, depth),
        ),
    ];
}

/** Return the limits of a value, under their names in JSON Schema. */
function limits(schema) {
    const known = Object.keys(schema).filter(
        (name) =>
            /^(m(in|ax)[A-Z]|exclusiveM|minimum|maximum|multipleOf|pattern$|format)/.test(name) &&
            !schema.contentEncoding,
    );
    return (
        known.length > 0 &&
        h(
            "p.note",
            known.map((name) => [`${name} `, h("code", String(schema[name])), " "]),
        )
    );
}

/** Return what is inside a type, folded: its members, or those of its items and variants. */
function inner(schemas, given, depth) {
    if (depth >= DEEPEST) return null;
    return objectsIn(schemas, given).map((object) => {
        const schema = schemas.resolve(object);
        const members = Object.entries(schema.properties ?? {});
        const required = requiredOf(schema);
        return (
            members.length > 0 &&
            h(
                "details",
                h("summary", schemas.typeText(object)),
                h(
                    "dl.members",
                    members.map(([name, value]) =>
                        member(schemas, name, value, { isRequired: required.includes(name), depth: depth + 1 }),
                    ),
                ),
            )
        );
    });
}

function objectsIn(schemas, given, depth = 0) {
    const schema = schemas.resolve(given);
    const kind = schemas.kind(given);
    if (depth > DEEPEST) return [];
    if (kind === "union") return schemas.variants(given).flatMap((variant) => objectsIn(schemas, variant, depth + 1));
    if (kind === "array")
        return [schema.items, schema.prefixItems]
            .flat()
            .filter(isObject)
            .flatMap((item) => objectsIn(schemas, item, depth + 1));
    if (kind !== "object") return [];
    return schema.properties
        ? [given]
        : isObject(schema.additionalProperties)
          ? objectsIn(schemas, schema.additionalProperties, depth + 1)
          : [];
}

function errors(method) {
    const descriptions = method.object["x-error-descriptions"] ?? {};
    return h(
        "dl.members",
        method.errors.map((error) => [
            h("dt", h("span.code", String(error.code)), h("span", String(error.message ?? ""))),
            h("dd", descriptions[error.code] && prose(String(descriptions[error.code]))),
        ]),
    );
}

function exampleOf(method, example, fill) {
    const params = (Array.isArray(example.params) ? example.params : []).map((param) => method.schemas.resolve(param));
    const [structure] = method.structures;
    const names = new Set(method.params("by-name").map((param) => param.name));
    const isNamed =
        structure !== "by-position" && params.every((param) => names.has(param.name) || structure === "by-name");
    const value = isNamed
        ? Object.fromEntries(params.map((param) => [param.name, param.value]))
        : params.map((param) => param.value);
    const result = method.schemas.resolve(example.result ?? {});
    return h(
        "figure.example",
        h(
            "figcaption",
            h("span", String(example.name ?? "Example")),
            h(
                "button.quiet",
                { type: "button", onclick: () => fill(value), "aria-label": `Try ${example.name ?? "the example"}` },
                "Try",
            ),
        ),
        example.summary && h("p.note", String(example.summary)),
        h(
            "pre",
            { tabindex: "0" },
            highlighted(pretty(value)),
            Object.hasOwn(result, "value") && ["\n→ ", highlighted(pretty(result.value))],
        ),
    );
}

// The same call in other languages. Credentials are left out: the texts are made to be passed on.

/** Return the field that authorises a call, without its secret. */
function fields({ kind, name }) {
    const schemes = { basic: "Basic ", bearer: "Bearer " };
    if (schemes[kind]) return { name: "Authorization", prefix: schemes[kind] };
    if (kind === "header" && name) return { name, prefix: "" };
    return kind === "cookie" && name ? { name: "Cookie", prefix: `${name}=` } : null;
}

const quotedForShell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function curl({ url, body, authorisation }) {
    const secret = fields(authorisation);
    const lines = [`curl ${quotedForShell(url)}`, `-H 'Content-Type: application/json'`];
    if (secret) lines.push(`-H ${quotedForShell(`${secret.name}: ${secret.prefix}`)}"$TOKEN"`);
    lines.push(`-d ${quotedForShell(JSON.stringify(body))}`);
    return lines.join(" \\\n  ");
}

/** Write a JSON value in Python: its strings have the same escapes, its constants other names. */
function inPython(value) {
    const names = { true: "True", false: "False", null: "None" };
    return pretty(value).replace(/"(?:[^"\\]|\\.)*"|\b(true|false|null)\b/g, (all, name) => (name ? names[name] : all));
}

function python({ url, body, authorisation }) {
    const secret = fields(authorisation);
    return [
        "import json",
        secret && "import os",
        "import urllib.request",
        "",
        `message = ${inPython(body)}`,
        "request = urllib.request.Request(",
        `    ${JSON.stringify(url)},`,
        "    data=json.dumps(message).encode(),",
        "    headers={",
        `        "Content-Type": "application/json",`,
        secret && `        ${JSON.stringify(secret.name)}: ${JSON.stringify(secret.prefix)} + os.environ["TOKEN"],`,
        "    },",
        ")",
        "with urllib.request.urlopen(request) as response:",
        `    print(${isAnswered(body) ? "json.load(response)" : "response.status"})`,
    ]
        .filter((line) => line !== null)
        .join("\n");
}

const isAnswered = (body) => [body].flat().some((message) => "id" in message);

function fetchCall({ url, body, authorisation }) {
    const secret = fields(authorisation);
    return [
        `const response = await fetch(${JSON.stringify(url)}, {`,
        `  method: "POST",`,
        `  headers: {`,
        `    "Content-Type": "application/json",`,
        // A page may set no Cookie field: its browser sends the cookies.
        secret && secret.name !== "Cookie"
            ? `    ${JSON.stringify(secret.name)}: ${JSON.stringify(secret.prefix)} + TOKEN,`
            : null,
        "  },",
        `  body: JSON.stringify(${pretty(body).replaceAll("\n", "\n  ")}),`,
        "});",
        `console.log(${isAnswered(body) ? "await response.json()" : "response.status"});`,
    ]
        .filter((line) => line !== null)
        .join("\n");
}

const LANGUAGES = [
    ["curl", curl],
    ["Python", python],
    ["fetch", fetchCall],
];

// The panel that calls a method

const MOST_CALLS = 50;
const SHOWN_CHARS = 1_000_000;
const LONGEST_KEPT = 10_000;

let lastId = 0;

export class CallPanel {
    constructor(method, params) {
        this.method = method;
        this.structure = this.structureOf(params) ?? method.structures[0];
        this.raw = h("textarea.code", {
            id: newId(),
            rows: 3,
            spellcheck: "false",
            "aria-describedby": "raw-error",
            oninput: () => this.followRaw(),
        });
        this.rawError = h("p.error", { id: "raw-error", role: "alert", hidden: true });
        this.problems = h("div.problems", { role: "alert" });
        this.answer = h("div.answer", { "aria-live": "polite" });
        this.formPlace = h("div");
        // From anywhere on the page, until another method is shown.
        const onKey = (event) =>
            this.node.isConnected ? this.onKey(event) : document.removeEventListener("keydown", onKey);
        document.addEventListener("keydown", onKey);
        this.makeForm(params);
        this.node = h(
            "section.try",
            { "aria-label": "Call" },
            h(
                "div.card",
                h("div.cardhead", h("h2", "Call"), this.ways()),
                this.formPlace,
                h(
                    "details.raw",
                    { open: true },
                    h("summary", h("label", { htmlFor: this.raw.id }, "params as JSON")),
                    this.raw,
                    this.rawError,
                ),
                this.problems,
                this.actions(),
            ),
            this.answer,
        );
    }

    structureOf(params) {
        const wanted = params === undefined ? null : Array.isArray(params) ? "by-position" : "by-name";
        return this.method.structures.find((way) => way === wanted);
    }

    makeForm(params) {
        this.form = new Form(this.method.schemas, this.method.schema(this.structure), () => this.followForm());
        if (params !== undefined) this.form.set(params);
        const hasFields = this.form.node.querySelector(".row, button");
        this.formPlace.replaceChildren(hasFields ? this.form.node : h("p.note", "This method has no parameters."));
        this.followForm();
    }

    ways() {
        if (this.method.structures.length < 2 || !this.method.params(this.structure).length) return null;
        const choice = (way) =>
            h(
                "label",
                h("input", {
                    type: "radio",
                    name: "structure",
                    value: way,
                    checked: way === this.structure,
                    onchange: () => this.changeWay(way),
                }),
                way.replace("-", " "),
            );
        return h("fieldset.switch", h("legend.offscreen", "Pass parameters"), this.method.structures.map(choice));
    }

    changeWay(way) {
        const before = this.params;
        const names = this.method
            .params("by-name")
            .filter((param) => !param["x-variadic"])
            .map((param) => param.name);
        this.structure = way;
        if (way === "by-position" && isObject(before)) this.makeForm(leading(names.map((name) => before[name])));
        else if (Array.isArray(before))
            this.makeForm(
                Object.fromEntries(before.slice(0, names.length).map((value, index) => [names[index], value])),
            );
        else this.makeForm();
    }

    fill(params) {
        this.structure = this.structureOf(params) ?? this.structure;
        for (const input of this.node.querySelectorAll("[name=structure]"))
            input.checked = input.value === this.structure;
        this.makeForm(params);
        announce("Filled in");
    }

    followForm() {
        this.params = this.form.get();
        this.raw.value = pretty(this.params);
        this.rawError.hidden = true;
        this.clearProblems();
    }

    followRaw() {
        try {
            this.params = this.raw.value.trim() ? parse(this.raw.value) : undefined;
            this.rawError.hidden = true;
        } catch (error) {
            this.rawError.textContent = `This is not JSON: ${error.message}`;
            this.rawError.hidden = false;
            return;
        }
        this.form.set(this.params ?? this.method.schemas.initial(this.form.schema));
        this.clearProblems();
    }

    clearProblems() {
        this.problems.replaceChildren();
        this.form.mark([]);
    }

    actions() {
        const send = this.method.isNotification
            ? []
            : [button("Call", () => this.send(true), { class: "primary", "aria-keyshortcuts": "Control+Enter" })];
        return h(
            "div.actions",
            send,
            button("Notify", () => this.send(false), {
                class: send.length ? "" : "primary",
                title: "Send it without an id: there is no answer",
            }),
            button("Add to batch", () => this.addToBatch()),
            h(
                "span.copies",
                h("span.note", "Copy"),
                quiet("link", () => copy(this.link()), "Copy link"),
                LANGUAGES.map(([title, write]) => quiet(title, () => copy(write(this.snippet())), `Copy as ${title}`)),
            ),
        );
    }

    onKey(event) {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        this.send(!this.method.isNotification);
    }

    message(isCall) {
        return messageOf(this.method.name, this.params, isCall);
    }

    snippet() {
        const { url } = this.method;
        return {
            url,
            body: this.message(!this.method.isNotification),
            authorisation: url ? authorisationOf(new URL(url).origin) : { kind: "none" },
        };
    }

    link() {
        return `${location.href.split("#")[0]}${linkTo(this.method.id, JSON.stringify(this.params))}`;
    }

    /** Return whether the parameters fit; show what does not. */
    check(sendAnyway) {
        if (!this.rawError.hidden) {
            this.raw.focus();
            return false;
        }
        const schema = this.form.schema;
        const errors = this.method.schemas.check(schema, this.params ?? (schema.type === "array" ? [] : {}));
        if (!errors.length) return true;
        const left = this.form.mark(errors);
        this.problems.replaceChildren(
            h(
                "div.problem",
                h("p", `${errors.length === 1 ? "One value does" : `${errors.length} values do`} not fit the method.`),
                left.length > 0 &&
                    h(
                        "ul",
                        left.map((error) =>
                            h("li", h("code", error.pointer.slice(1) || "params"), ` ${error.message}`),
                        ),
                    ),
                sendAnyway && button("Send anyway", sendAnyway),
            ),
        );
        this.form.focusFirstError();
        return false;
    }

    async send(isCall, isChecked = false) {
        if (!isChecked && !this.check(() => this.send(isCall, true))) return;
        this.clearProblems();
        const body = JSON.stringify(this.message(isCall));
        this.answer.replaceChildren(h("p.note", "Waiting for the answer …"));
        const exchange = await exchangeOf(this.method.url, body);
        remember(this.method, this.params, isCall, exchange);
        this.answer.replaceChildren(exchangeView(exchange));
    }

    addToBatch() {
        if (!this.check(null)) return;
        const batch = store.get("batch", []);
        const params = this.params === undefined ? undefined : JSON.stringify(this.params);
        store.set("batch", [
            ...batch,
            {
                id: this.method.id,
                name: this.method.name,
                url: this.method.url,
                params,
                isCall: !this.method.isNotification,
            },
        ]);
        announce(`Added: ${batch.length + 1} in the batch`);
        dispatchEvent(new Event("batch"));
    }
}

/** Cut a list at its first missing value. */
function leading(values) {
    const end = values.indexOf(undefined);
    return end < 0 ? values : values.slice(0, end);
}

function messageOf(name, params, isCall) {
    const hasParams =
        params !== undefined &&
        (Array.isArray(params) ? params.length > 0 : !isObject(params) || Object.keys(params).length > 0);
    return { jsonrpc: "2.0", method: name, ...(hasParams ? { params } : {}), ...(isCall ? { id: ++lastId } : {}) };
}

/** Send a body; a failure of the network is an exchange too. */
async function exchangeOf(url, body) {
    try {
        if (!url) throw new Error("the document gives no URL for this method");
        return await post(url, body);
    } catch (error) {
        const origin = url ? new URL(url).origin : location.origin;
        const hint =
            origin === location.origin
                ? ""
                : ` The console calls other origins only if console_origins of its server has them, and if ${origin} allows it by CORS.`;
        return { url, body, failure: `There is no answer: ${error.message}.${hint}` };
    }
}

function remember(method, params, isCall, exchange) {
    const text = params === undefined ? undefined : JSON.stringify(params);
    const entry = {
        at: Date.now(),
        id: method.id,
        isCall,
        status: exchange.status ?? 0,
        ms: exchange.ms,
        outcome: outcomeOf(exchange)[1],
        params: text?.length > LONGEST_KEPT ? undefined : text,
    };
    store.set("history", [entry, ...store.get("history", [])].slice(0, MOST_CALLS));
}

/** Return the kind and the words for how an exchange has ended. */
function outcomeOf({ failure, status, reason, text }) {
    if (failure) return ["bad", "no answer"];
    if (status >= 400) return ["bad", `${status} ${reason}`];
    if (!text) return ["good", `${status} no answer body`];
    let answer;
    try {
        answer = JSON.parse(text);
    } catch {
        return ["bad", "not JSON"];
    }
    if (Array.isArray(answer)) {
        const failed = answer.filter((item) => item?.error).length;
        return [failed ? "bad" : "good", failed ? `${failed} of ${answer.length} failed` : `${answer.length} results`];
    }
    if (!isObject(answer?.error)) return ["good", "result"];
    return ["bad", `error ${answer.error.code}`];
}

const sizeText = (bytes) => (bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`);
const timeText = (ms) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;

function exchangeView(exchange) {
    const [kind, words] = outcomeOf(exchange);
    if (exchange.failure) return h("div.card", h("p.problem", exchange.failure));
    const { text, status, reason, ms, size, headers, url, body } = exchange;
    const isLong = text.length > SHOWN_CHARS;
    const shown = isLong ? text.slice(0, SHOWN_CHARS) : prettyText(text);
    return h(
        "div.card",
        h(
            "p.cardhead.facts",
            h(`strong.${kind}`, words),
            h("span", `HTTP ${status} ${reason}`),
            h("span", timeText(ms)),
            h("span", sizeText(size)),
        ),
        tabs("Exchange", [
            [
                "Answer",
                [
                    code(shown || "(empty)"),
                    isLong && h("p.note", "The answer is longer: its first million characters are shown."),
                    text && quiet("Copy", () => copy(text)),
                ],
            ],
            ["Request", [h("p.note", h("span.verb", "POST"), h("code", url)), code(prettyText(body))]],
            [
                "Headers",
                h(
                    "table.plain",
                    h("thead", h("tr", h("th", { scope: "col" }, "Header"), h("th", { scope: "col" }, "Value"))),
                    h(
                        "tbody",
                        headers.map(([name, value]) => h("tr", h("th", { scope: "row" }, name), h("td", value))),
                    ),
                ),
            ],
        ]),
    );
}

const code = (text) => h("pre", { tabindex: "0" }, highlighted(text));

// Other pages

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
