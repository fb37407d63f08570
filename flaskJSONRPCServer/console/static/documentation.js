// The documentation of a method.

import { h, newId } from "./dom.js";
import { highlighted, isObject, pretty, requiredOf } from "./form.js";

const DEEPEST_SHOWN = 3;

/** Return the paragraphs, lists and code of a docstring as nodes. */
export function prose(text) {
    const nodes = [];
    for (const block of text.split(/\n\s*\n/)) {
        const lines = block.split("\n").filter((line) => line.trim());
        if (!lines.length) continue;
        if (lines.every((line) => /^(\s{4}|\t|>>>)/.test(line))) nodes.push(h("pre", { tabindex: "0" }, block));
        else if (/^\s*[-*] /.test(lines[0]))
            nodes.push(
                h(
                    "ul",
                    listItems(lines).map((item) => h("li", inline(item))),
                ),
            );
        else nodes.push(h("p", inline(block.trim())));
    }
    return nodes;
}

function listItems(lines) {
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
    if (depth >= DEEPEST_SHOWN) return null;
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
    if (depth > DEEPEST_SHOWN) return [];
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
