"""The rules of a server's URLs in the map of a Flask application."""

from __future__ import annotations

import copy
import operator
import re
from collections.abc import Callable, Collection

import flask
from werkzeug.routing import Map, Rule, RuleFactory

from ..dispatch.built_in import BuiltInUrl
from ..dispatch.pipeline import METHOD_URL_METHODS, PATH_METHODS

__all__ = [
    "CountedMap",
    "add_rules",
    "built_in_path",
    "built_in_rules",
    "changes_of",
    "make_rule",
    "remove_rules",
    "rules_of",
    "urls_of_rule",
]

_BUILT_IN = re.compile(r"/<any\(([^)]+)\):built_in>")
_SEGMENT = re.compile(r'"([^"]*)"')


class CountedMap(Map):
    """A map that counts its changes.

    Attributes:
        changes: How often rules have been added.
    """

    changes = 0

    def add(self, rulefactory: RuleFactory) -> None:
        """See :meth:`werkzeug.routing.Map.add`."""
        super().add(rulefactory)
        self.changes += 1


def changes_of(url_map: Map) -> int:
    """Return a number that is another one after each change of a map."""
    return url_map.changes if isinstance(url_map, CountedMap) else operator.length_hint(url_map.iter_rules())


def rules_of(path: str, endpoint: str) -> list[Rule]:
    """Return the Flask rules of a formatted path: ``/api/<method>/``, ``/api/<method>``, ``/api/`` and ``/api``."""
    method_urls = [make_rule(f"{path}<method>{end}", endpoint, METHOD_URL_METHODS) for end in ("/", "")]
    return method_urls + [make_rule(rule, endpoint, PATH_METHODS) for rule in (path, path.rstrip("/")) if rule]


def built_in_rules(prefix: str, urls: list[BuiltInUrl], endpoint: str) -> list[Rule]:
    """Return the rules of built-in URLs, one for all that take the same methods: each costs every server some time.

    They have converters, so that a page of the application at the same URL wins, even if it is added later.
    """
    by_methods: dict[tuple[str, ...], list[str]] = {}
    for url in urls:
        by_methods.setdefault(url.methods, []).append(url.segment)
    rules = [make_rule(f"{prefix}{any_of(segments)}", endpoint, methods) for methods, segments in by_methods.items()]
    for url in urls:
        below = ("<path:rest>", "") if url.has_children else ("",) if url.takes_slash else ()
        rules += [make_rule(f"{prefix}{any_of([url.segment])}/{rest}", endpoint, url.methods) for rest in below]
    return rules


def any_of(segments: list[str]) -> str:
    names = ",".join(f'"{segment}"' for segment in segments)
    return f"/<any({names}):built_in>"


def built_in_path(segment: str, rest: str | None, url: str) -> str:
    """Return the path below the mount of a built-in URL, with the slash at the end that the URL has."""
    if rest is not None:
        return f"/{segment}/{rest}"
    return f"/{segment}/" if segment and url.endswith("/") else f"/{segment}"


def urls_of_rule(rule: Rule) -> list[str]:
    """Return the URLs of a rule as users know them: that of built-in URLs has several."""
    match = _BUILT_IN.search(rule.rule)
    if match is None:
        return [rule.rule]
    before, after = rule.rule[: match.start()], rule.rule[match.end() :]
    return [f"{before}/{segment}{after}" for segment in _SEGMENT.findall(match[1])]


def make_rule(rule: str, endpoint: str, methods: Collection[str] | None) -> Rule:
    """Return a rule for an endpoint. It matches a trailing slash only if the rule has one."""
    return Rule(rule, endpoint=endpoint, methods=methods, strict_slashes=False)


def add_rules(app: flask.Flask, rules: list[Rule], *, in_use: bool) -> None:
    """Add rules to an application.

    Args:
        app: The application.
        rules: The rules.
        in_use: Whether requests may be matched meanwhile.
    """
    if not rules:
        return
    if in_use or app._got_first_request:  # Werkzeug does not allow changing a map while it is matched
        app.url_map = map_of(app.url_map, [*app.url_map.iter_rules(), *rules])
    else:  # as Flask itself adds rules until then: a new map would compile all rules again
        for rule in rules:
            app.url_map.add(rule)


def remove_rules(app: flask.Flask, is_removed: Callable[[Rule], bool]) -> None:
    """Remove rules from an application, even while it serves."""
    remaining = [rule for rule in app.url_map.iter_rules() if not is_removed(rule)]
    if len(remaining) < len(list(app.url_map.iter_rules())):
        app.url_map = map_of(app.url_map, remaining)


def map_of(url_map: Map, rules: list[Rule]) -> Map:
    """Return a copy of a map with other rules."""
    return type(url_map)(
        map(unbound, rules),
        default_subdomain=url_map.default_subdomain,
        strict_slashes=url_map.strict_slashes,
        merge_slashes=url_map.merge_slashes,
        redirect_defaults=url_map.redirect_defaults,
        sort_parameters=url_map.sort_parameters,
        sort_key=url_map.sort_key,
        host_matching=url_map.host_matching,
        converters=url_map.converters,
    )


def unbound(rule: Rule) -> Rule:
    """Return a copy of a rule for another map. ``Rule.empty()`` would lose attributes of extensions."""
    rule_copy = copy.copy(rule)
    rule_copy.map = None  # type: ignore[assignment]
    return rule_copy
