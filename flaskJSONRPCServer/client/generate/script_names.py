"""The names that JavaScript, TypeScript and the generated modules of both keep for themselves."""

from __future__ import annotations

from .api import Language

__all__ = ["SCRIPT"]

_KEYWORDS = frozenset(
    {
        *("abstract", "any", "arguments", "as", "async", "await", "boolean", "break", "case", "catch", "class"),
        *("const", "constructor", "continue", "debugger", "declare", "default", "delete", "do", "else", "enum"),
        *("eval", "export", "extends", "false", "finally", "for", "from", "function", "get", "if"),
        *("implements", "import", "in", "infer", "instanceof", "interface", "is", "keyof", "let", "module"),
        *("namespace", "never", "new", "null", "number", "object", "of", "package", "private", "protected"),
        *("public", "readonly", "require", "return", "set", "static", "string", "super", "switch", "symbol"),
        *("this", "throw", "true", "try", "type", "typeof", "undefined", "unique", "unknown", "var", "void"),
        *("while", "with", "yield"),
    }
)
_OBJECT_MEMBERS = frozenset(
    {
        *("constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toJSON", "toLocaleString"),
        *("toString", "valueOf", "then"),
    }
)
_RUNTIME = frozenset(
    {
        *("Answer", "Batch", "Client", "Deadline", "ERRORS", "HttpStatusError", "LONGEST_TIMER_MS", "Members"),
        *("Notifications", "Notifier", "Options", "Params", "PendingCall", "ProtocolError", "RETRY", "Retry"),
        *("RetryBudget", "RpcError", "Sender", "Server"),
    }
)
_GLOBALS = frozenset(
    {
        *("AbortController", "AbortSignal", "Array", "BigInt", "Boolean", "DOMException", "Date", "Error", "Exclude"),
        *(
            "Extract",
            "Function",
            "Headers",
            "Infinity",
            "JSON",
            "Map",
            "Math",
            "NaN",
            "Number",
            "Object",
            "Omit",
            "Partial",
        ),
        *("Pick", "Promise", "RangeError", "Readonly", "Record", "RegExp", "RequestCredentials", "RequestInit"),
        *("Required", "Set", "String", "Symbol", "SyntaxError", "TypeError", "URL", "Uint8Array"),
    }
)

SCRIPT = Language(
    members=frozenset({*_OBJECT_MEMBERS, "batch", "notify", "send", "options"}),
    parameters=frozenset({*_KEYWORDS, "mixed", "undefined", "NaN", "Infinity"}),
    types=frozenset({*_RUNTIME, *_GLOBALS, *_KEYWORDS}),
    variants=("{}Methods", "{}Batch"),
)
