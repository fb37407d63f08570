"""The page for users of the old server has one row for each name that they know, and no others."""

import inspect
import re
from collections import Counter

import pytest

from flaskJSONRPCServer import execBackendCollection, flaskJSONRPCServer, servBackendCollection
from flaskJSONRPCServer.__main__ import make_parser
from flaskJSONRPCServer.execBackend import ExecBackend
from flaskJSONRPCServer.servBackend import ServBackend
from flaskJSONRPCServer.settings import OPTIONS
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")

# The two tables under the heading of a kind of backends: the built-in ones, and the members of a user's own.
BUILT_IN, MEMBERS = 0, 1

# Methods that the reference of 0.9.2 lacks. Nothing else marks them as new.
NEW_METHODS = {
    *("addReadinessCheck", "checkExamples", "getWSGI", "init_app", "mapException", "mcp", "method", "openrpc", "use"),
}
NEW_UNDERSCORE_METHODS = {"_deepUnlock"}

# The settings of the old server. The reference of 0.9.2 lists only the parameters.
OLD_SETTINGS = [
    "backlog",
    "sleepTime_checkProcessingCount",
    "sleepTime_waitLock",
    "sleepTime_waitDeepLock",
    "antifreeze_batchMaxTime",
    "antifreeze_batchSleep",
    "antifreeze_batchBreak",
    "controlGC_everySeconds",
    "controlGC_everyRequestCount",
    "controlGC_everyDispatcherCount",
]


def section(title):
    """Return the text below a heading, up to the next one of its level or above."""
    marks = re.search(rf"^(#+) {re.escape(title)}$", PAGE, re.MULTILINE)
    return re.split(rf"^#{{1,{len(marks[1])}}} ", PAGE[marks.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def tables(text):
    """Return the tables with a column of names: for each, its rows as lists of cells."""
    matches = re.findall(r"^\| name \|.*\n\|[-|]+\|\n((?:\|.*\|\n)+)", text, re.MULTILINE)
    return [[[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows.splitlines()] for rows in matches]


def names(rows):
    """Return the name in each row's first cell."""
    return [re.fullmatch(r"`([\w.-]+)`", cells[0])[1] for cells in rows]


def rows_of(title):
    return [row for rows in tables(section(title)) for row in rows]


def functions(owner):
    return {name: member for name, member in inspect.getmembers(owner, inspect.isfunction) if name[:2] != "__"}


METHODS = functions(flaskJSONRPCServer)
PUBLIC = {name for name in METHODS if not name.startswith("_")} - NEW_METHODS
UNDERSCORE = set(METHODS) - PUBLIC - NEW_METHODS


def parameters(method):
    return [
        parameter.name
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]


def other_members():
    """Return the public attributes of a server besides its methods."""
    of_class = {name for name in dir(flaskJSONRPCServer) if not name.startswith("_")} - PUBLIC
    of_instance = {name for name in vars(flaskJSONRPCServer(None)) if not name.startswith("_")}
    return of_class | of_instance | {"_parentModule"}


def fields_of_the_magic_variable():
    """Return the names of the fields that a dispatcher finds in its connection."""
    server = flaskJSONRPCServer(None, log=0)
    fields = []

    def list_fields(_connection):
        fields.extend([*_connection, *(f"call.{name}" for name in _connection.call)])

    server.registerFunction(list_fields)
    server.flaskApp.test_client().post("/", json={"jsonrpc": "2.0", "method": "list_fields", "id": 1})
    return fields


def members(protocol):
    """Return the members that a user's own backend may have."""
    return {*protocol.__annotations__, *(name for name in functions(protocol) if not name.startswith("_"))}


def flags_of_the_command_line():
    parser = make_parser()
    flags = [action.option_strings[0] for action in parser._actions if action.option_strings]
    commands = [command for action in parser._actions if not action.option_strings for command in action.choices]
    return [*flags, *commands]


def check(rows, expected):
    """Assert that each expected name has one row, and that there are no other rows."""
    assert Counter(names(rows)) == Counter(list(expected))


def test_every_parameter_of_the_constructor_has_one_row():
    check(rows_of("Parameters of the constructor"), parameters(flaskJSONRPCServer.__init__)[1:])


def test_parameters_are_in_their_order():
    assert names(rows_of("Parameters of the constructor")) == parameters(flaskJSONRPCServer.__init__)[1:]


def test_every_public_method_and_attribute_has_one_row():
    methods, rest = tables(section("Public methods"))

    check(methods, PUBLIC)
    check(rest, other_members())


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_row_of_a_public_method_names_each_of_its_parameters(name):
    row = next(row for row in rows_of("Public methods") if names([row]) == [name])

    text = " ".join(row[1:])
    assert [parameter for parameter in parameters(METHODS[name])[1:] if f"`{parameter}" not in text] == []


def test_every_underscore_method_has_one_row():
    check(rows_of("Underscore methods"), UNDERSCORE)


def test_page_has_as_many_names_as_the_old_reference():
    assert len(parameters(flaskJSONRPCServer.__init__)[1:]) == 21
    assert len(PUBLIC) == 12
    assert len(UNDERSCORE - NEW_UNDERSCORE_METHODS) == 64


def test_every_setting_that_the_old_server_had_has_one_row():
    check(rows_of("Settings"), OLD_SETTINGS)


def test_every_setting_of_the_old_server_exists():
    assert set(OLD_SETTINGS) <= set(OPTIONS)


def test_every_field_of_the_magic_variable_has_one_row():
    check(rows_of("The magic variable"), fields_of_the_magic_variable())


def test_every_built_in_backend_has_one_row():
    check(tables(section("Exec backends"))[BUILT_IN], execBackendCollection.execBackendMap)
    check(tables(section("Serving backends"))[BUILT_IN], ["auto", *servBackendCollection.servBackendMap])


@pytest.mark.parametrize(("title", "protocol"), [("Exec backends", ExecBackend), ("Serving backends", ServBackend)])
def test_every_member_of_a_custom_backend_has_one_row(title, protocol):
    check(tables(section(title))[MEMBERS], members(protocol))


def test_every_flag_and_command_has_one_row():
    check(rows_of("The command line"), flags_of_the_command_line())


def test_every_row_has_a_name_a_meaning_and_perhaps_a_difference():
    rows = [row for rows in tables(PAGE) for row in rows]

    assert [row for row in rows if len(row) != 3 or not all(row[:2])] == []


def test_reference_shows_every_underscore_method():
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    shown = re.search(r":private-members:((?: *[\w, ]*\n)+)", reference)

    assert not shown[1].strip(), "a list would miss the next one"
    assert {name for name in UNDERSCORE if not METHODS[name].__doc__} == set()
