"""Questions of functions, in requests without a session."""

import base64
import decimal
import hashlib
import re

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Form, Sample, Visit, ask, ask_all
from tests.helpers import call_wsgi
from tests.mcp.judged import error_of, request_of, result_of

FORMS = {"elicitation": {}}
SEAT = {"type": "object", "properties": {"seat": {"type": "string"}}, "required": ["seat"]}
WRONG = {"seat": {"action": "accept", "content": {}}}
RIGHT = {"seat": {"action": "accept", "content": {"seat": "7A"}}}
CALL = {"name": "book", "arguments": {}}
THREE_TIMES = (
    "the client has answered the question 'seat' 3 times, and no answer could be used. The last one: seat is missing"
)


def book() -> str:
    """Book a seat."""
    return f"booked {ask('seat', Form('Which seat?', SEAT)).content['seat']}"


def make_server(function=book, **options):
    server = flaskJSONRPCServer(None, **{"log": 0, **options})
    server.registerFunction(function, path="/api", name="book", mcp=True)
    return server


def asked(server, **params):
    return result_of(server, "tools/call", {**CALL, **params}, capabilities=FORMS)


def asked_again(server, question, answers=WRONG):
    return asked(server, requestState=question["requestState"], inputResponses=answers)


def message_in(question):
    return question["inputRequests"]["seat"]["params"]["message"]


def test_question_is_asked_again_with_the_reason():
    server = make_server()
    first = asked(server)
    second = asked_again(server, first)
    last = asked_again(server, second, RIGHT)

    assert message_in(first) == "Which seat?"
    assert message_in(second) == "Which seat? (The last answer could not be used: seat is missing)"
    assert last["content"][0]["text"] == "booked 7A"


def test_third_answer_that_cannot_be_used_fails_the_call():
    server = make_server()
    question = asked(server)
    for _ in range(2):
        question = asked_again(server, question)
    last = {**CALL, "requestState": question["requestState"], "inputResponses": WRONG}
    error = error_of(server, "tools/call", last, capabilities=FORMS)

    assert error == {"code": -32603, "message": THREE_TIMES}


def test_question_without_an_answer_is_asked_any_number_of_times():
    server = make_server()
    question = asked(server)
    for _ in range(5):
        question = asked_again(server, question, {})

    assert message_in(question) == "Which seat?"


def test_answers_without_a_state_are_ignored():
    server = make_server()

    for _ in range(2):
        assert message_in(asked(server, inputResponses=RIGHT)) == "Which seat?"


def test_client_that_cannot_answer_is_refused_with_answers_too():
    error = error_of(make_server(), "tools/call", {**CALL, "inputResponses": RIGHT}, status=400)

    assert error["code"] == -32021


def book_with_meal() -> str:
    """Book a seat, and then a meal."""
    seat = ask("seat", Form("Which seat?", SEAT)).content["seat"]
    return f"{seat} {ask('meal', Form('Which meal?', SEAT)).content['seat']}"


def test_answers_to_questions_that_were_not_asked_are_ignored():
    server = make_server(book_with_meal)
    unwanted = {"action": "accept", "content": {"seat": "none"}}
    second = asked_again(server, asked(server), {**RIGHT, "meal": unwanted})
    last = asked_again(server, second, {"meal": RIGHT["seat"], "seat": unwanted})

    assert list(second["inputRequests"]) == ["meal"]
    assert last["content"][0]["text"] == "7A 7A"


def test_questions_of_one_round_may_be_answered_one_by_one():
    server = make_server(lambda: " ".join(map(str, ask_all(seat=Sample("a"), meal=Sample("b")))))
    first = result_of(server, "tools/call", CALL, capabilities={"sampling": {}})
    answer = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "x"}}
    results = [first]
    for key in ("seat", "meal"):
        params = {**CALL, "requestState": results[-1]["requestState"], "inputResponses": {key: answer}}
        results.append(result_of(server, "tools/call", params, capabilities={"sampling": {}}))

    assert [set(one.get("inputRequests", ())) for one in results] == [{"seat", "meal"}, {"meal"}, set()]
    assert results[-1]["content"][0]["text"] == "seat meal"


@pytest.mark.parametrize("answers", [[1], None, {"seat": "7A"}], ids=repr)
def test_malformed_answers_do_not_use_up_the_state(answers):
    server = make_server()
    question = asked(server)
    malformed = {**CALL, "requestState": question["requestState"], "inputResponses": answers}
    error = error_of(server, "tools/call", malformed, capabilities=FORMS)
    last = asked_again(server, question, RIGHT)

    assert error["code"] == -32602
    assert last["content"][0]["text"] == "booked 7A"


def test_several_missing_fields_are_named():
    with pytest.raises(ValueError, match=r"^a, b are missing$"):
        Form("Which?", {"type": "object", "required": ["a", "b"]}).answer({"action": "accept"})


@pytest.mark.parametrize(
    ("questions", "declared", "names"),
    [
        ({"a": Visit("Log in", "https://a.test")}, FORMS, "elicitation.url"),
        ({"a": Form("Which?", SEAT)}, {}, "elicitation.form"),
        ({"a": Form("Which?", SEAT)}, {"elicitation": {"url": {}}}, "elicitation.form"),
        (
            {"a": Visit("Log in", "https://a.test"), "b": Form("Which?", SEAT)},
            {},
            "elicitation.url, elicitation.form",
        ),
        ({"a": Sample("Hello", options={"tools": []})}, {"sampling": {}}, "sampling.tools"),
        ({"a": Visit("Log in", "https://a.test"), "b": Sample("Hello")}, FORMS, "elicitation.url, sampling"),
    ],
    ids=["page", "form", "form to pages", "page and form", "tools", "page and sample"],
)
def test_error_names_the_capability_that_the_client_lacks(questions, declared, names):
    server = make_server(lambda: str(ask_all(**questions)))
    error = error_of(server, "tools/call", CALL, status=400, capabilities=declared)

    assert error["message"] == f"the client has not declared a capability that this needs: {names}"


def altered(state):
    sealed = bytearray(base64.urlsafe_b64decode(state + "=" * (-len(state) % 4)))
    sealed[-1] ^= 1
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


@pytest.mark.parametrize("secret", [None, "s" * 32], ids=["random secret", "given secret"])
def test_log_names_the_secret_once_when_a_state_of_another_process_comes(secret, caplog):
    server = make_server(log=2, secret=secret)
    state = altered(asked(server)["requestState"])
    for _ in range(2):
        error = error_of(server, "tools/call", {**CALL, "requestState": state}, capabilities=FORMS)
        assert "the state was not made by this server" in error["message"]

    assert len([text for text in caplog.messages if "the same secret=" in text]) == 1


def test_state_of_a_used_round_gives_no_hint_at_the_secret(caplog):
    server = make_server(log=2)
    state = asked(server)["requestState"]
    params = {**CALL, "requestState": state}
    asked(server, requestState=state)
    error = error_of(server, "tools/call", params, capabilities=FORMS)

    assert "it was used before" in error["message"]
    assert caplog.messages == []


@pytest.mark.parametrize(
    "schema",
    [
        ["a"],
        None,
        {"a": "string"},
        {"type": "string"},
        {"type": "object", "properties": ["a"]},
        {"type": "object", "properties": {"a": "string"}},
    ],
    ids=str,
)
def test_form_without_a_schema_is_refused(schema):
    with pytest.raises(TypeError, match=r"is refused: it takes the JSON Schema of an object, with 'type': 'object'"):
        Form("Which?", schema)


def test_form_without_fields_has_all_members_that_clients_require():
    assert Form("Sure?", {"type": "object"}).params()["requestedSchema"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize("question", ["Which?", None, {"type": "object"}], ids=str)
def test_what_is_no_question_is_a_clear_error(question, caplog):
    def book():
        return ask("seat", question)

    server = flaskJSONRPCServer(None, log=1)
    server.registerFunction(book, path="/api", mcp=True)
    result = result_of(server, "tools/call", {"name": "book", "arguments": {}}, capabilities=FORMS)

    assert result["isError"]
    assert "it takes a Form, Visit, Sample or ListRoots" in caplog.text


NESTED = {"type": "object", "properties": {}}


@pytest.mark.parametrize("field", [NESTED, {"type": "array", "items": NESTED}, {"$ref": "#/$defs/A"}], ids=str)
def test_form_with_objects_in_its_fields_is_refused(field):
    with pytest.raises(
        ValueError, match=r"^Form\(schema=.*\) is refused: the field 'a' has objects, and a form has none$"
    ):
        Form("Which?", {"type": "object", "properties": {"a": field}})


def test_form_with_a_list_of_choices_is_accepted():
    field = {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}
    assert Form("Which?", {"type": "object", "properties": {"a": field}}).params()["mode"] == "form"


def test_state_is_valid_at_its_endpoint_alone():
    server = flaskJSONRPCServer(None, log=0, secret=hashlib.sha256(b"a").hexdigest())
    for path in ("/a", "/b"):
        server.mcp(path, ["/api"])
    server.registerFunction(book, path="/api", name="book")
    question = asked_at(server, "/a", CALL)
    answer = {
        **CALL,
        "requestState": question["result"]["requestState"],
        "inputResponses": RIGHT,
    }

    assert asked_at(server, "/b", answer)["error"]["code"] == -32602
    assert "booked 7A" in str(asked_at(server, "/a", answer)["result"])


def asked_at(server, path, params):
    return call_wsgi(server.getWSGI(), request_of("tools/call", params, capabilities=FORMS, target=path)).json()


@pytest.mark.parametrize(
    ("make", "value", "name"),
    [
        (lambda: Form(5, SEAT), "5", "Form(message="),
        (lambda: Visit(None, "https://a.test"), "None", "Visit(message="),
        (lambda: Visit("Log in", 5), "5", "Visit(url="),
        (lambda: Sample(5), "5", "Sample(messages="),
        (lambda: Sample(["Hello"]), "['Hello']", "Sample(messages="),
        (lambda: Sample([{"role": "user"}]), "[{'role': 'user'}]", "Sample(messages="),
        (
            lambda: Sample([{"role": "user", "content": "Hello"}]),
            "[{'role': 'user', 'content': 'Hello'}]",
            "Sample(messages=",
        ),
        (lambda: Sample("Hello", "10"), "'10'", "Sample(max_tokens="),
        (lambda: Sample("Hello", True), "True", "Sample(max_tokens="),
        (lambda: Sample("Hello", options=None), "None", "Sample(options="),
    ],
    ids=[
        "form",
        "reason",
        "url",
        "message",
        "texts",
        "message_without_content",
        "content",
        "max_tokens",
        "bool",
        "options",
    ],
)
def test_question_that_no_client_could_read_is_refused(make, value, name):
    with pytest.raises(TypeError) as refused:
        make()
    assert str(refused.value).startswith(f"{name}{value}) is refused: it takes ")


URL_WORDS = "it takes an http or https URL, such as 'https://example.com/login'"
WRONG_VALUES = {
    "no_url": (lambda: Visit("Log in", "not a url"), "Visit(url='not a url')", URL_WORDS),
    "script": (lambda: Visit("Log in", "javascript:alert(1)"), "Visit(url='javascript:alert(1)')", URL_WORDS),
    "no_tokens": (lambda: Sample("a", 0), "Sample(max_tokens=0)", "it takes an integer from 1 on"),
    "negative_tokens": (lambda: Sample("a", max_tokens=-5), "Sample(max_tokens=-5)", "it takes an integer from 1 on"),
}
WRONG_OPTIONS = {
    "maxTokens": (0, "an integer from 1 on"),
    "messages": ([5], "a list of dicts with 'role' and 'content'"),
    "temperature": ("hot", "a number"),
    "systemPrompt": (5, "a string"),
    "includeContext": ("all", "one of 'none', 'thisServer', 'allServers'"),
    "stopSequences": ("END", "a list of strings"),
    "metadata": ([], "a dict"),
    "modelPreferences": ({"costPriority": 2}, "a dict whose priorities are numbers from 0 to 1"),
    "tools": ({}, "a list of dicts"),
    "toolChoice": ("auto", "a dict"),
}


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_value_of_the_right_type_is_refused_too(case):
    make, shown, remedy = WRONG_VALUES[case]
    with pytest.raises(ValueError, match=f"^{re.escape(f'{shown} is refused: {remedy}')}$"):
        make()


@pytest.mark.parametrize("name", WRONG_OPTIONS)
@pytest.mark.parametrize("has_null", [False, True], ids=["wrong", "null"])
def test_option_of_a_sample_that_the_protocol_does_not_allow_is_refused(name, has_null):
    value, words = WRONG_OPTIONS[name]
    options = {name: None if has_null else value}
    message = f"Sample(options={options!r}) is refused: {name!r} is {words}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Sample("a", options=options)


def test_options_of_a_sample_that_the_protocol_has_are_sent():
    message = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    options = {
        "maxTokens": 5,
        "messages": [message],
        "temperature": decimal.Decimal("0.5"),
        "systemPrompt": "",
        "includeContext": "none",
        "stopSequences": ("END",),
        "metadata": {},
        "modelPreferences": {"hints": [{"name": "small"}], "costPriority": 1, "speedPriority": 0.5},
        "tools": [],
        "toolChoice": {"mode": "auto"},
        "further": None,
    }
    assert Sample([message], 1, options).params() == options
