"""The classes of generated clients for JavaScript and TypeScript, apart from the methods."""

from __future__ import annotations

import re
from typing import Final

from .script_runtime import chosen_text

__all__ = ["BATCH_CLASS", "CLIENT_CLASS", "SERVER_CLASS", "filled"]

_PLACE: Final = re.compile(r"__([A-Z]+)__")

CLIENT_CLASS: Final = """\
__ABOUT__export class __NAME__ extends __METHODS__ {
  #client«: Client»;

  constructor(url«: string | URL»__URL__, options«: Options» = {}) {
    const client = new Client(String(url), options);
    super(client);
    this.#client = client;
  }

  /** The same methods as notifications, which have no answers. */
  get notify()«: Notifications<__METHODS__>» {
    return new __METHODS__(new Notifier(this.#client))« as unknown as Notifications<__METHODS__>»;
  }

  /** Return a client for the same URL with other options. Both have one budget of repetitions. */
  options(changes«: Options»)«: __NAME__» {
    const view = new __NAME__(this.#client.url, { ...this.#client.options, ...changes });
    view.#client.budget = this.#client.budget;
    return view;
  }

  /** Return a batch: its calls are sent together by its method `send`. */
  batch()«: __NAME__Batch» {
    return new __NAME__Batch(this.#client);
  }
}
"""

BATCH_CLASS: Final = """\
/** Collects calls. Their promises settle when the batch has been sent. */
export class __NAME__Batch extends __METHODS__ {
  #batch«: Batch»;

  constructor(client«: Client») {
    const batch = new Batch(client);
    super(batch);
    this.#batch = batch;
  }

  /** Collect notifications. */
  get notify()«: Notifications<__METHODS__>» {
    return new __METHODS__(new Notifier(this.#batch))« as unknown as Notifications<__METHODS__>»;
  }

  /** Send the calls. It fails if the batch failed as a whole, and not if a call did. */
  send()«: Promise<void>» {
    return this.#batch.send();
  }
}
"""

SERVER_CLASS: Final = """\
__ABOUT__export class Server {
__MEMBERS__  constructor(url«: string | URL»__URL__, options«: Options» = {}) {
    const base = String(url).replace(/\\/+$/, "");
__CLIENTS__  }
}
"""


def filled(template: str, *, is_typed: bool, **values: str) -> str:
    """Return a template with values in its places. Places in the values are not filled."""
    return _PLACE.sub(lambda place: values[place[1]], chosen_text(template, is_typed=is_typed))
