"""The part of generated clients for JavaScript and TypeScript that sends requests: deadlines, repetitions, keys.

The form of the text is that of `script_runtime`. What is repeated, and when, is the same as in the client for Python.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SENDING"]

SENDING: Final = r"""
«/** The options of a client. */
export interface Options {
  /** Header fields of all requests. */
  headers?: Record<string, string>;
  /** The milliseconds that a call may take, with its repetitions; without it, there is no limit. The server gets it. */
  timeoutMs?: number;
  /** Aborts the calls. */
  signal?: AbortSignal;
  /** Whether cookies are sent, as for `fetch`. */
  credentials?: RequestCredentials;
  /** Sends the requests in place of `fetch`. */
  fetch?: typeof fetch;
  /** How failed calls are repeated; null for never. */
  retry?: Retry | null;
  /** The header `Idempotency-Key`, the same for all attempts of a call; true for a new key for each call. */
  idempotencyKey?: string | boolean;
  /** Whether the methods may be run twice with the same effect as once.
   *  False also of those that the server declares so. */
  idempotent?: boolean;
}

/** How a failed request is repeated, if that is safe: a method is idempotent, or an idempotency key is sent. */
export interface Retry {
  /** The most attempts, with the first; by default 3. */
  attempts?: number;
  /** The pause after attempt n is random, up to this number * 2 ** n, in milliseconds; by default 100. */
  basePauseMs?: number;
  /** The longest of these pauses; by default 5000. The `Retry-After` of a server may be longer. */
  maxPauseMs?: number;
  /** The HTTP statuses after which a request is repeated; by default 429, 502, 503 and 504. */
  statuses?: readonly number[];
  /** The part of a repetition that each request adds to the budget of the client; by default 0.1. */
  budget?: number;
}

interface Answer {
  isOk: boolean;
  status: number;
  text: string;
  retryAfterMs: number;
}

»const RETRY«: Required<Retry>» = {
  attempts: 3,
  basePauseMs: 100,
  maxPauseMs: 5000,
  statuses: [429, 502, 503, 504],
  budget: 0.1,
};
// Timers with a longer time end immediately.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function checkedRetry(retry«: Retry | null | undefined»)«: Required<Retry>» {
  const whole = { ...RETRY, ...(retry === null ? { attempts: 1 } : retry) };
  const { attempts, basePauseMs, maxPauseMs, statuses, budget } = whole;
  if (!(attempts >= 1 && Math.min(basePauseMs, maxPauseMs, budget) >= 0)) {
    throw new RangeError("retry: attempts begins at 1, and no other number is negative");
  }
  if (!Array.isArray(statuses)) {
    throw new TypeError("retry: statuses is an array of HTTP statuses");
  }
  return whole;
}

function checkOptions({ idempotencyKey, timeoutMs }«: Options») {
  if (timeoutMs !== undefined && !(timeoutMs > 0)) {
    throw new RangeError(`timeoutMs: ${timeoutMs}; it takes a number above 0`);
  }
  if (typeof idempotencyKey === "string" && !/^[\x20-\x7e\x80-\xff]+$/.test(idempotencyKey)) {
    throw new TypeError("idempotencyKey: it takes a text that a header can have, or true for a new one for each call");
  }
}

/** Return a new key. Pages without TLS have no `crypto.randomUUID`, and Node.js 18 has no `crypto`. */
function newKey()«: string» {
  const bytes = new Uint8Array(16);
  const random = globalThis.crypto ? globalThis.crypto.getRandomValues(bytes) : bytes.map(() => Math.random() * 256);
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return the time that a server asks to wait, from now; 0 if it does not. */
function readRetryAfter(value«: string | null»)«: number» {
  if (value !== null && /^\d+$/.test(value)) {
    return Number(value) * 1000;
  }
  const waitMs = value?.endsWith("GMT") ? Date.parse(value) - Date.now() : 0;
  return waitMs > 0 ? waitMs : 0;
}

/** The repetitions that a client has left. Its views share them. */
class RetryBudget {
  #left = 10; // so that a client that has just started can repeat its calls

  add(part«: number») {
    this.#left = Math.min(10, this.#left + part);
  }

  take()«: boolean» {
    if (this.#left < 1) {
      return false;
    }
    this.#left -= 1;
    return true;
  }
}

/** The time of one call with its repetitions. Its signal aborts the call when the time or the caller ends it. */
class Deadline {
«  readonly signal: AbortSignal;
  readonly isTold: boolean;
»  #endsAt«: number»;
  #close«: () => void»;

  constructor(timeoutMs«: number | undefined», signal«: AbortSignal | undefined») {
    signal?.throwIfAborted();
    const controller = new AbortController();
    const abort = () => controller.abort(signal«!».reason);
    const expire = () => controller.abort(new DOMException(`no answer in ${timeoutMs} ms`, "TimeoutError"));
    this.signal = controller.signal;
    this.isTold = timeoutMs !== undefined && timeoutMs <= LONGEST_TIMER_MS;
    // Without a limit, calls are not repeated for ever either.
    this.#endsAt = performance.now() + Math.min(timeoutMs ?? 30000, LONGEST_TIMER_MS);
    const timer = this.isTold ? setTimeout(expire, timeoutMs) : undefined;
    signal?.addEventListener("abort", abort);
    this.#close = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
  }

  remainingMs()«: number» {
    return this.#endsAt - performance.now();
  }

  pause(ms«: number»)«: Promise<void>» {
    return new Promise((resolve, reject) => {
      this.signal.throwIfAborted();
      const timer = setTimeout(resolve, ms);
      const end = () => {
        clearTimeout(timer);
        reject(this.signal.reason);
      };
      this.signal.addEventListener("abort", end);
    });
  }

  close() {
    this.#close();
  }
}

/** Sends calls at once. */
class Client {
«  readonly url: string;
  readonly options: Options;
  budget: RetryBudget;
»  #retry«: Required<Retry>»;
  #lastId«: number»;

  constructor(url«: string», options«: Options») {
    checkOptions(options);
    this.url = url;
    this.options = options;
    this.budget = new RetryBudget();
    this.#retry = checkedRetry(options.retry);
    this.#lastId = 0;
  }

  async call(method«: string», params«: Params», isIdempotent«?: boolean»)«: Promise<unknown>» {
    // A call that the user repeats with a key needs the same body.
    const id = typeof this.options.idempotencyKey === "string" ? 1 : (this.#lastId += 1);
    const answer = await this.post({ jsonrpc: "2.0", method, params: given(params), id }, isIdempotent);
    if (answer === undefined) {
      throw new ProtocolError("an empty answer to a call");
    }
    return resultOf(answer, id);
  }

  async notify(method«: string», params«: Params»)«: Promise<unknown>» {
    const answer = await this.post({ jsonrpc: "2.0", method, params: given(params) });
    if (isObject(answer) && "error" in answer) {
      throw errorOf(answer.error);
    }
    return undefined;
  }

  /** Send a message, and return the JSON value of the answer; undefined for an empty one. */
  async post(message«: unknown», isIdempotent«?: boolean»)«: Promise<unknown>» {
    const { idempotencyKey, idempotent, signal, timeoutMs } = this.options;
    // Names of header fields are equal in any case.
    const fields = new Headers(this.options.headers);
    fields.set("Content-Type", "application/json");
    fields.set("Accept", "application/json");
    if (idempotencyKey) {
      const key = idempotencyKey === true ? newKey() : idempotencyKey.replace(/[\\"]/g, "\\$&");
      fields.set("Idempotency-Key", `"${key}"`);
    }
    const isSafe = Boolean((idempotent ?? isIdempotent) || idempotencyKey);
    const body = JSON.stringify(message);
    const deadline = new Deadline(timeoutMs, signal);
    try {
      const { isOk, status, text } = await this.#attempts(fields, body, deadline, isSafe);
      return readBody(isOk, status, text);
    } finally {
      deadline.close();
    }
  }

  /** Send a request until there is an answer, as often as the options allow. */
  async #attempts(
    fields«: Headers»,
    body«: string»,
    deadline«: Deadline»,
    isSafe«: boolean»,
  )«: Promise<Answer>» {
    const { attempts, basePauseMs, maxPauseMs, statuses, budget } = this.#retry;
    this.budget.add(budget);
    for (let attempt = 1; ; attempt += 1) {
      let answer«: Answer | undefined»;
      let failure«: unknown»;
      try {
        answer = await this.#send(fields, body, deadline);
      } catch (error) {
        failure = error;
      }
      const hasFailed = answer ? statuses.includes(answer.status) : !deadline.signal.aborted;
      // A random pause keeps clients from coming back all at once.
      const randomMs = Math.random() * Math.min(maxPauseMs, basePauseMs * 2 ** attempt);
      const pauseMs = Math.max(randomMs, answer?.retryAfterMs ?? 0);
      const mayRepeat = hasFailed && isSafe && attempt < attempts && pauseMs < deadline.remainingMs();
      if (mayRepeat && this.budget.take()) {
        await deadline.pause(pauseMs);
      } else if (answer) {
        return answer;
      } else {
        throw failure;
      }
    }
  }

  async #send(fields«: Headers», body«: string», deadline«: Deadline»)«: Promise<Answer>» {
    const { credentials, fetch = globalThis.fetch } = this.options;
    const headers = new Headers(fields);
    if (deadline.isTold) {
      headers.set("Request-Timeout", (Math.max(1, deadline.remainingMs()) / 1000).toFixed(3));
    }
    // Followed, a redirect would run a call again, and send the header fields to another server.
    const init«: RequestInit» = { method: "POST", headers, body, signal: deadline.signal, redirect: "manual" };
    if (credentials !== undefined) {
      init.credentials = credentials;
    }
    const response = await fetch(this.url, init);
    const retryAfterMs = readRetryAfter(response.headers.get("Retry-After"));
    // Browsers hide the status of a redirect: it is 0.
    const text = response.type === "opaqueredirect" ? "a redirect" : await response.text();
    return { isOk: response.ok, status: response.status, text, retryAfterMs };
  }
}
"""
