"""Header fields that repeat parts of the body."""

import base64

import pytest

from flaskJSONRPCServer.mcp.protocol.errors import HeaderMismatch
from flaskJSONRPCServer.mcp.protocol.headers import HeaderParameter, check_headers, check_parameters, header_parameters
from flaskJSONRPCServer.mcp.protocol.requests import ClientRequest
from flaskJSONRPCServer.mcp.protocol.revisions import CURRENT


def request_of(method="tools/call", **params):
    return ClientRequest(1, method, params, CURRENT)


def head_of(method="tools/call", name="add", version=CURRENT):
    fields = {"HTTP_MCP_PROTOCOL_VERSION": version, "HTTP_MCP_METHOD": method, "HTTP_MCP_NAME": name}
    return {key: value for key, value in fields.items() if value is not None}


def encoded(text):
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


@pytest.mark.parametrize(
    ("head", "request_"),
    [
        (head_of(), request_of(name="add")),
        (head_of(name="\t add  "), request_of(name="add")),
        (head_of(name=encoded("Grüße")), request_of(name="Grüße")),
        (head_of(name=encoded("=?base64?x?=")), request_of(name="=?base64?x?=")),
        (head_of("tools/list", None), request_of("tools/list")),
        (head_of("resources/read", "file:///a"), request_of("resources/read", uri="file:///a")),
        (head_of("tasks/get", "id-1"), request_of("tasks/get", taskId="id-1")),
        (head_of(name=None), request_of()),  # the name itself is missing, which the method refuses
    ],
)
def test_fields_that_repeat_the_body_pass(head, request_):
    check_headers(head, request_)


@pytest.mark.parametrize(
    ("head", "request_", "words"),
    [
        (head_of(version=None), request_of(name="add"), "has no MCP-Protocol-Version"),
        (head_of(version="2025-11-25"), request_of(name="add"), "MCP-Protocol-Version differs"),
        (head_of(method=None), request_of(name="add"), "has no Mcp-Method"),
        (head_of(method="Tools/Call"), request_of(name="add"), "Mcp-Method differs"),
        (head_of(method=encoded("tools/call")), request_of(name="add"), "Mcp-Method differs"),
        (head_of(name=None), request_of(name="add"), "has no Mcp-Name"),
        (head_of(name="sub"), request_of(name="add"), "Mcp-Name differs"),
        (head_of(name="add, sub"), request_of(name="add"), "Mcp-Name differs"),
        (head_of(name="Gr\xfc\xdfe"), request_of(name="Grüße"), "send base64"),
        (head_of(name="=?base64?###?="), request_of(name="add"), "no valid base64"),
        (head_of(name="=?base64?/w==?="), request_of(name="add"), "no valid base64"),
        (head_of(name="=?BASE64?YWRk?="), request_of(name="add"), "Mcp-Name differs"),
    ],
)
def test_other_fields_are_refused(head, request_, words):
    with pytest.raises(HeaderMismatch, match=words) as refused:
        check_headers(head, request_)
    assert (refused.value.code, refused.value.status) == (-32020, "400 Bad Request")


REGION = HeaderParameter("Region", ("region",), "string")
COUNT = HeaderParameter("Max-Count", ("options", "count"), "integer")
IS_DRY = HeaderParameter("Dry", ("dry",), "boolean")


@pytest.mark.parametrize(
    ("parameter", "field", "arguments"),
    [
        (REGION, "us-west1", {"region": "us-west1"}),
        (REGION, encoded(" padded "), {"region": " padded "}),
        (REGION, "", {"region": ""}),
        (REGION, None, {"region": None}),
        (REGION, None, {}),
        (COUNT, "42", {"options": {"count": 42}}),
        (COUNT, "42.0", {"options": {"count": 42}}),
        (COUNT, "-7", {"options": {"count": -7}}),
        (COUNT, None, {"options": "text"}),
        (IS_DRY, "true", {"dry": True}),
        (IS_DRY, "false", {"dry": False}),
    ],
)
def test_parameters_that_repeat_the_arguments_pass(parameter, field, arguments):
    check_parameters({} if field is None else {parameter.key: field}, [parameter], arguments)


@pytest.mark.parametrize(
    ("parameter", "field", "arguments"),
    [
        (REGION, "us-east1", {"region": "us-west1"}),
        (REGION, None, {"region": "us-west1"}),
        (REGION, "us-west1", {}),
        (REGION, "us-west1", {"region": None}),
        (REGION, "['a']", {"region": ["a"]}),
        (COUNT, "43", {"options": {"count": 42}}),
        (COUNT, "1e1", {"options": {"count": 10}}),
        (COUNT, "9" * 5000, {"options": {"count": 42}}),
        (COUNT, "9007199254740993", {"options": {"count": 9007199254740993}}),
        (IS_DRY, "True", {"dry": True}),
        (IS_DRY, "1", {"dry": True}),
    ],
)
def test_other_parameters_are_refused(parameter, field, arguments):
    with pytest.raises(HeaderMismatch):
        check_parameters({} if field is None else {parameter.key: field}, [parameter], arguments)


def schema_of(**properties):
    return {"type": "object", "properties": properties}


def test_annotated_parameters_are_found_at_any_depth_of_properties():
    inner = schema_of(count={"type": "integer", "x-mcp-header": "Max-Count"})
    schema = schema_of(region={"type": "string", "x-mcp-header": "Region"}, options=inner, plain={"type": "string"})

    assert header_parameters(schema) == (REGION, COUNT)
    assert COUNT.key == "HTTP_MCP_PARAM_MAX_COUNT"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (schema_of(a={"type": "number", "x-mcp-header": "A"}), "needs an integer"),
        (schema_of(a={"x-mcp-header": "A"}), r"of a needs one type: .* without `\| None`"),
        (schema_of(a={"type": ["string", "null"], "x-mcp-header": "A"}), "of a needs one type"),
        (schema_of(a={"type": {}, "x-mcp-header": "A"}), "not {}"),
        (schema_of(a={"type": "string", "x-mcp-header": ""}), "no name of a header field"),
        (schema_of(a={"type": "string", "x-mcp-header": "A:"}), "no name of a header field"),
        (schema_of(a={"type": "string", "x-mcp-header": "A_b"}), "underscore"),
        (schema_of(a={"type": "string", "x-mcp-header": "A\r\nB"}), "no name of a header field"),
        (schema_of(a={"type": "string", "x-mcp-header": 1}), "no name of a header field"),
        (
            schema_of(a={"type": "string", "x-mcp-header": "A"}, b={"type": "string", "x-mcp-header": "a"}),
            "two parameters",
        ),
        (schema_of(a={"anyOf": [{"type": "string", "x-mcp-header": "A"}, {"type": "null"}]}), "only allowed at"),
        (schema_of(a={"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}), "only allowed at"),
        ({**schema_of(), "$defs": {"x": {"type": "string", "x-mcp-header": "A"}}}, "only allowed at"),
    ],
)
def test_annotations_that_clients_would_reject_are_refused(schema, words):
    with pytest.raises(ValueError, match=words):
        header_parameters(schema)
