"""State that a client keeps for the server: signed, bound to its owner, and with an end.

A sealed state is signed and not encrypted: the client can read the payload, so it must hold nothing that the client may
not know. A state may be opened any number of times until its end.

The text is base64url without padding (RFC 4648, section 5) of these bytes: the version, the end in milliseconds since
the epoch (8 bytes), the tag of its owner (16), the payload as JSON, the signature of all before it (32). Tag and
signature are HMAC-SHA256 (RFC 2104) with keys for the purpose, derived by HKDF (RFC 5869).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

__all__ = ["LONGEST_TEXT", "SHORTEST_SECRET_BYTES", "Reason", "Sealer", "StateError"]

SHORTEST_SECRET_BYTES = 32
"""The least size of a secret: that of the signatures."""

LONGEST_TEXT = 64 * 1024
"""The most characters of a sealed state."""

Reason = Literal["altered", "expired", "foreign"]

_VERSION = b"\x01"
_END = slice(1, 9)
_TAG = slice(9, 25)
_SIGNATURE_BYTES = 32
_LEAST_BYTES = 25 + _SIGNATURE_BYTES
_LAST_MS = 2**63

_TEXTS: dict[Reason, str] = {
    "altered": "the state was not made by this server, or it was altered; begin again without it",
    "expired": "the state has expired; begin again without it",
    "foreign": "the state belongs to another caller or another call; begin again without it",
}


class StateError(ValueError):
    """A text is no state that may be used. The message has nothing of the text.

    Attributes:
        reason: ``altered``: the text is not one of this secret and purpose. ``foreign``: it is bound to something
            else. ``expired``: its time is over.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(_TEXTS[reason])
        self.reason = reason


class Sealer:
    """Seals and opens states.

    Any number of threads may use it. All sealers of one secret open each other's states.

    Args:
        secret: At least 32 bytes that nobody can guess.
        clock: Returns the time in seconds since the epoch.

    Raises:
        ValueError: The secret is too short.
    """

    __slots__ = ("_clock", "_key")

    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        if len(secret) < SHORTEST_SECRET_BYTES:
            raise ValueError(f"the secret has {len(secret)} bytes; it takes at least {SHORTEST_SECRET_BYTES}")
        self._key = extracted(b"flaskJSONRPCServer", secret)
        self._clock = clock

    @classmethod
    def of(cls, secret: str | bytes | None, clock: Callable[[], float] = time.time) -> Sealer:
        """Return a sealer for the setting ``secret``; with None, for a random secret of its own.

        No other process can open the states of a random secret, nor this program after its next start.

        Raises:
            ValueError: The secret is too short.
        """
        chosen = secrets.token_bytes(SHORTEST_SECRET_BYTES) if secret is None else secret
        return cls(chosen.encode() if isinstance(chosen, str) else chosen, clock)

    def seal(
        self, payload: Mapping[str, Any], *, purpose: str, bound_to: Sequence[str | bytes] = (), ttl_s: float
    ) -> str:
        """Return a payload as a text that only :meth:`open` with the same purpose and binding accepts.

        Args:
            payload: JSON values by names. The client can read them.
            purpose: What the state is for; each purpose has keys of its own.
            bound_to: What has to be the same when it is opened, such as the identity of the caller. The order counts,
                and a text differs from its bytes.
            ttl_s: How long it may be opened, in seconds, above 0.

        Returns:
            A text of letters, digits, ``-`` and ``_``.

        Raises:
            TypeError, ValueError: The payload has no JSON form, the time is no number above 0, or the text would be
                longer than 64 KiB.
        """
        if not 0 < ttl_s < math.inf:
            raise ValueError(f"ttl_s={ttl_s!r} is refused: it takes a number of seconds above 0")
        end = min(math.ceil((self._clock() + ttl_s) * 1000), _LAST_MS)
        written = json.dumps(dict(payload), separators=(",", ":"), allow_nan=False).encode()
        body = b"".join([_VERSION, end.to_bytes(8, "big"), self._tag(purpose, bound_to), written])
        text = encoded(body + self._signature(purpose, body))
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"the sealed state has {len(text)} characters, at most {LONGEST_TEXT} are accepted back")
        return text

    def open(self, text: str, *, purpose: str, bound_to: Sequence[str | bytes] = ()) -> dict[str, Any]:
        """Return the payload of a sealed state.

        Args:
            text: What the client sent. Longer ones than 64 KiB are refused before anything is computed.
            purpose: As with :meth:`seal`.
            bound_to: As with :meth:`seal`.

        Raises:
            StateError: It was altered, is bound to something else, or has expired.
        """
        body, signature = parts_of(text)
        if not hmac.compare_digest(signature, self._signature(purpose, body)):
            raise StateError("altered")
        if not hmac.compare_digest(body[_TAG], self._tag(purpose, bound_to)):
            raise StateError("foreign")
        if self._clock() * 1000 >= int.from_bytes(body[_END], "big"):
            raise StateError("expired")
        payload: dict[str, Any] = json.loads(body[_TAG.stop :])
        return payload

    def shared_name(self, purpose: str) -> str:
        """Return a name that all sealers of one secret know, and that nobody else can guess: 32 hexadecimal digits."""
        return expanded(self._key, b"name\0" + purpose.encode()).hex()[:32]

    def _tag(self, purpose: str, bound_to: Sequence[str | bytes]) -> bytes:
        key = expanded(self._key, b"owner\0" + purpose.encode())
        return hmac.digest(key, b"".join(map(delimited, bound_to)), "sha256")[: _TAG.stop - _TAG.start]

    def _signature(self, purpose: str, body: bytes) -> bytes:
        return hmac.digest(expanded(self._key, b"state\0" + purpose.encode()), body, "sha256")


def parts_of(text: str) -> tuple[bytes, bytes]:
    """Return the signed part of a sealed text, and its signature.

    Raises:
        StateError: No state has this form.
    """
    if not isinstance(text, str) or len(text) > LONGEST_TEXT or not text.isascii():
        raise StateError("altered")
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise StateError("altered") from None
    # The decoder skips unknown characters and unused bits: only one text of each state is accepted.
    if len(sealed) < _LEAST_BYTES or sealed[:1] != _VERSION or encoded(sealed) != text:
        raise StateError("altered")
    return sealed[:-_SIGNATURE_BYTES], sealed[-_SIGNATURE_BYTES:]


def encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def delimited(part: str | bytes) -> bytes:
    """Return a part with its type and its length in front, so that no two sequences of parts have the same bytes."""
    kind, data = (b"s", part.encode("utf-8", "surrogatepass")) if isinstance(part, str) else (b"b", part)
    return kind + len(data).to_bytes(8, "big") + data


def extracted(salt: bytes, secret: bytes) -> bytes:
    """Return a key of 32 bytes made of a secret of any size (RFC 5869, section 2.2)."""
    return hmac.digest(salt, secret, "sha256")


def expanded(key: bytes, purpose: bytes) -> bytes:
    """Return a key of 32 bytes for a purpose (RFC 5869, section 2.3, with one block)."""
    return hmac.digest(key, purpose + b"\x01", "sha256")
