"""The rules of a caller: which differences between two methods break calls that worked, or their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .findings import Finding, Kind
from .method_findings import MethodFindings, changed_members
from .methods import Method, OpenRpcDocument, Parameter
from .parameter_rules import ParameterRules
from .schema_pairs import SchemaDifference, SchemaPairs
from .subsumption import Relation

__all__ = ["MethodRules", "document_findings"]


def document_findings(old: OpenRpcDocument, new: OpenRpcDocument) -> Iterator[Finding]:
    """Yield the differences between two documents.

    Raises:
        ContractError: A schema is malformed. The message names the method and the place.
    """
    if changed := changed_members(old.others, new.others):
        yield Finding(Kind.COMPATIBLE, "", "", f"documentation changed: {changed}")
    schemas = SchemaPairs(old.schemas, new.schemas)
    moved = set()
    for called, method in old.calls():
        is_alias = called != method.called
        successor = new.find(called, method.urls)
        if successor is None and not is_alias and (successor := moved_method(method, old, new)):
            moved.add(successor.name)
        if successor is None:
            yield Finding(Kind.BREAKING, label(called, method), "", f"the {kind_of_name(called, method)} is removed")
        elif not is_alias or successor is not new.find(method.called, method.urls):
            yield from MethodRules(label(called, method), schemas).findings(method, successor)
    for called, method in new.calls():
        if old.find(called, method.urls) is None and method.name not in moved:
            yield Finding(Kind.COMPATIBLE, label(called, method), "", f"the {kind_of_name(called, method)} is new")


def moved_method(method: Method, old: OpenRpcDocument, new: OpenRpcDocument) -> Method | None:
    """Return the method of the same name in requests that is at another URL, where the old document has none."""
    others = (other for other in new.methods.values() if other.called == method.called)
    return next((other for other in others if old.find(other.called, other.urls) is None), None)


def label(called: str, method: Method) -> str:
    """Return the name of a method in findings: that in the document, or its alias."""
    return method.name if called == method.called else called


def kind_of_name(called: str, method: Method) -> str:
    return "method" if called == method.called else f"alias of {method.name!r}"


class MethodRules(MethodFindings):
    """Compares a method of the old document with the one that answers its calls in the new document."""

    def findings(self, old: Method, new: Method) -> Iterator[Finding]:
        """Yield the differences, those of the parameters first.

        Raises:
            ContractError: A schema is malformed.
        """
        yield from self._urls(old, new)
        yield from ParameterRules(self._name, self._schemas).findings(old, new)
        yield from self._result(old.result, new.result)
        yield from self._errors(old, new)
        yield from self._timeout(old, new)
        if changed := changed_members(old.others, new.others):
            yield self._compatible("", f"documentation changed: {changed}")

    def _urls(self, old: Method, new: Method) -> Iterator[Finding]:
        if old.name != new.name and old.called == new.called:
            yield self._compatible("name", f"the document now names it {new.name!r}; calls do not")
        if gone := old.urls.without(new.urls):
            urls = f"{listed_urls(gone)}, and is now called at {listed_urls(new.urls.relative)}"
            yield self._breaking("servers", f"the method was called at {urls}")
        elif old.urls.text != new.urls.text:
            yield self._compatible("", "documentation changed: servers")

    def _result(self, old: Parameter | None, new: Parameter | None) -> Iterator[Finding]:
        if old is None or new is None:
            if old is not None:
                yield self._breaking("result", "the result is removed: the method takes only notifications")
            if new is not None:
                yield self._compatible("result", "the result is new: the method took only notifications")
            return
        difference = self._difference("result", old, new)
        yield from self._result_schema(difference)
        yield from self._annotations("result", old, new, difference)

    def _result_schema(self, difference: SchemaDifference) -> Iterator[Finding]:
        """Yield a finding if a result has other values than before: it has to be one that it could have been."""
        gained = difference.gained
        if gained is None:
            if difference.lost:
                yield self._compatible("result", "the type is narrowed")
        else:
            is_widened = difference.relation is Relation.SUBSET
            reason = "the type is widened" if is_widened else "cannot be shown to be compatible"
            yield self._breaking(f"result{gained.path}", f"{reason}: it may now be {gained.values}")

    def _errors(self, old: Method, new: Method) -> Iterator[Finding]:
        for code in sorted({*old.errors, *new.errors}):
            place = f"errors.{code}"
            if code not in old.errors:
                yield self._compatible(place, "the error is new; callers meet a code that they do not know")
            elif code not in new.errors:
                yield self._compatible(place, "the error is no longer declared")
            elif old.errors[code] != new.errors[code]:
                yield self._compatible(place, "the error has another message or data; its meaning may have changed")

    def _timeout(self, old: Method, new: Method) -> Iterator[Finding]:
        if old.timeout_s != new.timeout_s:
            change = "shorter" if new.timeout_s < old.timeout_s else "longer"
            seconds = f"{old.timeout_s:g} s and is {new.timeout_s:g} s".replace("inf s", "none")
            yield self._compatible("x-timeout", f"the deadline is {change}: it was {seconds}")


def listed_urls(urls: Iterable[str]) -> str:
    return ", ".join(repr(url or "/") for url in urls)
