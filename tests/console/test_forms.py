"""A form for each kind of type sends the right call."""

import datetime
import decimal
import json
import uuid

import pytest

from tests.console.api import Address, Color, Person

VALUE = "value"


def field(page, label=VALUE):
    return page.locator(".form").get_by_label(label, exact=True)


def fill(text):
    return lambda page: field(page).fill(text)


def choose(label):
    return lambda page: field(page).select_option(label=label)


def as_union(kind, text):
    def act(page):
        page.get_by_label("value: type").select_option(label=kind)
        if text is not None:
            page.locator(".variant").get_by_label(VALUE, exact=True).fill(text)

    return act


def choose_file(page):
    page.get_by_label("value: file").set_input_files(
        files=[{"name": "a.bin", "mimeType": "application/octet-stream", "buffer": bytes(range(256)) * 300}]
    )
    page.get_by_text("a.bin, 76,800 bytes").wait_for()


def add_items(page):
    for number in range(3):
        page.get_by_role("button", name="Add item").click()
        field(page, str(number)).fill(str(number * 7))
    page.get_by_role("button", name="Remove 1").click()


def fill_pair(page):
    field(page, "0").fill("5")
    field(page, "1").fill("five")


def add_members(page):
    for number, name in enumerate(("a", "__proto__")):
        page.get_by_role("button", name="Add member").click()
        page.get_by_label("value: name of a member").last.fill(name)
        field(page, "member").last.fill(str(number))


def fill_person(page):
    field(page, "name").fill("Ann")
    field(page, "street").fill("High Street")
    page.get_by_label("Send number").check()
    page.get_by_label("number: type").select_option(label="integer")
    page.locator(".variant").get_by_label("number", exact=True).fill("7")
    page.get_by_label("Send others").check()
    page.get_by_role("button", name="Add item").click()
    field(page, "street").last.fill("Back Lane")
    page.get_by_label("Send boss").check()
    page.get_by_label("boss: type").select_option(label="Person")
    field(page, "name").last.fill("Bob")
    page.get_by_role("group", name="boss").get_by_label("street", exact=True).fill("Hill")


PERSON = Person(
    "Ann", Address("High Street", 7), [Address("Back Lane")], Person("Bob", Address("Hill"), others=[], boss=None)
)

CASES = [
    ("integer", fill("42"), 42),
    ("integer", fill("123456789012345678901234567890"), 123456789012345678901234567890),
    ("number", fill("-2.5e3"), -2500.0),
    ("text", fill('say "hé" 日本'), 'say "hé" 日本'),
    ("flag", lambda page: field(page).check(), True),
    ("choice", choose("blue"), Color.BLUE),
    ("literal", choose("1"), 1),
    ("literal", choose("null"), None),
    ("nothing", lambda page: None, None),
    ("date", fill("2026-02-03"), datetime.date(2026, 2, 3)),
    ("moment", fill("2026-02-03T04:05:06+00:00"), datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)),
    ("time", fill("04:05:06"), datetime.time(4, 5, 6)),
    ("file", choose_file, bytes(range(256)) * 300),
    ("unique", fill("12345678-1234-5678-1234-567812345678"), uuid.UUID("12345678-1234-5678-1234-567812345678")),
    ("money", as_union("string", "0.10"), decimal.Decimal("0.10")),
    ("union", as_union("string", "seven"), "seven"),
    ("union", as_union("integer", "7"), 7),
    ("union", as_union("array of integer", None), []),
    ("optional", as_union("null", None), None),
    ("optional", as_union("string", "x"), "x"),
    ("array", add_items, [0, 14]),
    ("pair", fill_pair, (5, "five")),
    ("mapping", add_members, {"a": 0, "__proto__": 1}),
    ("nested", fill_person, PERSON),
    ("anything", fill('{"a": [1, null]}'), {"a": [1, None]}),
    ("anything", fill("plain words"), "plain words"),
]


@pytest.mark.parametrize(("method", "act", "value"), CASES, ids=lambda part: part if isinstance(part, str) else None)
def test_form_sends_the_value(console, recorder, method, act, value):
    recorder.calls.clear()
    page = console.method(method)
    act(page)

    assert console.call() == "result"
    assert recorder.calls == [(method, {"value": value})]
    assert type(recorder.calls[0][1]["value"]) is type(value)


def test_raw_json_and_form_follow_each_other(console):
    page = console.method("nested")
    field(page, "name").fill("Ann")
    assert json.loads(console.params())["value"]["name"] == "Ann"

    raw = {"value": {"name": "Bob", "home": {"street": "Hill", "number": 9}, "others": [{"street": "s"}]}}
    page.get_by_label("params as JSON").fill(json.dumps(raw))

    assert field(page, "name").input_value() == "Bob"
    assert page.get_by_label("Send others").is_checked()
    assert page.locator(".variant").get_by_label("number", exact=True).input_value() == "9"
    field(page, "name").fill("Cid")
    raw["value"]["name"] = "Cid"
    assert json.loads(console.params()) == raw


@pytest.mark.parametrize(
    ("raw", "kind"),
    [('{"value": "no number"}', "any"), ('{"value": [1]}', "any"), ('{"value": 3}', "integer")],
)
def test_raw_value_of_another_type_stays_as_it_is(console, raw, kind):
    page = console.method("integer")
    page.get_by_label("params as JSON").fill(raw)

    assert page.locator(".form .slot .slot").get_attribute("data-kind") == kind
    assert console.params() == raw


def test_large_number_keeps_its_digits_from_raw_json_through_the_form(console, recorder):
    recorder.calls.clear()
    page = console.method("integer")
    page.get_by_label("params as JSON").fill('{"value": 12345678901234567890}')

    assert field(page).input_value() == "12345678901234567890"
    assert console.call() == "result"
    assert recorder.calls == [("integer", {"value": 12345678901234567890})]


@pytest.mark.parametrize(
    ("method", "raw", "message"),
    [
        ("integer", '{"value": -1}', "must be 0 or more"),
        ("integer", '{"value": 1.5}', "must be an integer"),
        ("text", f'{{"value": "{"x" * 41}"}}', "may have at most 40 characters"),
        ("choice", '{"value": "green"}', 'must be one of "red", "blue"'),
        ("date", '{"value": "yesterday"}', "must be a date such as 2026-01-31"),
        ("file", '{"value": "a"}', "must be base64"),
        ("pair", '{"value": [1]}', "needs at least 2 items"),
        ("union", '{"value": {}}', "must be integer | string | array of integer"),
        ("nested", '{"value": {"name": "x", "home": {"street": 7}}}', "must be a string"),
    ],
)
def test_wrong_value_is_marked_and_not_sent(console, recorder, method, raw, message):
    recorder.calls.clear()
    page = console.method(method)
    page.get_by_label("params as JSON").fill(raw)
    page.get_by_role("button", name="Call", exact=True).click()

    page.get_by_text("One value does not fit the method.").wait_for()
    assert page.locator(".form .error:visible").all_inner_texts() == [message]
    assert page.locator(".answer").inner_text() == ""
    assert recorder.calls == []


def test_wrong_value_may_be_sent_anyway(console):
    page = console.method("integer")
    page.get_by_label("params as JSON").fill('{"value": -1}')
    page.get_by_role("button", name="Call", exact=True).click()
    page.get_by_role("button", name="Send anyway").click()

    assert console.outcome() == "error -32602"


@pytest.mark.parametrize(("raw", "error"), [('{"value": ', "This is not JSON"), ("{'value': 1}", "This is not JSON")])
def test_raw_text_that_is_no_json_is_not_sent(console, recorder, raw, error):
    recorder.calls.clear()
    page = console.method("integer")
    page.get_by_label("params as JSON").fill(raw)
    page.get_by_role("button", name="Call", exact=True).click()

    assert error in page.locator("#raw-error").inner_text()
    assert recorder.calls == []


def test_parameters_by_position_and_further_ones(console):
    page = console.method("positional")
    field(page, "a").fill("1")
    assert console.params() == "[1]"

    page.get_by_label("Send b").check()
    page.get_by_role("button", name="Add rest").click()
    page.locator(".form").get_by_label("rest 2", exact=True).fill("9")

    assert console.params() == "[1, 2, 9]"
    assert console.call() == "result"


def test_parameters_by_name_and_further_ones(console):
    page = console.method("named")
    page.get_by_role("button", name="Add rest").click()
    page.get_by_label("name of a member").fill("more")
    field(page, "member").fill("3")

    assert json.loads(console.params()) == {"a": 0, "more": 3}
    assert console.call() == "result"


def test_way_of_passing_changes_with_the_values(console):
    page = console.method("add")
    field(page, "a").fill("5")
    page.get_by_text("by position", exact=True).click()
    assert console.params() == "[5]"

    page.get_by_label("Send b").check()
    page.get_by_text("by name", exact=True).click()

    assert json.loads(console.params()) == {"a": 5, "b": 1}


def test_item_that_is_not_sent_takes_those_behind_it_along(console):
    page = console.method("positional")
    page.get_by_label("params as JSON").fill("[1, 2, 3, 4]")
    page.get_by_label("Send b").uncheck()
    assert console.params() == "[1]"

    page.get_by_role("button", name="Add rest").click()
    assert console.params() == "[1, 2, 0]"
    page.get_by_role("button", name="Remove rest 2").click()

    assert console.params() == "[1, 2]"
