"""The option ``mcp``, from the registration to the contract."""

import pickle

import pytest

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer, rpc
from flaskJSONRPCServer.mcp import Tool


def make():
    return flaskJSONRPCServer(None, log=0)


def tools(server):
    """Return the tool of each method; None for methods that are none."""
    routes = [(route.name, route.contract.options) for route in server._engine.router.table.routes()]
    return {name: options.tool if options.mcp else None for name, options in routes}


class Api:
    @rpc(mcp=True)
    def shown(self): ...

    @rpc(mcp=False)
    def hidden(self): ...

    @rpc(mcp=Tool(name="its-own", open_world=True), idempotent=True)
    def named(self): ...

    def plain(self): ...


def test_registrations_say_which_methods_are_tools():
    server = make()
    server.registerFunction(lambda: 1, name="f", mcp=Tool(title="F"))
    server.registerFunction(lambda: 1, name="g", mcp=True, idempotent=False)

    @server.method("/api", mcp=True)
    def decorated(): ...

    @server.method
    def plain(): ...

    assert tools(server) == {
        "f": Tool(title="F"),
        "g": Tool(idempotent=False),
        "decorated": Tool(),
        "plain": None,
    }


def test_decorators_say_it_for_methods_of_an_instance():
    server = make()
    server.registerInstance(Api(), path="/api")

    named = Tool(name="its-own", open_world=True, idempotent=True)
    assert tools(server) == {"shown": Tool(), "hidden": None, "named": named, "plain": None}


def test_registration_of_an_instance_takes_precedence():
    server = make()
    server.registerInstance(Api(), path="/api", mcp=Tool(read_only=True), idempotent=True)

    assert set(tools(server).values()) == {Tool(read_only=True, idempotent=True)}


def test_tool_that_says_whether_it_is_idempotent_keeps_it():
    server = make()
    server.registerFunction(lambda: 1, name="f", mcp=Tool(idempotent=False), idempotent=True)

    assert tools(server)["f"].idempotent is False


def test_instance_has_no_name_for_all_its_tools():
    with pytest.raises(RegistrationError, match=r"one name cannot be that of each method .* @rpc\(mcp=Tool\(name"):
        make().registerInstance(Api(), mcp=Tool(name="a"))


@pytest.mark.parametrize("value", [1, 0, "yes", {"name": "a"}, Tool])
def test_other_values_are_refused(value):
    with pytest.raises(RegistrationError, match=r"^mcp=.* is refused: it takes True, False, or a Tool$"):
        make().registerFunction(lambda: 1, name="f", mcp=value)
    with pytest.raises(RegistrationError, match=r"^mcp=.* is refused: it takes True, False, or a Tool$"):
        rpc(mcp=value)


@pytest.mark.parametrize("name", ["a", "a" * 128, "Shop.get_stock-1"])
def test_names_of_tools(name):
    assert Tool(name=name).name == name


@pytest.mark.parametrize("name", ["", "a" * 129, "a b", "a/b", "ä", "a\n"])
def test_name_that_no_tool_may_have_is_refused(name):
    with pytest.raises(RegistrationError, match=r"^Tool: name=.* is refused: it takes 1 to 128 of the characters A-Z"):
        Tool(name=name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": 5}, r"name=5 is refused: it takes a string"),
        ({"title": 5}, r"title=5 is refused: it takes a string"),
        ({"description": b"a"}, r"description=b'a' is refused: it takes a string"),
        *(({hint: 1}, rf"{hint}=1 is refused: it takes True, False") for hint in ("read_only", "destructive", "task")),
        ({"idempotent": "yes"}, r"idempotent='yes' is refused: it takes True, False"),
        ({"task": "maybe"}, r"task='maybe' is refused: it takes True, False, 'required', or None"),
        ({"open_world": 0}, r"open_world=0 is refused: it takes True, False"),
        ({"icons": {"src": "a"}}, r"icons=.* is refused: it takes a list of dicts with 'src'"),
        ({"icons": None}, r"icons=None is refused: it takes a list of dicts with 'src'"),
        ({"icons": ["a"]}, r"the icon 'a' is refused: it takes a dict with 'src', a URL"),
        *(
            (
                {"icons": [{"src": src}]},
                r"the icon .* is refused: it takes a dict with 'src', a URL of http, https or data",
            )
            for src in ("", "i.png", "/i.png", "javascript:alert(1)", "file:///i.png", 5)
        ),
        ({"icons": [{"src": "data:,", "x": {1}}]}, r"the icon .* has no JSON form"),
        ({"icons": [{"src": "data:,", "mimeType": 5}]}, r"the icon .* is refused: 'mimeType' is a media type"),
        ({"icons": [{"src": "data:,", "sizes": "48x48"}]}, r"the icon .* is refused: 'sizes' is a list of strings"),
        ({"icons": [{"src": "data:,", "sizes": [48]}]}, r"the icon .* is refused: 'sizes' is a list of strings"),
        ({"icons": [{"src": "data:,", "theme": "blue"}]}, r"the icon .* is refused: 'theme' is 'light' or 'dark'"),
        ({"meta": []}, r"meta=\[\] is refused: it takes a dict"),
        ({"meta": {1: 2}}, r"meta=.* is refused: it takes a dict with strings as keys"),
        ({"meta": {"a": float("nan")}}, r"meta=.* has no JSON form"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_value_that_a_tool_cannot_have_is_refused(options, words):
    with pytest.raises(RegistrationError, match=f"^Tool: {words}"):
        Tool(**options)


@pytest.mark.parametrize("task", [None, True, False, "required"], ids=str)
def test_tool_says_whether_its_calls_become_tasks(task):
    assert Tool(task=task).task == task


@pytest.mark.parametrize(
    "icon",
    [
        {"src": "http://a.test/i.png"},
        {"src": "DATA:image/png;base64,AA==", "mimeType": "image/png", "sizes": ["any"], "theme": "dark", "x": 1},
        {"src": "https://a.test/i.svg", "sizes": ("48x48",), "theme": "light"},
    ],
    ids=lambda icon: icon["src"][:5],
)
def test_icon_of_the_protocol_is_taken(icon):
    assert Tool(icons=[icon]).icons[0]["src"] == icon["src"]


def test_tool_is_independent_of_the_values_that_it_was_made_of():
    icon, meta = {"src": "https://a.test/i.png", "sizes": ["48x48"]}, {"a.test/b": [1]}
    tool = Tool(icons=[icon], meta=meta)
    icon["sizes"].append("any")
    meta["a.test/b"].append(2)

    assert tool.icons == ({"src": "https://a.test/i.png", "sizes": ["48x48"]},)
    assert tool.meta == {"a.test/b": [1]}
    assert pickle.loads(pickle.dumps(tool)) == tool


def test_reload_keeps_it(tmp_path):
    script, namespace = tmp_path / "made.py", {}
    script.write_text("def f(): return 2", encoding="utf-8")
    exec("def f(): return 1", namespace)
    server = make()
    server.registerFunction(namespace["f"], path="/api", mcp=Tool(title="F"))

    assert server.reload({"dispatcher": "f", "scriptPath": str(script), "path": "/api"})
    assert [route.function() for route in server._engine.router.table.routes()] == [2]
    assert tools(server) == {"f": Tool(title="F")}


@pytest.mark.parametrize("schema", [{"type": "string"}, {}, {"properties": {}}], ids=str)
def test_schema_of_arguments_that_are_no_object_is_refused(schema):
    with pytest.raises(RegistrationError, match=r"input_schema=.* is refused: the arguments are of 'type': 'object'"):
        Tool(input_schema=schema)
