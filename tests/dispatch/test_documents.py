"""The documents of a route table: made once, kept for some callers and URLs, named without collisions."""

import json
from collections import Counter

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.contract import openrpc
from flaskJSONRPCServer.contract.errors import DeclaredError
from flaskJSONRPCServer.dispatch import documents as documents_module
from flaskJSONRPCServer.dispatch.documents import Document, Documents, DocumentSources, is_shown, main_routes


def server_with(*paths_and_names, **options):
    """Return a server with a function under each path and name."""
    server = flaskJSONRPCServer(None, log=False)
    for path, name in paths_and_names:
        server.registerFunction(lambda: None, path=path, name=name, **options)
    return server


def documents_of(server, info=lambda: {"title": "t", "version": "1"}, mapped_errors=lambda route: ()):
    return Documents(DocumentSources(lambda: server._engine.router.table, info, mapped_errors))


def everything(route):
    return True


def names_in(document, url="http://h"):
    return [method["name"] for method in document.at(url).tree()["methods"]]


@pytest.fixture
def made(monkeypatch):
    """Count the documents that are made, by their methods."""
    counts = Counter()
    original = openrpc.document_of

    def document_of(methods, *args):
        counts[tuple(method.name for method in methods)] += 1
        return original(methods, *args)

    monkeypatch.setattr(openrpc, "document_of", document_of)
    return counts


def test_document_is_made_once(made):
    documents = documents_of(server_with(("/api", "a")))
    first = documents.of_path("/api/", everything)

    assert documents.of_path("/api/", everything) is first
    assert documents.of_server(["/api/"], everything) is documents.of_server(["/api/"], everything)
    assert made == {("a",): 2}


def test_new_table_makes_new_documents(made):
    server = server_with(("/api", "a"))
    documents = documents_of(server)
    documents.of_path("/api/", everything)
    server.registerFunction(lambda: None, path="/other", name="b")

    assert names_in(documents.of_path("/api/", everything)) == ["a"]
    assert names_in(documents.of_server(["/api/", "/other/"], everything)) == ["a", "b"]
    assert made == {("a",): 2, ("a", "b"): 1}


def test_forgotten_documents_are_made_again():
    errors = []
    documents = documents_of(server_with(("/api", "a")), mapped_errors=lambda route: errors)
    assert "errors" not in documents.of_path("/api/", everything).at("").tree()["methods"][0]

    errors.append(DeclaredError(1001, "Division by zero", "It was zero."))
    documents.forget()

    method = documents.of_path("/api/", everything).at("").tree()["methods"][0]
    assert method["errors"] == [{"code": 1001, "message": "Division by zero"}]
    assert method["x-error-descriptions"] == {"1001": "It was zero."}


def test_only_conditional_methods_are_asked_for():
    server = server_with(("/api", "a"), ("/other", "b"))
    server.registerFunction(lambda: None, path="/api", name="c", visible=lambda request: True)
    asked = []

    names = names_in(documents_of(server).of_path("/api/", lambda route: asked.append(route.name)))

    assert (asked, names) == (["c"], ["a"])


def test_documents_of_too_many_kinds_of_callers_are_dropped(made):
    server = server_with(*(("/api", f"m{number}") for number in range(7)), visible=lambda request: True)
    documents = documents_of(server)
    everyone = documents.of_path("/api/", everything)
    for hidden in range(1, 2**7):
        documents.of_path("/api/", lambda route, hidden=hidden: not hidden >> int(route.name[1:]) & 1)

    assert len(documents._kept) == documents_module._MOST_KEPT
    assert names_in(documents.of_path("/api/", everything)) == names_in(everyone)
    assert documents.of_path("/api/", everything) is not everyone


def test_document_that_is_asked_for_stays():
    server = server_with(*(("/api", f"m{number}") for number in range(7)), visible=lambda request: True)
    documents = documents_of(server)
    everyone = documents.of_path("/api/", everything)
    for hidden in range(1, 2**7):
        documents.of_path("/api/", lambda route, hidden=hidden: not hidden >> int(route.name[1:]) & 1)
        assert documents.of_path("/api/", everything) is everyone


def test_bytes_are_kept_for_some_urls():
    document = Document('{"url":"MARK/api"}', "MARK")
    first = document.at("http://a")

    assert document.at("http://a") is first
    assert json.loads(first.text) == {"url": "http://a/api"}
    for number in range(50):
        assert document.at(f"http://h{number}").tree() == {"url": f"http://h{number}/api"}
    assert len(document._by_url) <= documents_module._MOST_URLS
    assert document.at("http://a") == first


@pytest.mark.parametrize("url", ['http://a"b', "http://a\\b", "http://a\nb", "http://\u00e9"])
def test_any_url_is_written_as_json(url):
    assert Document('{"url":"MARK/"}', "MARK").at(url).tree() == {"url": f"{url}/"}


def test_tags_differ_by_url():
    document = Document('{"url":"MARK/"}', "MARK")

    assert document.at("http://a").tag != document.at("http://b").tag


def test_aliases_are_members_of_their_method():
    server = flaskJSONRPCServer(None, log=False)

    def add(a, b): ...

    add._alias = ["plus", "sum"]
    server.registerFunction(add, path="/api")

    (method,) = server.openrpc()["methods"]
    assert (method["name"], method["x-aliases"]) == ("add", ["plus", "sum"])


def test_order_of_registration_does_not_matter():
    pairs = [("/b", "m"), ("/a", "m"), ("/a", "b"), ("/a", "a"), ("/", "z")]

    documents = [server_with(*order).openrpc() for order in (pairs, pairs[::-1])]

    assert documents[0] == documents[1]
    assert json.dumps(documents[0]) == json.dumps(documents[1])


def test_mark_is_in_no_document():
    text = documents_of(server_with(("/api", "a"))).of_server(["/api/"], everything).at("http://h").text

    document = json.loads(text)
    assert document["servers"] == [{"url": "http://h/"}]
    assert document["methods"][0]["servers"] == [{"url": "http://h/api"}]


def test_methods_that_nobody_sees_are_left_out():
    server = server_with(("/api", "a"), visible=False)
    documents, table = documents_of(server), server._engine.router.table

    assert [is_shown(route) for route in main_routes(table)] == [False]
    assert names_in(documents.of_path("/api/", everything)) == []
    assert [method["name"] for method in documents.tree_of(table)["methods"]] == ["a"]  # it may be called


def test_document_for_comparisons_has_each_name_as_a_method():
    server = flaskJSONRPCServer(None, log=False)

    def size(): ...

    size._alias = "length"
    server.registerFunction(size, path="/api")
    methods = documents_of(server).tree_of(server._engine.router.table)["methods"]

    assert [method["name"] for method in methods] == ["length", "size"]
    assert not any("x-aliases" in method for method in methods)


@pytest.mark.parametrize(
    "info",
    [
        {"title": "Shop"},
        {"version": "2.1.0"},
        {"title": "Shop", "version": "2", "description": "d", "license": {"name": "MIT"}, "x-team": 1},
    ],
)
def test_information_of_the_api(info):
    server = flaskJSONRPCServer(None, log=False, name="n", api_info=info)
    server.registerFunction(lambda: None, path="/api", name="a")

    assert server.openrpc()["info"] == {"title": "n", "version": "1.0.0", **info}
