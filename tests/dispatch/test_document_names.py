"""The names of methods in the document of a server: unique, and the same in any order of registration."""

import itertools

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.contract.diff import Verdict, compare


def document_of(*registered):
    server = flaskJSONRPCServer(None, log=0)
    for path, name in registered:
        server.registerFunction(lambda: None, path=path, name=name)
    return server.openrpc()


@pytest.mark.parametrize(
    ("registered", "names"),
    [
        ([("/a", "f"), ("/b", "g")], ["f", "g"]),
        ([("/a", "f"), ("/b", "f")], ["a/f", "b/f"]),
        ([("/", "f"), ("/b", "f")], ["b/f", "f"]),
        ([("/a", "f"), ("/a/b", "f"), ("/c", "g")], ["a/b/f", "a/f", "g"]),
        ([("/a", "x/add"), ("/b", "add"), ("/x", "add")], ["a/x%2Fadd", "b/add", "x/add"]),
        ([("/a", "x/add"), ("/a/x", "add"), ("/x", "add")], ["a/x%2Fadd", "a/x/add", "x/add"]),
        ([("/", "x/add"), ("/x", "add")], ["add", "x%2Fadd"]),
        ([("/a", "x%2Fadd"), ("/a", "x/add"), ("/b", "x/add"), ("/b", "x%2Fadd")], None),
    ],
)
def test_each_method_is_listed_under_a_name_of_its_own(registered, names):
    documents = [document_of(*order) for order in itertools.permutations(registered)]
    (methods,) = {str(document["methods"]): document["methods"] for document in documents}.values()

    found = [method["name"] for method in methods]
    assert len({*found}) == len(registered)
    assert names is None or found == names
    calls = {(method["servers"][0]["url"], method.get("x-method", method["name"])) for method in methods}
    assert calls == {*registered}


@pytest.mark.parametrize("path", ["/a", "/c", "/", "/b/a"])
def test_further_path_with_a_method_of_the_same_name_breaks_no_caller(path):
    comparison = compare(document_of(("/b", "f")), document_of((path, "f"), ("/b", "f")))

    assert comparison.verdict is Verdict.COMPATIBLE
    assert any(finding.text == "the method is new" for finding in comparison.findings)


def test_method_that_leaves_a_path_breaks_its_callers():
    both = document_of(("/a", "f"), ("/b", "f"))

    for left in ("/a", "/b"):
        assert compare(both, document_of((left, "f"))).verdict is Verdict.BREAKING
    assert compare(document_of(("/a", "f")), document_of(("/b", "f"))).verdict is Verdict.BREAKING
