"""The part of generated clients for JavaScript and TypeScript that is the same in all of them: messages and batches.

The text is TypeScript with its types between ``«`` and ``»``. Without these, it is JavaScript.
"""

from __future__ import annotations

import re
from typing import Final

from .script_sending import SENDING

__all__ = ["chosen_text", "runtime_text"]

_TYPES: Final = re.compile(r"«([^»]*)»")

_RUNTIME: Final = r"""
«/** The same methods as notifications, which have no results. */
export type Notifications<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => Promise<unknown>
    ? (...args: A) => Promise<void>
    : Notifications<T[K]>;
};

type Members = { [name: string]: unknown };
type Params = unknown[] | Members;

interface Sender {
  call(method: string, params: Params, isIdempotent?: boolean): Promise<unknown>;
  notify(method: string, params: Params): Promise<unknown>;
}

»/** An error that the server answered. */
export class RpcError extends Error {
«  readonly code: number;
  readonly data: unknown;

»  constructor(message«: string», code«: number», data«?: unknown») {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.data = data;
  }
}

/** An answer with an HTTP status in place of JSON-RPC. */
export class HttpStatusError extends Error {
«  readonly status: number;
  readonly text: string;

»  constructor(status«: number», text«: string») {
    super(`HTTP status ${status}: ${text.slice(0, 200)}`);
    this.name = "HttpStatusError";
    this.status = status;
    this.text = text;
  }
}

/** An answer that is not JSON-RPC, or not one to the request. */
export class ProtocolError extends Error {
  constructor(message«: string») {
    super(message);
    this.name = "ProtocolError";
  }
}

function isObject(value«: unknown»)«: value is Members» {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function errorOf(error«: unknown»)«: Error» {
  if (!isObject(error) || typeof error.code !== "number" || typeof error.message !== "string") {
    return new ProtocolError("an error without a code and a message");
  }
  const known = ERRORS.get(error.code) ?? RpcError;
  return new known(error.message, error.code, error.data);
}

/** Return the parameters without the omitted ones: by name, or by position up to the first of them. */
function given(params«: Params»)«: Params | undefined» {
  if (!Array.isArray(params)) {
    const entries = Object.entries(params).filter(([, value]) => value !== undefined);
    return entries.length ? Object.fromEntries(entries) : undefined;
  }
  let length = params.length;
  while (length && params[length - 1] === undefined) {
    length -= 1;
  }
  if (params.slice(0, length).includes(undefined)) {
    throw new TypeError("a parameter by position cannot be omitted before others");
  }
  return length ? params.slice(0, length) : undefined;
}

/** Return the parameters of a method that takes some by position only, and others by name only. */
function mixed(positional«: Members», named«: Members»)«: Params» {
  const has = (members«: Members», name«: string») => Object.hasOwn(members, name) && members[name] !== undefined;
  const alone = (one«: Members», other«: Members») =>
    Object.keys(one).filter((name) => has(one, name) && !has(other, name));
  if (!alone(positional, named).length) {
    return named;
  }
  const impossible = alone(named, positional);
  if (impossible.length) {
    throw new TypeError(`${impossible.join(", ")} can be passed by name only, and others by position only`);
  }
  return Object.values(positional);
}

/** Settle an answer to one call, or throw what is wrong with it. */
function resultOf(answer«: unknown», id«: number»)«: unknown» {
  if (!isObject(answer) || answer.jsonrpc !== "2.0" || "result" in answer === "error" in answer) {
    throw new ProtocolError("the answer is no JSON-RPC 2.0 response");
  }
  if (answer.id !== id && !(answer.id === null && "error" in answer)) {
    throw new ProtocolError(`an answer with the id ${JSON.stringify(answer.id)} to the call ${id}`);
  }
  if ("error" in answer) {
    throw errorOf(answer.error);
  }
  return answer.result;
}

function readBody(isOk«: boolean», status«: number», text«: string»)«: unknown» {
  if (isOk && text === "") {
    return undefined;
  }
  let answer«: unknown»;
  try {
    answer = JSON.parse(text);
  } catch {
    throw isOk ? new ProtocolError("the answer is not JSON") : new HttpStatusError(status, text);
  }
  if (!isOk && !(isObject(answer) && answer.jsonrpc === "2.0" && "error" in answer)) {
    throw new HttpStatusError(status, text);
  }
  return answer;
}

/** Sends notifications in place of calls. */
class Notifier {
«  readonly sender: Sender;

»  constructor(sender«: Sender») {
    this.sender = sender;
  }

  call(method«: string», params«: Params»)«: Promise<unknown>» {
    return this.sender.notify(method, params);
  }

  notify(method«: string», params«: Params»)«: Promise<unknown>» {
    return this.sender.notify(method, params);
  }
}

«interface PendingCall {
  id: number;
  resolve(value: unknown): void;
  reject(reason: unknown): void;
}

»/** Collects calls. */
class Batch {
«  readonly client: Client;
  readonly messages: unknown[];
  readonly pending: PendingCall[];
  isSent: boolean;

»  constructor(client«: Client») {
    this.client = client;
    this.messages = [];
    this.pending = [];
    this.isSent = false;
  }

  #add(message«: unknown») {
    if (this.isSent) {
      throw new TypeError("the batch has been sent; begin another one");
    }
    this.messages.push(message);
  }

  call(method«: string», params«: Params»)«: Promise<unknown>» {
    const id = this.pending.length + 1;
    this.#add({ jsonrpc: "2.0", method, params: given(params), id });
    const result = new Promise«<unknown>»((resolve, reject) => this.pending.push({ id, resolve, reject }));
    result.catch(() => {}); // nobody may be waiting for this one
    return result;
  }

  async notify(method«: string», params«: Params»)«: Promise<unknown>» {
    this.#add({ jsonrpc: "2.0", method, params: given(params) });
    return undefined;
  }

  async send()«: Promise<void>» {
    if (this.isSent) {
      throw new TypeError("the batch has been sent; begin another one");
    }
    this.isSent = true;
    if (!this.messages.length) {
      return;
    }
    try {
      this.#settle(await this.client.post(this.messages));
    } catch (error) {
      for (const call of this.pending) {
        call.reject(error);
      }
      throw error;
    }
  }

  #settle(answer«: unknown») {
    if (isObject(answer) && "error" in answer) {
      throw errorOf(answer.error);
    }
    if (answer !== undefined && !Array.isArray(answer)) {
      throw new ProtocolError("one message in answer to a batch");
    }
    const answers«: unknown[]» = answer ?? [];
    for (const call of this.pending) {
      const own = answers.filter((each) => isObject(each) && each.id === call.id);
      try {
        if (own.length !== 1) {
          throw new ProtocolError(`${own.length} answers to the call ${call.id}`);
        }
        call.resolve(resultOf(own[0], call.id));
      } catch (error) {
        call.reject(error);
      }
    }
    const known = new Set«<unknown>»(this.pending.map((call) => call.id));
    if (answers.some((each) => !isObject(each) || !known.has(each.id))) {
      throw new ProtocolError("answers to calls that are not in the batch");
    }
  }
}
"""


def runtime_text(*, is_typed: bool) -> str:
    """Return the text, with or without its types."""
    return chosen_text(_RUNTIME + SENDING, is_typed=is_typed)


def chosen_text(text: str, *, is_typed: bool) -> str:
    """Return a text of this form as TypeScript or JavaScript."""
    return _TYPES.sub(r"\1" if is_typed else "", text)
