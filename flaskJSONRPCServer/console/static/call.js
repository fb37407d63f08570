// The panel that calls a method, the exchange of messages with a server, and the same call in other languages.

import { authorisationOf, post } from "./api.js";
import { announce, button, copy, h, newId, quiet, store, tabs } from "./dom.js";
import { Form, highlighted, isObject, parse, pretty, prettyText } from "./form.js";
import { linkTo } from "./methods.js";

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

// Messages and their exchange

export function messageOf(name, params, isCall) {
    const hasParams =
        params !== undefined &&
        (Array.isArray(params) ? params.length > 0 : !isObject(params) || Object.keys(params).length > 0);
    return { jsonrpc: "2.0", method: name, ...(hasParams ? { params } : {}), ...(isCall ? { id: ++lastId } : {}) };
}

/** Send a body; a failure of the network is an exchange too. */
export async function exchangeOf(url, body) {
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

export function exchangeView(exchange) {
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

export const code = (text) => h("pre", { tabindex: "0" }, highlighted(text));

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
    const headers = secret
        ? `, headers={${JSON.stringify(secret.name)}: ${JSON.stringify(secret.prefix)} + os.environ["TOKEN"]}`
        : "";
    const call = (client, { method, params = [], ...rest }) => {
        const unpacked = Array.isArray(params) ? "*" : "**";
        const args = `${inPython(method)}, ${unpacked}${inPython(params).replaceAll("\n", "\n    ")}`;
        return `${client}.${"id" in rest ? "call" : "notify"}(${args})`;
    };
    return [
        ...(secret ? ["import os", ""] : []),
        "from flaskJSONRPCServer.client import Client",
        "",
        `with Client(${JSON.stringify(url)}${headers}) as api:`,
        ...(Array.isArray(body)
            ? [
                  "    with api.batch() as batch:",
                  ...body.map((message) => `        ${call("batch", message)}`),
                  "    print(batch.results(return_exceptions=True))",
              ]
            : [`    print(${call("api", body)})`]),
    ].join("\n");
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
