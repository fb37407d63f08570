// A server now and in the last hour. Texts of the API become text nodes.

import { h } from "./dom.js";
import uPlot from "./vendor/uplot.js";

const POLL_MS = 1000, HIDDEN_POLL_MS = 15000, MOST_WAIT_MS = 30000, ANSWER_MS = 15000;
const MOST_ROWS = 100;
const NONE = "–", MINUTES = [60, 120, 300, 600, 1200];

const RANGES = [
  { label: "5 min", words: "5 minutes", seconds: 300, track: 0 },
  { label: "1 hour", words: "hour", seconds: 3600, track: 1 },
];

const DASHED = [6, 3], DOTTED = [2, 3];
const PLOTS = [
  { title: "Requests and errors per second", format: number, methods: true, series: [
    { key: "requests_per_s", label: "Requests", color: "accent", fill: true, ofServer: true },
    { key: "calls_per_s", label: "Calls", color: "ok", dash: DASHED },
    { key: "errors_per_s", label: "Errors", color: "error", fill: true }] },
  { title: "Duration of calls", format: duration, methods: true, series: [
    { key: "p50_ms", label: "p50", color: "ok" },
    { key: "p95_ms", label: "p95", color: "accent", dash: DASHED },
    { key: "p99_ms", label: "p99", color: "error", dash: DOTTED }] },
  { title: "Memory", format: memory, steps: [...Array(40)].map((_, i) => 1024 * 2 ** i), series: [
    { key: "memory_kb", label: "Resident", color: "accent", fill: true }] },
  { title: "Pauses of garbage collection", format: duration, series: [
    { key: "gc_ms", label: "Pause", color: "accent", fill: true }] },
];

const TILES = [
  ["Requests / s", (d) => number(last(d, "requests_per_s"))],
  ["Errors / s", (d) => number(last(d, "errors_per_s")), (d) => last(d, "errors_per_s") > 0],
  ["p95", (d) => duration(last(d, "p95_ms"))],
  ["In flight", (d) => number(d.totals.in_flight)],
  ["CPU", (d) => `${number(last(d, "cpu_percent"))} %`],
  ["Memory", (d) => memory(last(d, "memory_kb"))],
  ["Threads", (d) => number(last(d, "threads"))],
  ["Descriptors", (d) => number(last(d, "descriptors"))],
];

const TOTALS = [
  ["Requests", "requests"], ["Calls", "calls"], ["Errors", "errors"], ["Running", "running"],
  ["Lost notifications", "lost_notifications"], ["Abandoned calls", "abandoned_calls"],
];

const METHOD_COLUMNS = [
  { key: "name", label: "Method", format: String },
  { key: "calls", label: "Calls", format: number },
  { key: "calls_per_s", label: "Per s", format: number },
  { key: "errors", label: "Errors", format: number, isBad: (value) => value > 0 },
  { key: "running", label: "In flight", format: number },
  { key: "p50_ms", label: "p50", format: duration },
  { key: "p95_ms", label: "p95", format: duration },
  { key: "p99_ms", label: "p99", format: duration },
  { key: "max_ms", label: "Max", format: duration },
];

const BACKEND_COLUMNS = [
  ["Exec backend", (b) => b.name], ["Queue", (b) => number(b.queue)], ["Running", (b) => number(b.running)],
  ["Workers", (b) => b.most_workers == null ? number(b.workers) : `${number(b.workers)} of ${number(b.most_workers)}`],
  ["Done", (b) => number(b.done)], ["Failed", (b) => number(b.failed), (b) => b.failed > 0],
  ["Refused", (b) => number(b.refused), (b) => b.refused > 0],
];

// True: a second click confirms.
const SERVER_ACTIONS = [
  ["lock", "Lock server", true], ["unlock", "Unlock server"], ["reload", "Reload", true],
  ["collectGarbage", "Collect garbage"], ["restart", "Restart", true],
];

/** Show the dashboard in an element; `api.request(url, options)` returns the Response of a fetch. */
export function mount(container, api) {
  const dashboard = new Dashboard(api);
  container.append(dashboard.root);
  dashboard.start();
  return { unmount: () => dashboard.stop() };
}

class Dashboard {
  constructor(api) {
    this.api = api;
    this.range = RANGES[0];
    this.method = null; // the selected one; null for the whole server
    this.sort = { key: "calls", down: true };
    this.rows = new Map(); // the elements of each method in the table
    this.forget();
    this.failures = 0;
    this.ended = new AbortController();
    this.build();
  }

  forget() {
    this.since = 0;
    this.historyId = null;
    this.methods = new Map();
  }

  async start() {
    await Promise.all(["vendor/uplot.css", "dashboard.css"].map(loadStyles));
    const { signal } = this.ended, draw = () => this.plots.forEach((plot) => plot.draw());
    if (signal.aborted) return;
    document.addEventListener("visibilitychange", () => document.hidden || this.pollNow(), { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw, { signal });
    this.themes = new MutationObserver(draw);
    this.themes.observe(document.documentElement, { attributes: true });
    this.pollNow();
  }

  stop() {
    this.ended.abort();
    clearTimeout(this.timer);
    this.themes?.disconnect();
    this.plots.forEach((plot) => plot.destroy());
    this.root.remove();
  }

  pollNow() {
    clearTimeout(this.timer);
    if (!this.isPolling) this.poll();
  }

  async poll() {
    const { since, method } = this, timeout = AbortSignal.timeout(ANSWER_MS); // the server may hold all requests
    let wait = 0;
    this.isPolling = true;
    try {
      const query = new URLSearchParams(method === null ? { since } : { since, method });
      const signal = AbortSignal.any([this.ended.signal, timeout]);
      this.take(await this.ask(`live.json?${query}`, { signal }), since, method);
      this.failures = 0;
    } catch (error) {
      wait = Math.min(MOST_WAIT_MS, POLL_MS * 2 ** ++this.failures);
      this.status(`${timeout.aborted ? "No answer" : error.message}; next try in ${Math.round(wait / 1000)} s`, "away");
    }
    this.isPolling = false;
    if (this.ended.signal.aborted) return;
    if (!this.since && !wait) return this.poll(); // begin again
    this.timer = setTimeout(() => this.poll(), wait || (document.hidden ? HIDDEN_POLL_MS : POLL_MS));
  }

  async ask(url, options) {
    const response = await this.api.request(url, options).catch(() => { throw new Error("The server cannot be reached"); });
    if (response.ok) return response.json();
    const text = (await response.text()).trim();
    let error = text.slice(0, 200) || `The server answers ${response.status}`;
    try { ({ error } = JSON.parse(text)); } catch { /* a plain sentence */ }
    throw new Error(error);
  }

  take(answer, since, method) {
    if (this.ended.signal.aborted || method !== this.method) return;
    if (since && answer.history_id !== this.historyId) return this.forget(); // another process answers
    this.historyId = answer.history_id;
    this.since = answer.sequence;
    const before = since ? this.data : null;
    const join = (rows, name) => rows.map((part, track) => extended(before?.[name]?.[track], part));
    this.data = { ...answer, history: join(answer.history, "history") };
    if (answer.method) this.data.ofMethod = join(answer.method.history, "ofMethod");
    for (const row of answer.methods) this.methods.set(row.name, row);
    this.show();
  }

  select(method) {
    this.method = this.method === method ? null : method;
    this.since = 0;
    this.pollNow();
    this.showMethods();
  }

  async act(action, dispatcher) {
    const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ action, dispatcher }) };
    const [text, isBad] = await this.ask("actions", options).then(({ message }) => [message, false], ({ message }) => [message, true]);
    setText(this.noticeLine, text);
    this.noticeLine.classList.toggle("d-bad", isBad);
    this.pollNow();
  }

  build() {
    this.plots = PLOTS.map((about) => new Plot(about, this));
    this.root = h("section.dash", { "aria-label": "Dashboard" },
      h("header.d-head",
        this.statusLine = h("p.d-status", { role: "status" }, "Loading"),
        this.facts = h("p.d-facts"),
        this.ranges = h("div.d-buttons", { role: "group", "aria-label": "Time range" },
          RANGES.map((range) => h("button", { type: "button", onclick: () => this.setRange(range) }, range.label))),
        this.actions = h("div.d-buttons", { role: "group", "aria-label": "Actions" })),
      this.noticeLine = h("p.d-notice", { role: "status" }),
      this.tiles = h("dl.d-tiles", TILES.map(([label]) => tile(label))),
            h("div.d-plots", this.plots.map((plot) => plot.root)),
      card("Methods",
        this.filter = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter methods",
          oninput: () => this.showMethods() }),
        this.shown = h("p.d-note"),
        scrolled("Methods", this.methodTable()),
        this.methodNote = h("p.d-note")),
      h("div.d-pair",
        card("Exec backends", this.backends = h("div")),
        card("Locks", this.locks = h("div"))),
      card("Since the server was made", this.totals = h("dl.d-tiles", TOTALS.map(([label]) => tile(label)))));
    this.setRange(this.range);
  }

  methodTable() {
    this.headers = METHOD_COLUMNS.map((column) => h("th", { scope: "col" },
      h("button", { type: "button", onclick: () => this.sortBy(column.key) }, column.label)));
    this.actionHeader = h("td");
    this.body = h("tbody");
    return h("table.d-table", h("thead", h("tr", this.headers, this.actionHeader)), this.body);
  }

  setRange(range) {
    this.range = range;
    [...this.ranges.children].forEach((button, i) => button.setAttribute("aria-pressed", RANGES[i] === range));
    this.plots.forEach((plot) => plot.show());
  }

  sortBy(key) {
    const { sort } = this;
    this.sort = { key, down: sort.key === key ? !sort.down : key !== "name" };
    this.showMethods();
  }

  status(text, state) {
    setText(this.statusLine, text);
    this.statusLine.dataset.state = state;
  }

  show() {
    const { data } = this, { server } = data;
    this.status("Live", "live");
    const facts = { reloads: server.reloads, "failed reloads": server.failed_reloads, restarts: server.restarts, process: server.pid };
    const counts = Object.entries(facts).map((pair) => pair.join(" "));
    setText(this.facts, [server.name, `up ${span(server.uptime_s)}`, ...counts, `Python ${server.python}`].join(" · "));
    TILES.forEach(([, value, isBad], i) => setTile(this.tiles.children[i], value(data), isBad?.(data)));
    TOTALS.forEach(([, key], i) => setTile(this.totals.children[i], number(data.totals[key])));
    this.plots.forEach((plot) => plot.show());
    this.showMethods();
    this.showBackends();
    this.showLocks();
    this.showActions();
  }

  showActions() {
    const { actions, locks } = this.data, other = locks.held.some(({ kind }) => kind === "server") ? "lock" : "unlock";
    const shown = SERVER_ACTIONS.filter(([action]) => actions.includes(action) && action !== other);
    const key = shown.join();
    if (this.actions.dataset.key === key) return;
    this.actions.dataset.key = key;
    this.actions.replaceChildren(...shown.map(([action, label, confirms]) => {
      const reset = () => { button.textContent = label; button.classList.remove("d-primary"); };
      const onclick = () => {
        if (confirms && button.textContent === label) {
          button.textContent = `${label}: sure?`;
          return button.classList.add("d-primary");
        }
        reset();
        this.act(action, null);
      };
      const button = h("button", { type: "button", onclick, onblur: reset }, label);
      return button;
    }));
  }

  showMethods() {
    const { key, down } = this.sort, canLock = Boolean(this.data?.actions.includes("lock"));
    this.headers.forEach((header, i) => METHOD_COLUMNS[i].key === key
      ? header.setAttribute("aria-sort", down ? "descending" : "ascending") : header.removeAttribute("aria-sort"));
    this.actionHeader.hidden = !canLock;
    const wanted = this.filter.value.toLowerCase();
    const found = [...this.methods.values()].filter((row) => row.name.toLowerCase().includes(wanted));
    found.sort((a, b) => (down ? -1 : 1) * (a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0) || (a.name < b.name ? -1 : 1));
    const shown = found.slice(0, MOST_ROWS);
    const locked = new Set(this.data?.locks.held.flatMap((lock) => lock.dispatchers));
    const rows = shown.map((row) => this.methodRow(row, canLock, locked.has(row.name)));
    if (rows.length !== this.body.children.length || rows.some((row, i) => row !== this.body.children[i])) {
      const focused = document.activeElement; // moving an element takes the focus from it
      this.body.replaceChildren(...rows);
      if (focused !== document.activeElement && this.body.contains(focused)) focused.focus();
    }
    const more = found.length - shown.length;
    setText(this.methodNote, !this.methods.size ? "No method has been called yet."
      : !found.length ? "No method matches the filter." : more ? `${number(more)} more: filter them.` : "");
    const { method } = this, isOther = this.data?.method?.name !== method;
    setText(this.shown, method === null ? "" : `In the plots: ${method}${isOther ? " and others" : ""}`);
  }

  methodRow(row, canLock, isLocked) {
    const { name } = row;
    let parts = this.rows.get(name);
    if (!parts) {
      const select = h("button", { type: "button", class: "d-name", onclick: () => this.select(name) }, name);
      const cells = METHOD_COLUMNS.slice(1).map(() => h("td"));
      const lock = h("button", { type: "button", onclick: () => this.act(lock.textContent.toLowerCase(), name) });
      const lockCell = h("td", lock);
      parts = { select, cells, lock, lockCell, tr: h("tr", h("th", { scope: "row" }, select), cells, lockCell) };
      this.rows.set(name, parts);
    }
    parts.select.setAttribute("aria-pressed", this.method === name);
    METHOD_COLUMNS.slice(1).forEach(({ key, format, isBad }, i) => {
      setText(parts.cells[i], format(row[key]));
      parts.cells[i].classList.toggle("d-bad", Boolean(isBad?.(row[key])));
    });
    parts.lockCell.hidden = !canLock;
    const label = isLocked ? "Unlock" : "Lock";
    setText(parts.lock, label);
    parts.lock.setAttribute("aria-label", `${label} ${name}`);
    return parts.tr;
  }

  showBackends() {
    const rows = this.data.backends.map((backend) => backend.unknown
      ? h("tr", h("th", { scope: "row" }, backend.name),
        h("td", { colspan: BACKEND_COLUMNS.length - 1, class: "d-bad" }, "its stats() failed; see the log"))
      : h("tr", BACKEND_COLUMNS.map(([, value, isBad], i) =>
        h(i ? "td" : "th", { scope: i ? null : "row", class: isBad?.(backend) && "d-bad" }, value(backend)))));
    this.replaceTable(this.backends, "Exec backends", BACKEND_COLUMNS.map(([label]) => label), rows,
      "None is running: calls run in the serving threads.");
  }

  showLocks() {
    const { locks, now_s, actions } = this.data, canUnlock = actions.includes("unlock");
    const rows = locks.held.map(({ kind, dispatchers, since_s, by }) => h("tr",
      h("th", { scope: "row" }, kind === "server" ? "The server" : kind === "deep" ? "All requests" : dispatchers.join(", ")),
      h("td", `${span(now_s - since_s)}, since ${clock(since_s)}`),
      h("td", by),
      canUnlock && h("td", kind !== "deep" && h("button", { type: "button",
        "aria-label": `Unlock ${kind === "server" ? "the server" : dispatchers.join(", ")}`,
        onclick: () => this.act("unlock", kind === "server" ? null : dispatchers[0]) }, "Unlock"))));
    const waiting = locks.waiting ? `${number(locks.waiting)} waiting` : "";
    this.replaceTable(this.locks, "Locks", ["Held", "For", "By", ...canUnlock ? [""] : []], rows, "No lock is held.", waiting);
  }

  // Rebuilt only if its text changes; the focus stays.
  replaceTable(parent, label, columns, rows, empty, note = "") {
    const fresh = rows.length ? scrolled(label, h("table.d-table",
      h("thead", h("tr", columns.map((column) =>
        column ? h("th", { scope: "col" }, column) : h("td")))), h("tbody", rows)))
      : h("p.d-note", empty);
    const parts = note ? [fresh, h("p.d-note", note)] : [fresh];
    const text = parts.map((part) => part.textContent).join();
    if (parent.textContent === text) return;
    const focused = parent.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
    parent.replaceChildren(...parts);
    if (focused) [...parent.querySelectorAll("[aria-label]")].find((e) => e.getAttribute("aria-label") === focused)?.focus();
  }
}

class Plot {
  constructor(about, dashboard) {
    this.about = about;
    this.dashboard = dashboard;
    this.values = about.series.map(() => h("b", NONE));
    this.items = about.series.map((series, i) => h("li", { "data-color": series.color },
      h("i", { "data-dash": series.dash }), `${series.label} `, this.values[i]));
    this.root = h("figure.d-plot",
      h("figcaption", h("h3", about.title), h("ul.d-legend", this.items)),
      this.canvas = h("div.d-canvas", { role: "img" }));
    this.sizes = new ResizeObserver(() => this.plot?.setSize(this.size()));
    this.sizes.observe(this.canvas);
  }

  rows() {
    const { data, method, range } = this.dashboard;
    const source = method !== null && this.about.methods ? data?.ofMethod : data?.history;
    return source?.[range.track];
  }

  show() {
    const rows = this.rows();
    this.about.series.forEach((series, i) => {
      this.items[i].hidden = Boolean(series.ofServer && this.dashboard.method !== null);
    });
    if (!rows) return;
    const data = [rows.time, ...this.about.series.map(({ key }) => rows[key] ?? rows.time.map(() => null))];
    if (!this.plot) this.draw(data);
    else this.plot.setData(data);
    this.describe(data);
    this.legend(this.plot.cursor.idx);
  }

  describe(data) {
    const { format, series, title } = this.about;
    const parts = series.flatMap(({ label }, i) => {
      const known = data[i + 1].filter((value) => value !== null);
      if (!known.length) return [];
      return `${label}: now ${format(data[i + 1].at(-1))}, at most ${format(Math.max(...known))}`;
    });
    const text = `${title} in the last ${this.dashboard.range.words}. ${parts.join(". ")}`;
    this.canvas.setAttribute("aria-label", text);
  }

  legend(index) {
    const rows = this.rows();
    this.about.series.forEach(({ key }, i) => setText(this.values[i], this.about.format(rows?.[key]?.at(index ?? -1))));
  }

  draw(data = this.plot?.data) {
    if (!data) return;
    this.plot?.destroy();
    const style = getComputedStyle(this.root), legend = getComputedStyle(this.items[0]);
    const colors = this.items.map((item) => getComputedStyle(item.firstChild).color); // resolved for the canvas
    const axis = { stroke: legend.color, font: `11px ${style.fontFamily}`, ticks: { show: false },
      grid: { stroke: style.borderTopColor, width: 1 } };
    this.plot = new uPlot({
      ...this.size(),
      legend: { show: false },
      padding: [10, 10, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: "dash" }, points: { size: 6 } },
      scales: {
        x: { range: () => { const now = this.dashboard.data.now_s; return [now - this.dashboard.range.seconds, now]; } },
        y: { range: (_, low, high) => [0, high > 0 ? high * 1.05 : 1] },
      },
      axes: [{ ...axis, grid: { show: false }, size: 26, incrs: MINUTES, space: 60, values: (_, times) => times.map(clock) },
        { ...axis, size: 60, space: 32, incrs: this.about.steps, values: (_, values) => values.map(this.about.format) }],
      series: [{}, ...this.about.series.map((series, i) => ({
        stroke: colors[i], width: 1.5, dash: series.dash, points: { size: 4, show: lonely },
        fill: series.fill && colors[i].replace(")", ", .13)"),
      }))],
      hooks: { setCursor: [(plot) => this.legend(plot.cursor.idx)] },
    }, data, this.canvas);
  }

  size() {
    return { width: this.canvas.clientWidth || 100, height: this.canvas.clientHeight || 100 };
  }

  destroy() {
    this.sizes.disconnect();
    this.plot?.destroy();
  }
}

// Values

/** Join the rows of a track, no more than the server keeps. */
function extended(before, part) {
  if (!before) return part;
  return Object.fromEntries(Object.entries(part).map(([key, values]) =>
    [key, Array.isArray(values) ? [...before[key], ...values].slice(-part.length) : values]));
}

function last(data, key) {
  return data.history[0][key].at(-1);
}

/** Return the points that no line leads to. */
function lonely(plot, series) {
  const values = plot.data[series], points = [];
  values.forEach((value, i) => value !== null && values[i - 1] == null && values[i + 1] == null && points.push(i));
  return points.length ? points : false;
}

function number(value) {
  if (value == null) return NONE;
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return value.toLocaleString("en", { maximumFractionDigits: digits, notation: value < 1e5 ? "standard" : "compact" });
}

function duration(ms) {
  if (ms == null) return NONE;
  if (ms === 0) return "0";
  return ms < 1 ? `${number(ms * 1e3)} µs` : ms < 1000 ? `${number(ms)} ms` : `${number(ms / 1e3)} s`;
}

function memory(kb) {
  return kb == null ? NONE : kb < 2 ** 20 ? `${number(kb / 1024)} MiB` : `${number(kb / 2 ** 20)} GiB`;
}

function span(seconds) {
  const days = Math.floor(seconds / 86400), time = new Date(Math.max(0, seconds) * 1000).toISOString().slice(11, 19);
  return days > 0 ? `${days} d ${time}` : time;
}

function clock(time) {
  return new Date(time * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

// Elements

function card(title, ...children) {
  return h("section.d-card", h("h3", title), children);
}

// Focusable, so that the keyboard can scroll it.
function scrolled(label, table) {
  return h("div.d-scroll", { role: "region", tabindex: "0", "aria-label": `Table: ${label}` }, table);
}

function tile(label) {
  return h("div", h("dt", label), h("dd", NONE));
}

function setTile(element, text, isBad) {
  setText(element.lastChild, text);
  element.classList.toggle("d-bad", Boolean(isBad));
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function loadStyles(file) {
  const url = new URL(file, import.meta.url).href;
  if ([...document.styleSheets].some((sheet) => sheet.href === url)) return null;
  return new Promise((resolve) => {
    const link = h("link", { rel: "stylesheet", href: url, onload: resolve, onerror: resolve });
    document.head.append(link);
  });
}
