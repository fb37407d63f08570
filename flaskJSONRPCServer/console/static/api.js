// The server: requests with the authorisation of the user, the dialog that asks for it, the OpenRPC document.

import { button, h, newId, store } from "./dom.js";
import { isObject, Schemas } from "./form.js";

// Requests

/** The folder of the page, to which the URLs of the console's own data are relative. */
export const HERE = new URL(".", location.href.split("#")[0]);

/** The root of the server as this browser sees it, whatever prefix a proxy adds. */
export const ROOT = new URL("../", HERE);

const listeners = new Set();
const declined = new Set();
let asker = async () => false;

/** Set the function that asks the user for authorisation; it resolves to whether there is a new one. */
export const setAsker = (ask) => (asker = ask);
export const onAuthorisation = (listener) => listeners.add(listener);

export const authorisationOf = (origin) => store.get("auth", {})[origin] ?? { kind: "none" };

export function authorise(origin, credentials) {
    store.set("auth", { ...store.get("auth", {}), [origin]: credentials });
    declined.delete(origin);
    for (const listener of listeners) listener();
}

/** Return the header fields of an authorisation. */
export function headersOf({ kind, user = "", password = "", token = "", name = "", value = "" }) {
    if (kind === "basic") return { Authorization: `Basic ${base64OfText(`${user}:${password}`)}` };
    if (kind === "bearer") return { Authorization: `Bearer ${token}` };
    return kind === "header" && name ? { [name]: value } : {};
}

function base64OfText(text) {
    return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

let requestsWithCookie = 0;

/** Set the cookie of an authorisation while requests run, so that other tabs do not have it. */
function withCookie({ kind, name = "", value = "" }, origin) {
    if (kind !== "cookie" || !name || origin !== location.origin) return () => {};
    const place = `path=${ROOT.pathname}; SameSite=Strict`;
    document.cookie = `${name}=${value}; ${place}`;
    requestsWithCookie++;
    return () => {
        if (--requestsWithCookie === 0) document.cookie = `${name}=; Max-Age=0; ${place}`;
    };
}

async function send(url, options) {
    const authorisation = authorisationOf(url.origin);
    const done = withCookie(authorisation, url.origin);
    try {
        const headers = { ...options.headers, ...headersOf(authorisation) };
        return await fetch(url, {
            credentials: "same-origin",
            redirect: "follow",
            referrerPolicy: "no-referrer",
            ...options,
            headers,
        });
    } finally {
        done();
    }
}

/**
 * Fetch a URL, relative to the page; after 401 or 403 ask for authorisation and try once more.
 *
 * A user who does not want to give one is asked again only for what they do themselves: with `isManual`. With
 * `isQuiet`, they are never asked.
 */
export async function request(relativeUrl, { isManual = false, isQuiet = false, ...options } = {}) {
    const url = new URL(relativeUrl, HERE);
    const response = await send(url, options);
    if (response.status !== 401 && response.status !== 403) return response;
    if (isQuiet || (declined.has(url.origin) && !isManual)) return response;
    if (await asker(url.origin, refusalIn(response, url))) return send(url, options);
    declined.add(url.origin);
    return response;
}

/** Return what the user should know of a refused request: its status, its path, and the kind that the server asks for. */
function refusalIn(response, url) {
    const [scheme] = (response.headers.get("WWW-Authenticate") ?? "").toLowerCase().split(" ");
    const kind = KINDS.find(([name]) => name === scheme)?.[0] ?? "none";
    return { status: response.status, path: url.pathname, kind };
}

/** Send a JSON text by POST, and return what there is to know about the exchange. */
export async function post(url, body) {
    const begin = performance.now();
    const response = await request(url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
        isManual: true,
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return {
        url,
        body,
        status: response.status,
        reason: response.statusText,
        headers: [...response.headers],
        text: new TextDecoder().decode(bytes),
        size: bytes.length,
        ms: performance.now() - begin,
    };
}

// Authorisation

const KINDS = [
    ["none", "None", []],
    [
        "basic",
        "Basic",
        [
            ["user", "User"],
            ["password", "Password", "password"],
        ],
    ],
    ["bearer", "Bearer token", [["token", "Token", "password"]]],
    [
        "header",
        "Header of your own",
        [
            ["name", "Name"],
            ["value", "Value", "password"],
        ],
    ],
    [
        "cookie",
        "Cookie",
        [
            ["name", "Name"],
            ["value", "Value", "password"],
        ],
    ],
];

let openDialog = null;

/**
 * Ask for the authorisation of an origin. Resolves to whether the user has given one.
 *
 * A refusal, if there was one, has the status, the path and the kind that the server asks for.
 */
export function askForAuthorisation(origin, refusal) {
    openDialog ??= new Promise((resolve) => showDialog(origin, refusal, resolve)).finally(() => (openDialog = null));
    return openDialog;
}

function showDialog(origin, refusal, resolve) {
    const current = authorisationOf(origin);
    const initialKind = current.kind === "none" && refusal ? refusal.kind : current.kind;
    const fields = h("div.fields");
    const heading = h("h2", { id: newId() }, "Authorisation");
    const select = h(
        "select",
        { id: newId(), onchange: () => fill() },
        KINDS.map(([kind, title]) => h("option", { value: kind, selected: kind === initialKind }, title)),
    );
    const fill = () => {
        const [, , names] = KINDS.find(([kind]) => kind === select.value);
        fields.replaceChildren(...names.map(([name, title, type = "text"]) => field(name, title, type, current[name])));
    };
    const dialog = h("dialog", { "aria-labelledby": heading.id });
    const done = (result) => {
        dialog.remove();
        resolve(result);
    };
    const onsubmit = (event) => {
        event.preventDefault();
        const values = Object.fromEntries(
            [...fields.querySelectorAll("input")].map((input) => [input.name, input.value]),
        );
        authorise(origin, { kind: select.value, ...values });
        done(true);
    };
    dialog.append(
        h(
            "form.stack",
            { onsubmit },
            heading,
            refusal &&
                h(
                    "p.problem",
                    { role: "alert" },
                    "The server refused the request for ",
                    h("code", refusal.path),
                    ` with ${refusal.status}.`,
                ),
            h(
                "p.note",
                "For ",
                h("code", origin),
                ". Kept in this tab until you close it; not part of links, history or copied code.",
            ),
            h("div.row", h("label.name", { htmlFor: select.id }, "Kind"), select),
            fields,
            h(
                "div.actions",
                button("Cancel", () => done(false)),
                h("button.primary", { type: "submit" }, "Use it"),
            ),
        ),
    );
    dialog.addEventListener("cancel", (event) => {
        event.preventDefault();
        done(false);
    });
    fill();
    document.body.append(dialog);
    dialog.showModal();
}

function field(name, title, type, value) {
    const id = newId();
    return h(
        "div.row",
        h("label.name", { htmlFor: id }, title),
        h("input", { id, name, type, value: value ?? "", autocomplete: "off" }),
    );
}

setAsker(askForAuthorisation);

// The document

const OWN = document.querySelector("meta[name=openrpc]").content;

/** One method of a document. */
class Method {
    constructor(object, url, schemas) {
        this.id = String(object.name);
        this.name = String(object["x-method"] ?? object.name);
        this.url = url;
        this.path = url ? decoded(new URL(url).pathname) : "";
        this.object = object;
        this.schemas = schemas;
        this.summary = text(object.summary);
        this.description = text(object.description);
        this.tags = list(object.tags)
            .map((tag) => text(schemas.resolve(tag).name))
            .filter(Boolean);
        this.aliases = list(object["x-aliases"]).map(String);
        this.isDeprecated = object.deprecated === true;
        this.isNotification = !object.result;
        this.errors = list(object.errors).map((error) => schemas.resolve(error));
        this.examples = list(object.examples).map((example) => schemas.resolve(example));
        this.words = [this.id, this.summary, this.path, ...this.tags, ...this.aliases].join(" ").toLowerCase();
    }

    get structures() {
        const { paramStructure } = this.object;
        const other = ["by-name", "by-position"].filter((way) => way !== paramStructure);
        if (paramStructure === "by-name" || paramStructure === "by-position") {
            return [paramStructure, ...other.filter((way) => this.object[`x-${way}`])];
        }
        return ["by-name", "by-position"];
    }

    params(structure) {
        return list(this.object[`x-${structure}`] ?? this.object.params).map((param) => this.schemas.resolve(param));
    }

    /** Return the schema of `params`: that of an object or of an array. */
    schema(structure) {
        const params = this.params(structure);
        const named = params.filter((param) => !param["x-variadic"]);
        const variadic = params.find((param) => param["x-variadic"]);
        const rest = variadic ? withDescription(variadic) : false;
        const mark = variadic ? { "x-variadic": variadic.name } : {};
        const required = named.filter((param) => param.required);
        if (structure === "by-position") {
            const items = named.map((param) => ({ ...withDescription(param), "x-label": param.name }));
            const more = variadic ? {} : { maxItems: items.length };
            return { type: "array", items, minItems: required.length, additionalItems: rest, ...more, ...mark };
        }
        const properties = Object.fromEntries(named.map((param) => [param.name, withDescription(param)]));
        return {
            type: "object",
            properties,
            required: required.map((param) => param.name),
            additionalProperties: rest,
            ...mark,
        };
    }

    get result() {
        return this.isNotification ? null : this.schemas.resolve(this.object.result);
    }
}

function withDescription(param) {
    const schema = isObject(param.schema) || param.schema === false ? param.schema : {};
    return param.description && schema ? { ...schema, description: param.description } : schema;
}

const list = (value) => (Array.isArray(value) ? value : []);
const text = (value) => (typeof value === "string" ? value : "");

/** Return a part of a URL without its escapes; unchanged if they are none. */
export function decoded(path) {
    try {
        return decodeURIComponent(path);
    } catch {
        return path;
    }
}

/** A document: its title and its methods. */
export class ApiDocument {
    constructor(object, source) {
        if (!isObject(object) || !Array.isArray(object.methods))
            throw new Error("This is no OpenRPC document: it has no methods.");
        this.object = object;
        this.source = source;
        this.isOwn = source.isOwn ?? false;
        this.schemas = new Schemas(object);
        this.title = text(object.info?.title) || "JSON-RPC API";
        this.version = text(object.info?.version);
        this.description = text(object.info?.description);
        this.server = text(list(object.servers)[0]?.url);
        this.methods = list(object.methods)
            .map((method) => this.schemas.resolve(method))
            .map((method) => new Method(method, this.urlOf(method), this.schemas));
        this.byId = new Map(this.methods.map((method) => [method.id, method]));
    }

    /** Return where to send the calls of a method. */
    urlOf(method) {
        const url = text(list(method.servers)[0]?.url) || this.server;
        // Behind a proxy, only the browser knows the scheme, the host and the prefix of its own server.
        if (this.isOwn && url.startsWith(this.server)) {
            return new URL(url.slice(this.server.length).replace(/^\/+/, ""), ROOT).href;
        }
        try {
            const resolved = new URL(url || "/", this.source.url || ROOT);
            return /^https?:$/.test(resolved.protocol) ? resolved.href : "";
        } catch {
            return "";
        }
    }
}

/** Fetch the document of this server; null if it shows none. */
export async function fetchOwn() {
    return OWN ? fetchDocument(OWN, { isOwn: true }) : null;
}

export async function fetchDocument(url, source = {}) {
    const response = await request(url, { isManual: true });
    if (!response.ok)
        throw new Error(`The document could not be read: ${response.status} ${(await response.text()).slice(0, 200)}`);
    return new ApiDocument(await response.json(), { url: new URL(url, HERE).href, ...source });
}
