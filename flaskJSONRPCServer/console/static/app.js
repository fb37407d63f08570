// The shell of the console: its header, its pages by the fragment of the URL, its keys.

import { askForAuthorisation, decoded, fetchOwn, onAuthorisation, request } from "./api.js";
import { CallPanel } from "./call.js";
import { documentation } from "./documentation.js";
import { h, quiet, store } from "./dom.js";
import { parse } from "./form.js";
import { MethodList } from "./methods.js";
import { askForDocument, batchPage, historyPage, overview } from "./pages.js";
import { fetchEndpoints, toolsPage } from "./tools.js";

const THEMES = ["auto", "light", "dark"];

const main = document.getElementById("main");
const side = document.getElementById("side");
const navigationBar = document.getElementById("nav");
const methodList = new MethodList();

let api = null;
let endpoints = null;
let problem = null;
let mounted = null;
let turn = 0;

const NAVIGATION = [
    ["#/", "Methods"],
    ["#/batch", "Batch"],
    ["#/history", "History"],
    ["#/tools", "Tools"],
    ["#/dashboard", "Dashboard"],
];
const links = NAVIGATION.map(([href, title]) => h("a", { href }, title));

function countBatch() {
    const { length } = store.get("batch", []);
    links[1].textContent = length ? `Batch (${length})` : "Batch";
}

function route() {
    const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
    const [page, ...rest] = path.split("/");
    return { page, id: decoded(rest.join("/")), query: new URLSearchParams(query) };
}

/** Show the page that the fragment of the URL names; after a link was followed, with the focus on its heading. */
async function show(isFollowed = false) {
    const { page, id, query } = route();
    const current = ++turn;
    mounted?.unmount();
    mounted = null;
    const index = Math.max(
        0,
        NAVIGATION.findIndex(([href]) => href === `#/${page}`),
    );
    links.forEach((link, number) =>
        number === index ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current"),
    );
    document.body.dataset.page = index === 0 ? (page === "method" ? "method" : "overview") : page;
    document.title = [id || (index ? NAVIGATION[index][1] : ""), api?.title ?? "Console"].filter(Boolean).join(" – ");
    if (page === "dashboard") return showDashboard(current);
    main.replaceChildren(pageOf(page, id, query));
    if (api) methodList.mark(page === "method" ? id : null);
    if (!isFollowed) return;
    main.querySelector("h1")?.focus({ preventScroll: true });
    scrollTo(0, 0);
}

function pageOf(page, id, query) {
    if (page === "batch") return batchPage();
    if (page === "history") return historyPage(api);
    if (page === "tools" && endpoints && (api || problem)) return toolsPage(endpoints, api);
    if (!api || page === "tools") return message(problem ?? "Loading …");
    if (page !== "method") return overview(api);
    const method = api.byId.get(id);
    return method ? methodPage(method, query) : message(`There is no method ${id} here, or you may not see it.`);
}

function methodPage(method, query) {
    const panel = new CallPanel(method, paramsOf(query));
    return h(
        "div.method",
        documentation(method, (params) => panel.fill(params)),
        panel.node,
    );
}

function paramsOf(query) {
    try {
        return query.has("params") ? parse(query.get("params")) : undefined;
    } catch {
        return undefined;
    }
}

function message(text) {
    return h("div.page", h("h1", { tabindex: "-1" }, "Console"), h("p.lead", { role: "status" }, text));
}

async function showDashboard(current) {
    const place = h("div.pane");
    main.replaceChildren(place);
    try {
        const { mount } = await import("./dashboard.js");
        if (current === turn) mounted = mount(place, { request });
    } catch (error) {
        place.replaceChildren(message(`The dashboard could not be loaded: ${error.message}`));
    }
}

/** Show the tab of the tools if there are any endpoints for models. */
async function loadEndpoints() {
    endpoints = await fetchEndpoints();
    links[3].hidden = !endpoints.length;
    if (route().page === "tools") show();
}

async function load() {
    problem = null;
    api = null;
    show();
    try {
        api = await fetchOwn();
        problem = api ? null : "This server does not describe its methods (discover=False). Open another document.";
    } catch (error) {
        problem = error.message;
        return use(null);
    }
    use(api);
    await loadEndpoints(); // after the document, whose request asks for an authorisation
}

function use(opened) {
    api = opened;
    const title = document.getElementById("title");
    title.textContent = api?.title ?? "Console";
    methodList.show(api?.methods ?? []);
    show();
}

function themeButton() {
    const stored = localStorage.getItem("console.theme");
    let theme = THEMES.includes(stored) ? stored : "auto";
    const apply = () => {
        if (theme === "auto") delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = theme;
        node.textContent = `◐ ${theme}`;
        node.setAttribute("aria-label", `Colours: ${theme}`);
        dispatchEvent(new Event("theme"));
    };
    const node = quiet("", () => {
        theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
        localStorage.setItem("console.theme", theme);
        apply();
    });
    apply();
    return node;
}

function begin() {
    navigationBar.append(...links);
    document.querySelector(".skip").addEventListener("click", (event) => {
        event.preventDefault();
        main.focus();
    });
    document.getElementById("tools").append(
        quiet("Open …", () => askForDocument((opened) => (opened ? use(opened) : load()))),
        quiet("Authorise", () =>
            askForAuthorisation(api?.methods[0]?.url ? new URL(api.methods[0].url).origin : location.origin),
        ),
        themeButton(),
    );
    side.append(methodList.node);
    methodList.show([]);
    countBatch();
    addEventListener("batch", countBatch);
    addEventListener("hashchange", () => show(true));
    addEventListener("keydown", (event) => {
        if (
            event.key !== "/" ||
            event.ctrlKey ||
            event.metaKey ||
            event.altKey ||
            event.target.closest("input, textarea, select, dialog")
        )
            return;
        event.preventDefault();
        if (!side.checkVisibility()) {
            history.pushState(null, "", "#/");
            show();
        }
        methodList.search.focus();
        methodList.search.select();
    });
    // Not while the request for the document waits for this authorisation itself.
    onAuthorisation(() => {
        if (problem) load();
        else if (endpoints) loadEndpoints();
    });
    links[3].hidden = true;
    load();
}

begin();
