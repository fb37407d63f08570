// JSON values without loss, their schemas (kinds, first values, checks), and a form for a schema.
//
// JSON Schema draft-07 and 2020-12, as far as OpenRPC documents of servers use them.

import { button, h, newId, quiet } from "./dom.js";

// Values

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const HIGHLIGHTED_CHARS = 200_000;
const INLINE_CHARS = 64;

const isRaw = (value) => Boolean(JSON.rawJSON) && JSON.isRawJSON(value);

/** Return the number that a text is, with all its digits; undefined if it is none. */
export function numberOf(text) {
    if (!NUMBER.test(text)) return undefined;
    const value = Number(text);
    return String(value) === text || !JSON.rawJSON ? value : JSON.rawJSON(text);
}

export function parse(text) {
    return JSON.parse(text, (_, value, context) =>
        typeof value === "number" && context && context.source !== String(value)
            ? (numberOf(context.source) ?? value)
            : value,
    );
}

export const isNumber = (value) => typeof value === "number" || isRaw(value);
export const asNumber = (value) => (isRaw(value) ? Number(value.rawJSON) : value);
export const isObject = (value) =>
    typeof value === "object" && value !== null && !Array.isArray(value) && !isRaw(value);
export const isEqual = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** Write a value for people: short arrays and objects on one line each. */
export function pretty(value, indent = "") {
    const compact = JSON.stringify(value);
    if (compact === undefined) return "";
    if (!(Array.isArray(value) || isObject(value)) || compact === "[]" || compact === "{}") return compact;
    const deeper = `${indent}  `;
    const texts = Array.isArray(value)
        ? value.map((item) => pretty(item, deeper))
        : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${pretty(item, deeper)}`);
    const [open, close] = Array.isArray(value) ? "[]" : "{}";
    const line = `${open}${texts.join(", ")}${close}`;
    if (indent.length + line.length <= INLINE_CHARS && !line.includes("\n")) return line;
    return `${open}\n${texts.map((text) => deeper + text).join(",\n")}\n${indent}${close}`;
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)/g;

/** Return nodes for a JSON text, coloured by kind; plain text if it is very long. */
export function highlighted(text) {
    if (text.length > HIGHLIGHTED_CHARS) return [text];
    const nodes = [];
    let end = 0;
    for (const match of text.matchAll(TOKEN)) {
        const [, string, colon, number] = match;
        nodes.push(text.slice(end, match.index));
        nodes.push(h(`span.${string ? (colon ? "key" : "str") : number ? "num" : "lit"}`, string ?? match[0]));
        end = match.index + (string ?? match[0]).length;
    }
    nodes.push(text.slice(end));
    return nodes;
}

/** Return the lines of a text that may be JSON. */
export function prettyText(text) {
    try {
        return pretty(parse(text));
    } catch {
        return text;
    }
}

// Schemas

const MOST_ERRORS = 50;
const DEEPEST = 6;

const own = (object, name) => Object.hasOwn(object, name);

/** Define a member, also one that is called `__proto__`. */
export const put = (object, name, value) =>
    Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true });

export class Schemas {
    constructor(root) {
        this.root = root;
    }

    /** Return a schema without `$ref` and `allOf` at its top. */
    resolve(schema, seen = 0) {
        if (schema === false) return { not: {} };
        if (!isObject(schema) || seen > 20) return {};
        if (typeof schema.$ref === "string") {
            const { $ref, ...rest } = schema;
            return { ...this.resolve(this.lookUp($ref), seen + 1), ...rest };
        }
        const [only, ...others] = variantsOf(schema);
        if (only && !others.length) {
            const { anyOf, oneOf, ...rest } = schema;
            return { ...this.resolve(only, seen + 1), ...rest };
        }
        if (!Array.isArray(schema.allOf)) return schema;
        const { allOf, ...rest } = schema;
        return [...allOf.map((part) => this.resolve(part, seen + 1)), rest].reduce(merged, {});
    }

    lookUp(ref) {
        if (!ref.startsWith("#")) return {};
        const parts = decodeURIComponent(ref.slice(1)).split("/").slice(1);
        return parts
            .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
            .reduce(
                (value, part) => ((isObject(value) || Array.isArray(value)) && own(value, part) ? value[part] : {}),
                this.root,
            );
    }

    kind(given) {
        const schema = this.resolve(given);
        if (own(schema, "const")) return "choice";
        if (Array.isArray(schema.enum) && schema.enum.length) return "choice";
        if (variantsOf(schema).length > 1) return "union";
        if (schema.type === "string" || (!schema.type && (schema.format || schema.contentEncoding)))
            return stringKind(schema);
        if (schema.type === "object" || schema.properties || isObject(schema.additionalProperties)) return "object";
        if (schema.type === "array" || schema.items || schema.prefixItems) return "array";
        const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
        if (["integer", "number", "boolean", "null"].includes(type)) return type;
        return type === "string" ? stringKind(schema) : "any";
    }

    variants(given) {
        return variantsOf(this.resolve(given));
    }

    /** Return a short name of the type, as a programmer would write it. */
    typeText(given, depth = 0) {
        const schema = this.resolve(given);
        const kind = this.kind(given);
        const list = (schemas) => [...new Set(schemas.map((item) => this.typeText(item, depth + 1)))].join(" | ");
        if (kind === "choice")
            return choicesOf(schema)
                .map((value) => JSON.stringify(value))
                .join(" | ");
        if (kind === "union") return list(variantsOf(schema));
        if (kind === "object" && (schema.title || (isObject(given) && given.$ref)))
            return schema.title || lastPart(given.$ref);
        if (depth > DEEPEST) return kind;
        if (kind === "object" && isObject(schema.additionalProperties) && !schema.properties) {
            return `object of ${this.typeText(schema.additionalProperties, depth + 1)}`;
        }
        if (kind === "array") return this.arrayText(schema, depth);
        return kind === "file" ? "base64" : kind;
    }

    arrayText(schema, depth) {
        const { fixed, rest } = itemsOf(schema);
        if (fixed.length) return `[${fixed.map((item) => this.typeText(item, depth + 1)).join(", ")}]`;
        if (!isObject(rest) || this.kind(rest) === "any") return "array";
        const text = this.typeText(rest, depth + 1);
        return text.includes(" | ") ? `array of (${text})` : `array of ${text}`;
    }

    /** Return a value to begin with: the default, or the simplest that may be valid. */
    initial(given, depth = 0) {
        const schema = this.resolve(given);
        if (own(schema, "default")) return schema.default;
        if (Array.isArray(schema.examples) && schema.examples.length) return schema.examples[0];
        const kind = this.kind(given);
        if (kind === "choice") return choicesOf(schema)[0];
        if (kind === "union") {
            const variants = variantsOf(schema);
            return this.initial(
                depth > DEEPEST ? (variants.find((item) => this.kind(item) === "null") ?? {}) : variants[0],
                depth + 1,
            );
        }
        if (depth > DEEPEST) return null;
        if (kind === "object") {
            const value = {};
            for (const name of requiredOf(schema)) put(value, name, this.initial(memberOf(schema, name), depth + 1));
            return value;
        }
        if (kind === "array") {
            const { fixed, rest } = itemsOf(schema);
            const least = own(schema, "minItems") ? schema.minItems : fixed.length;
            return Array.from({ length: Math.min(least, 20) }, (_, index) =>
                this.initial(fixed[index] ?? rest ?? {}, depth + 1),
            );
        }
        return FIRST[kind]?.(schema) ?? null;
    }

    /** Return the errors of a value: a list of {pointer, message}. */
    check(given, value) {
        const errors = [];
        this.collect(given, value, "", errors, 0);
        return errors;
    }

    isValid(given, value) {
        return this.check(given, value).length === 0;
    }

    collect(given, value, pointer, errors, depth) {
        if (errors.length >= MOST_ERRORS || depth > 60) return;
        const schema = this.resolve(given);
        const fail = (message, at = pointer) => errors.push({ pointer: at, message });
        if (own(schema, "const") && !isEqual(schema.const, value)) fail(`must be ${JSON.stringify(schema.const)}`);
        if (Array.isArray(schema.enum) && !schema.enum.some((item) => isEqual(item, value))) {
            fail(`must be one of ${schema.enum.map((item) => JSON.stringify(item)).join(", ")}`);
        }
        const types = schema.type === undefined ? [] : [schema.type].flat();
        if (types.length && !types.some((type) => hasType(value, type))) {
            fail(`must be ${types.map(withArticle).join(" or ")}`);
            return;
        }
        for (const name of ["anyOf", "oneOf"]) {
            if (Array.isArray(schema[name])) this.collectUnion(schema[name], value, pointer, errors, depth);
        }
        if (isObject(schema.not) && !Object.keys(schema.not).length) fail("no value is allowed here");
        if (isNumber(value)) checkNumber(schema, asNumber(value), fail);
        if (typeof value === "string") checkString(schema, value, fail);
        if (Array.isArray(value)) this.collectItems(schema, value, pointer, errors, depth);
        if (isObject(value)) this.collectMembers(schema, value, pointer, errors, depth);
    }

    collectUnion(variants, value, pointer, errors, depth) {
        let nearest = null;
        for (const variant of variants) {
            const found = [];
            this.collect(variant, value, pointer, found, depth + 1);
            if (!found.length) return;
            // The variant that the value is meant for fails in its depth, not at the top.
            if (found.every((error) => error.pointer !== pointer)) nearest ??= found;
        }
        errors.push(...(nearest ?? [{ pointer, message: `must be ${this.typeText({ anyOf: variants })}` }]));
    }

    collectItems(schema, value, pointer, errors, depth) {
        const fail = (message) => errors.push({ pointer, message });
        if (value.length < schema.minItems) fail(`needs at least ${schema.minItems} items`);
        if (value.length > schema.maxItems) fail(`may have at most ${schema.maxItems} items`);
        if (schema.uniqueItems && new Set(value.map((item) => JSON.stringify(item))).size < value.length) {
            fail("must not repeat an item");
        }
        const { fixed, rest } = itemsOf(schema);
        value.forEach((item, index) => {
            const inside = index < fixed.length ? fixed[index] : rest;
            if (inside !== undefined) this.collect(inside, item, `${pointer}/${index}`, errors, depth + 1);
        });
    }

    collectMembers(schema, value, pointer, errors, depth) {
        const names = Object.keys(value);
        for (const name of requiredOf(schema)) {
            if (!own(value, name)) errors.push({ pointer: `${pointer}/${escaped(name)}`, message: "is required" });
        }
        if (names.length < schema.minProperties)
            errors.push({ pointer, message: `needs at least ${schema.minProperties} members` });
        if (names.length > schema.maxProperties)
            errors.push({ pointer, message: `may have at most ${schema.maxProperties} members` });
        for (const name of names) {
            const inside = memberOf(schema, name);
            const at = `${pointer}/${escaped(name)}`;
            if (inside === false) errors.push({ pointer: at, message: "is not known" });
            else this.collect(inside, value[name], at, errors, depth + 1);
        }
    }
}

export const escaped = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");
export const choicesOf = (schema) => (own(schema, "const") ? [schema.const] : schema.enum);
export const requiredOf = (schema) => (Array.isArray(schema.required) ? schema.required : []);

/** Return the schema of a member: false if there may be no such member. */
export function memberOf(schema, name) {
    if (isObject(schema.properties) && own(schema.properties, name)) return schema.properties[name];
    for (const [pattern, inside] of Object.entries(schema.patternProperties ?? {})) {
        if (regexp(pattern)?.test(name)) return inside;
    }
    return schema.additionalProperties === false ? aliasOf(schema, name) : (schema.additionalProperties ?? {});
}

/** Return the schema of the member that also has this name. */
function aliasOf(schema, name) {
    return Object.values(schema.properties ?? {}).find((inside) => inside?.["x-aliases"]?.includes?.(name)) ?? false;
}

/** Return the schemas of the first items, and that of all further ones. */
export function itemsOf(schema) {
    if (Array.isArray(schema.items)) return { fixed: schema.items, rest: schema.additionalItems };
    return { fixed: Array.isArray(schema.prefixItems) ? schema.prefixItems : [], rest: schema.items };
}

function variantsOf(schema) {
    const { anyOf, oneOf, ...rest } = schema;
    const listed = anyOf ?? oneOf;
    // An integer is a number too: it needs no choice of its own.
    if (Array.isArray(listed))
        return listed.some(isPlain("number")) ? listed.filter((item) => !isPlain("integer")(item)) : listed;
    return Array.isArray(schema.type) ? schema.type.map((type) => ({ ...rest, type })) : [];
}

const isPlain = (type) => (schema) => schema?.type === type && Object.keys(schema).length === 1;

function merged(a, b) {
    const both = { ...a, ...b };
    if (a.properties && b.properties) both.properties = { ...a.properties, ...b.properties };
    if (a.required && b.required) both.required = [...new Set([...a.required, ...b.required])];
    return both;
}

const STRING_KINDS = { date: "date", "date-time": "date-time", time: "time", byte: "file", binary: "file" };

function stringKind(schema) {
    return schema.contentEncoding === "base64" ? "file" : (STRING_KINDS[schema.format] ?? "string");
}

const lastPart = (ref) => ref.slice(ref.lastIndexOf("/") + 1);
const withArticle = (type) => (type === "null" ? "null" : `${/^[aeiou]/.test(type) ? "an" : "a"} ${type}`);

function hasType(value, type) {
    if (type === "integer") return isNumber(value) && Number.isInteger(asNumber(value));
    if (type === "number") return isNumber(value);
    if (type === "null") return value === null;
    if (type === "array") return Array.isArray(value);
    return type === "object" ? isObject(value) : typeof value === type;
}

/** Return the number nearest to 0 within the limits. */
function firstNumber({ minimum = -Infinity, exclusiveMinimum = -Infinity, maximum = Infinity }) {
    return Math.min(Math.max(0, Math.ceil(minimum), Math.floor(exclusiveMinimum) + 1), maximum);
}

const FIRST = {
    integer: firstNumber,
    number: firstNumber,
    boolean: () => false,
    string: (schema) => (schema.format === "uuid" ? "00000000-0000-4000-8000-000000000000" : ""),
    file: () => "",
    date: () => new Date().toISOString().slice(0, 10),
    "date-time": () => `${new Date().toISOString().slice(0, 19)}Z`,
    time: () => "12:00:00",
};

function checkNumber(schema, value, fail) {
    if (value < schema.minimum) fail(`must be ${schema.minimum} or more`);
    if (value > schema.maximum) fail(`must be ${schema.maximum} or less`);
    if (value <= schema.exclusiveMinimum) fail(`must be more than ${schema.exclusiveMinimum}`);
    if (value >= schema.exclusiveMaximum) fail(`must be less than ${schema.exclusiveMaximum}`);
    const quotient = value / schema.multipleOf;
    if (schema.multipleOf && Math.abs(quotient - Math.round(quotient)) > 1e-9)
        fail(`must be a multiple of ${schema.multipleOf}`);
}

const FORMATS = {
    date: [/^\d{4}-\d\d-\d\d$/, "must be a date such as 2026-01-31"],
    time: [/^\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/i, "must be a time such as 12:30:00"],
    "date-time": [/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/i, "must be a date and time such as 2026-01-31T12:30:00Z"],
    duration: [/^[+-]?P(?=.)/, "must be a duration such as PT1H30M"],
    uuid: [/^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i, "must be a UUID"],
};

function checkString(schema, value, fail) {
    const length = [...value].length;
    if (length < schema.minLength) fail(`needs at least ${schema.minLength} characters`);
    if (length > schema.maxLength) fail(`may have at most ${schema.maxLength} characters`);
    if (own(FORMATS, schema.format ?? "") && !FORMATS[schema.format][0].test(value)) fail(FORMATS[schema.format][1]);
    if (schema.contentEncoding === "base64") {
        if (value.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(value)) fail("must be base64");
    } else if (schema.pattern !== undefined && regexp(schema.pattern)?.test(value) === false) {
        fail(`must match ${schema.pattern}`);
    }
}

/** Return a pattern of a document; null if this browser cannot read it, so that the server decides. */
function regexp(pattern) {
    try {
        return new RegExp(pattern, "u");
    } catch {
        return null;
    }
}

// Forms. Each maker returns a control: its node, get() for its value, and its parts for errors.

const BASE64_CHUNK = 0x8000;

/** The form of one value; `changed` is called after each change by the user. */
export class Form {
    constructor(schemas, schema, changed) {
        this.schemas = schemas;
        this.schema = schema;
        this.changed = changed;
        this.node = h("div.form");
        this.set(schemas.initial(schema));
    }

    get() {
        return this.slot.get();
    }

    set(value) {
        this.slot = new Slot(this, this.schema, value, "parameters", { isRoot: true });
        this.node.replaceChildren(this.slot.node);
    }

    /** Show the errors of a check at their controls, and return those that have none. */
    mark(errors) {
        const left = new Map(errors.map((error) => [error.pointer, error.message]));
        this.slot.mark("", left);
        return errors.filter((error) => left.has(error.pointer));
    }

    focusFirstError() {
        this.node.querySelector("[aria-invalid=true]")?.focus();
    }
}

/** One value of a form, with the control that fits it. */
class Slot {
    constructor(form, schema, value, label, options = {}) {
        const kind = fits(form.schemas, schema, value) ? form.schemas.kind(schema) : "any";
        this.error = h("p.error", { id: newId(), hidden: true });
        const settings = { label, id: newId(), errorId: this.error.id, ...options };
        this.control = MAKERS[kind](form, form.schemas.resolve(schema), value, settings);
        this.node = h("div.slot", { "data-kind": kind }, this.control.node, this.error);
    }

    get() {
        return this.control.get();
    }

    mark(pointer, left) {
        const message = left.get(pointer);
        left.delete(pointer);
        this.error.textContent = message ?? "";
        this.error.hidden = message === undefined;
        this.control.input?.setAttribute("aria-invalid", message !== undefined);
        for (const [key, slot] of this.control.parts?.() ?? []) slot.mark(`${pointer}/${escaped(String(key))}`, left);
    }
}

/** Return whether the control of a schema can show a value. */
function fits(schemas, schema, value) {
    const kind = schemas.kind(schema);
    if (kind === "any" || kind === "union") return true;
    if (kind === "choice") return choicesOf(schemas.resolve(schema)).some((item) => isEqual(item, value));
    if (kind === "object") return isObject(value);
    if (kind === "array") return Array.isArray(value);
    if (kind === "integer" || kind === "number") return isNumber(value);
    if (kind === "boolean") return typeof value === "boolean";
    if (kind === "null") return value === null;
    return typeof value === "string" && (kind !== "date" || value === "" || /^\d{4}-\d\d-\d\d$/.test(value));
}

function described(settings) {
    return { id: settings.id, "aria-label": settings.label, "aria-describedby": settings.errorId };
}

/** A control of one line of text. */
function line(form, settings, value, read, props = {}) {
    const input = h("input", {
        type: "text",
        value,
        autocomplete: "off",
        spellcheck: "false",
        ...described(settings),
        ...props,
        oninput: () => form.changed(),
    });
    return { node: input, input, get: () => read(input.value) };
}

function numeric(form, schema, value, settings) {
    const read = (text) => numberOf(text.trim()) ?? text;
    return line(form, settings, JSON.stringify(value), read, {
        inputmode: "decimal",
        placeholder: String(schema.minimum ?? ""),
    });
}

function textInput(form, schema, value, settings) {
    const input = h("textarea", {
        rows: 1,
        value,
        ...described(settings),
        spellcheck: "false",
        placeholder: schema.format ?? "",
        oninput: () => form.changed(),
    });
    return { node: input, input, get: () => input.value };
}

function dated(form, schema, value, settings) {
    return line(form, settings, value, (chosen) => chosen, { type: "date" });
}

function timed(form, schema, value, settings) {
    return line(form, settings, value, (written) => written, { placeholder: schema.format });
}

function file(form, schema, value, settings) {
    const control = line(form, settings, value, (written) => written, { placeholder: "base64" });
    const note = h("span.note");
    async function onchange(event) {
        const [chosen] = event.target.files;
        if (!chosen) return;
        control.input.value = base64(new Uint8Array(await chosen.arrayBuffer()));
        note.textContent = `${chosen.name}, ${chosen.size.toLocaleString("en")} bytes`;
        form.changed();
    }
    const picker = h("input", { type: "file", "aria-label": `${settings.label}: file`, onchange });
    return { ...control, node: h("div.stack", h("div.beside", picker, note), control.input) };
}

export function base64(bytes) {
    let binary = "";
    for (let start = 0; start < bytes.length; start += BASE64_CHUNK) {
        binary += String.fromCharCode(...bytes.subarray(start, start + BASE64_CHUNK));
    }
    return btoa(binary);
}

function flag(form, schema, value, settings) {
    const word = h("span.lit", String(value));
    const onchange = () => {
        word.textContent = String(input.checked);
        form.changed();
    };
    const input = h("input", { type: "checkbox", checked: value, ...described(settings), onchange });
    return { node: h("label.check", input, word), input, get: () => input.checked };
}

function nothing() {
    return { node: h("span.lit", "null"), get: () => null };
}

function choice(form, schema, value, settings) {
    const values = choicesOf(schema);
    const chosen = Math.max(
        0,
        values.findIndex((item) => isEqual(item, value)),
    );
    const options = values.map((item, index) =>
        h(
            "option",
            { value: index, selected: index === chosen },
            typeof item === "string" ? item : JSON.stringify(item),
        ),
    );
    const input = h("select", { ...described(settings), onchange: () => form.changed() }, options);
    return { node: input, input, get: () => values[input.value] };
}

/** A control for any value, written as JSON. A text that is no JSON is a string. */
function anything(form, schema, value, settings) {
    const note = h("p.note", { hidden: true }, "This is not JSON: it is sent as a string.");
    const read = () => {
        try {
            return parse(input.value);
        } catch {
            return input.value;
        }
    };
    const oninput = () => {
        const isText = read() === input.value && input.value !== "";
        note.hidden = !isText;
        form.changed();
    };
    const input = h("textarea.code", {
        rows: 1,
        value: pretty(value),
        ...described(settings),
        spellcheck: "false",
        placeholder: "JSON",
        oninput,
    });
    return { node: h("div.stack", input, note), input, get: read };
}

function union(form, schema, value, settings) {
    const { schemas } = form;
    const variants = schemas.variants(schema);
    const fitting = variants.findIndex((item) => schemas.isValid(item, value));
    const near = variants.findIndex((item) => fits(schemas, item, value) && schemas.kind(item) !== "any");
    const begin = Math.max(0, fitting >= 0 ? fitting : near);
    const place = h("div.variant");
    let slot;
    const fill = (index, filling) => {
        slot = new Slot(form, variants[index], filling, settings.label);
        place.replaceChildren(slot.node);
    };
    const onchange = () => {
        fill(input.value, schemas.initial(variants[input.value]));
        form.changed();
    };
    const options = variants.map((item, index) =>
        h("option", { value: index, selected: index === begin }, schemas.typeText(item)),
    );
    const input = h("select.types", { "aria-label": `${settings.label}: type`, onchange }, options);
    fill(begin, value);
    return {
        node: h("div.union", input, place),
        get: () => slot.get(),
        parts: () => slot.control.parts?.() ?? [],
        input: slot.control.input ?? input,
    };
}

/** One member of an object or one item of an array: its name, its type, and its slot if it is sent. */
class Row {
    constructor(form, schema, name, { isRequired, value, has, removed, nameInput, switched }) {
        const resolved = form.schemas.resolve(schema);
        this.form = form;
        this.schema = schema;
        this.label = name;
        this.place = h("div.value");
        const type = h("span.type", form.schemas.typeText(schema));
        const marks = [type, resolved.deprecated && h("span.badge.warn", "deprecated")];
        const title = nameInput ?? (isRequired || removed ? h("span.name", name) : this.switch(name, has, switched));
        const mark = isRequired && !removed ? h("span.required", { title: "required" }, "*") : null;
        const remove = removed && quiet("Remove", removed, `Remove ${name}`);
        this.fallback = this.defaultNote(resolved);
        this.node = h(
            "div.row",
            h("div.head", title, mark, marks, remove),
            resolved.description && h("p.note", resolved.description),
            this.place,
        );
        this.include(isRequired || has, value);
    }

    switch(name, has, switched) {
        const onchange = () => {
            switched?.(this.box.checked);
            this.include(this.box.checked, this.form.schemas.initial(this.schema));
            this.form.changed();
        };
        this.box = h("input", { type: "checkbox", checked: has, "aria-label": `Send ${name}`, onchange });
        return h("label.name", this.box, name);
    }

    defaultNote(schema) {
        return Object.hasOwn(schema, "default")
            ? h("span.note", "default ", h("code", JSON.stringify(schema.default)))
            : null;
    }

    include(isIncluded, value) {
        this.slot = isIncluded ? new Slot(this.form, this.schema, value, this.label) : null;
        if (this.box) this.box.checked = Boolean(isIncluded);
        this.place.replaceChildren(...[this.slot ? this.slot.node : this.fallback].filter(Boolean));
    }
}

function object(form, schema, value, settings) {
    const required = requiredOf(schema);
    const known = Object.keys(schema.properties ?? {});
    const rows = new Map();
    for (const name of known) {
        const has = Object.hasOwn(value, name);
        const filling = has ? value[name] : form.schemas.initial(schema.properties[name]);
        rows.set(
            name,
            new Row(form, schema.properties[name], name, {
                isRequired: required.includes(name) && has,
                value: filling,
                has,
            }),
        );
    }
    const extras = new Set();
    const place = h("div.rows");
    const addExtra = (name, filling) => {
        const nameInput = h("input", {
            type: "text",
            value: name,
            "aria-label": `${settings.label}: name of a member`,
            placeholder: "name",
            oninput: () => form.changed(),
        });
        const inside = memberOf({ ...schema, properties: {} }, name) || {};
        const row = new Row(form, inside, name || "member", {
            value: filling === undefined ? form.schemas.initial(inside) : filling,
            has: true,
            nameInput,
            removed: () => {
                extras.delete(row);
                row.node.remove();
                form.changed();
            },
        });
        row.nameInput = nameInput;
        extras.add(row);
        place.append(row.node);
        return row;
    };
    for (const name of Object.keys(value)) if (!known.includes(name)) addExtra(name, value[name]);
    const isOpen =
        schema.additionalProperties === true ||
        isObject(schema.additionalProperties) ||
        (!known.length && schema.additionalProperties === undefined);
    const add =
        isOpen &&
        quiet(`Add ${schema["x-variadic"] ?? "member"}`, () => {
            const row = addExtra("", undefined);
            form.changed();
            row.nameInput.focus();
        });
    const entries = () => [
        ...[...rows].filter(([, row]) => row.slot).map(([name, row]) => [name, row.slot]),
        ...[...extras].map((row) => [row.nameInput.value, row.slot]),
    ];
    const get = () => entries().reduce((members, [name, slot]) => put(members, name, slot.get()), {});
    return {
        node: group(
            settings,
            [...rows.values()].map((row) => row.node),
            place,
            add,
        ),
        get,
        parts: entries,
    };
}

/** A control for an array: first the items with a schema of their own, then any number of further ones. */
class Items {
    constructor(form, schema, value, settings) {
        this.form = form;
        this.schema = schema;
        const { fixed, rest } = itemsOf(schema);
        this.fixed = fixed;
        this.rest = isObject(rest) ? rest : {};
        this.prefix = settings.isRoot && schema["x-variadic"] ? `${schema["x-variadic"]} ` : "";
        this.place = h("div.rows");
        const isOpen = rest !== false && !(fixed.length && rest === undefined) && schema.maxItems !== fixed.length;
        const add = isOpen && quiet(`Add ${schema["x-variadic"] ?? "item"}`, () => this.add());
        this.node = group(settings, this.place, add);
        this.refill(value);
    }

    get() {
        return this.parts().map(([, slot]) => slot.get());
    }

    parts() {
        return this.rows.filter((row) => row.slot).map((row, index) => [index, row.slot]);
    }

    refill(values) {
        this.rows = [];
        this.place.replaceChildren();
        const length = Math.max(values.length, this.fixed.length);
        for (let index = 0; index < length; index++) {
            const has = index < values.length;
            this.append(has ? values[index] : this.form.schemas.initial(this.fixed[index]), has);
        }
    }

    append(value, has = true) {
        const index = this.rows.length;
        const schema = this.fixed[index] ?? this.rest;
        const isFree = index >= this.fixed.length;
        const row = new Row(this.form, schema, this.nameOf(index), {
            isRequired: has && !isFree && index < (this.schema.minItems ?? this.fixed.length),
            value,
            has,
            switched: (isSent) => (isSent ? this.include(index) : this.exclude(index)),
            removed: isFree ? () => this.remove(row) : undefined,
        });
        this.rows.push(row);
        this.place.append(row.node);
        return row;
    }

    nameOf(index) {
        return this.form.schemas.resolve(this.fixed[index] ?? {})["x-label"] ?? `${this.prefix}${index}`;
    }

    /** Send the items before one that is sent. */
    include(index) {
        for (const row of this.rows.slice(0, index))
            if (!row.slot) row.include(true, this.form.schemas.initial(row.schema));
    }

    /** Send none of the items behind one that is not sent. */
    exclude(index) {
        const behind = this.rows.slice(index + 1);
        for (const row of behind.slice(0, this.fixed.length - index - 1)) row.include(false);
        for (const row of behind.slice(this.fixed.length - index - 1)) row.node.remove();
        this.rows = this.rows.slice(0, this.fixed.length);
    }

    add() {
        this.include(this.rows.length);
        const row = this.append(this.form.schemas.initial(this.rest));
        this.form.changed();
        row.place.querySelector("input, textarea, select")?.focus();
    }

    remove(row) {
        this.refill(this.rows.filter((other) => other !== row && other.slot).map((other) => other.slot.get()));
        this.form.changed();
    }
}

function group(settings, ...children) {
    return h(
        settings.isRoot ? "div.group.root" : "div.group",
        { role: "group", "aria-label": settings.label },
        children,
    );
}

const MAKERS = {
    any: anything,
    array: (...given) => new Items(...given),
    boolean: flag,
    choice,
    date: dated,
    "date-time": timed,
    file,
    integer: numeric,
    null: nothing,
    number: numeric,
    object,
    string: textInput,
    time: timed,
    union,
};
