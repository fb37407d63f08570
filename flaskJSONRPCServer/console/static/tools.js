// The tools of the endpoints for models, as they list them to this visitor.

import { request, ROOT } from "./api.js";
import { code } from "./call.js";
import { copy, h, newId, quiet } from "./dom.js";
import { parse, pretty } from "./form.js";
import { linkTo } from "./methods.js";

const REVISION = "2026-07-28";
const META = "io.modelcontextprotocol/";

/** Fetch the endpoints that this visitor may know, each with its path and the methods of its tools. */
export async function fetchEndpoints() {
    try {
        const response = await request("endpoints.json", { isQuiet: true });
        return response.ok ? (await response.json()).mcp : [];
    } catch {
        return [];
    }
}

export function toolsPage(endpoints, api) {
    return h(
        "div.page",
        h("h1", { tabindex: "-1" }, "Tools"),
        h("p.lead", endpoints.length ? "What a model learns of each tool." : "This server has no tools for models."),
        endpoints.map((endpoint) => endpointSection(endpoint, api)),
    );
}

function endpointSection({ path, methods }, api) {
    const place = h("div.stack", h("p.note", { role: "status" }, "Loading …"));
    const heading = h("h2.url", { id: newId() }, h("span.verb", "POST"), h("code", path));
    const url = new URL(path.slice(1), ROOT);
    listTools(url).then(
        (tools) =>
            place.replaceChildren(
                h("p.note", { role: "status" }, `${tools.length} tool${tools.length === 1 ? "" : "s"}`),
                ...tools.map((tool) => toolCard(tool, methodOf(methods, tool.name, api))),
            ),
        (error) => place.replaceChildren(h("p.problem", { role: "alert" }, error.message)),
    );
    return h("section.stack", { "aria-labelledby": heading.id }, heading, place);
}

/** Return all tools of an endpoint, page by page. */
async function listTools(url) {
    const tools = [];
    let cursor;
    do {
        const result = await toolsAfter(url, cursor);
        tools.push(...result.tools);
        cursor = result.nextCursor;
    } while (cursor !== undefined);
    return tools;
}

async function toolsAfter(url, cursor) {
    const _meta = {
        [`${META}protocolVersion`]: REVISION,
        [`${META}clientInfo`]: { name: "console", version: "1" },
        [`${META}clientCapabilities`]: {},
    };
    const response = await request(url, {
        method: "POST",
        headers: {
            "Content-Type": "application/json",
            Accept: "application/json",
            "MCP-Protocol-Version": REVISION,
            "Mcp-Method": "tools/list",
        },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta, cursor } }),
        isManual: true,
    });
    const text = await response.text();
    const { result, error } = response.ok ? parse(text) : {};
    if (result) return result;
    throw new Error(`The tools could not be listed: ${error?.message ?? `${response.status} ${text.slice(0, 200)}`}`);
}

/** Return the method behind a tool, if the explorer shows it. */
function methodOf(methods, tool, api) {
    if (!Object.hasOwn(methods, tool)) return undefined;
    const [path, name] = methods[tool];
    const { href } = new URL(path.slice(1), ROOT);
    return api?.methods.find((method) => method.url === href && method.name === name);
}

function toolCard(tool, method) {
    const heading = h("h3.name", { id: newId() }, tool.name);
    const text = JSON.stringify(tool);
    const size = new TextEncoder().encode(text).length;
    return h(
        "section.card.tool",
        { "aria-labelledby": heading.id },
        h("div.cardhead", heading, h("span.note", `${size.toLocaleString("en")} bytes`)),
        tool.title && h("p.lead", tool.title),
        h("p.badges", Object.entries(tool.annotations ?? {}).map(badge)),
        tool.description ? h("pre", { tabindex: "0" }, tool.description) : h("p.note", "It has no description."),
        folded("Input schema", tool.inputSchema),
        tool.outputSchema && folded("Output schema", tool.outputSchema),
        folded("Whole definition", tool),
        h(
            "div.actions",
            method && h("a", { href: linkTo(method.id), "aria-label": `Open ${tool.name} in the explorer` }, "Open in the explorer"),
            quiet("Copy definition", () => copy(text), `Copy the definition of ${tool.name}`),
        ),
    );
}

/** Return what an annotation says, such as `read only` or `not destructive`. */
function badge([key, value]) {
    const words = key
        .replace(/Hint$/, "")
        .replace(/[A-Z]/g, " $&")
        .toLowerCase();
    if (value === true) return h(`span.badge${key === "destructiveHint" ? ".warn" : ""}`, words);
    return h("span.badge", value === false ? `not ${words}` : `${words}: ${pretty(value)}`);
}

/** Return a JSON value that is written when it is unfolded first. */
function folded(title, value) {
    const node = h("details", h("summary", title));
    node.addEventListener("toggle", () => node.append(code(pretty(value))), { once: true });
    return node;
}
