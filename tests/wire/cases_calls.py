"""Calls by POST: parameters, ids, batches, errors, results."""

from tests.wire.api import JSON_CONFIGURATIONS
from tests.wire.case import body_case, call_case, error, internal_error, result, text_of

INVALID = -32600
NO_METHOD = -32601
PARAMS = -32602


def misfit(name, method, params, reason):
    return call_case(name, method, params, error(PARAMS, f"Invalid params: {reason}"))


PARAMETER_CASES = [
    call_case("positional", "add", "[1,2]", result("3")),
    call_case("named", "add", '{"b":"b","a":"a"}', result('"ab"')),
    call_case("no_params_absent", "no_params", None, result('"none"')),
    call_case("no_params_empty_array", "no_params", "[]", result('"none"')),
    call_case("no_params_empty_object", "no_params", "{}", result('"none"')),
    misfit("no_params_one_given", "no_params", "[1]", "1 given, at most 0 taken"),
    misfit("no_params_one_named", "no_params", '{"x":1}', "unexpected 'x'"),
    misfit("positional_one_missing", "add", "[1]", "missing 'b'"),
    misfit("positional_all_missing", "add", None, "missing 'a', 'b'"),
    misfit("positional_too_many", "add", "[1,2,3]", "3 given, at most 2 taken"),
    misfit("named_one_missing", "add", '{"a":1}', "missing 'b'"),
    misfit("named_all_missing", "add", "{}", "missing 'a', 'b'"),
    misfit("named_unexpected", "add", '{"a":1,"b":2,"c":3}', "unexpected 'c'"),
    call_case("defaults_all_used", "defaults", "[1]", result("[1,2,3]")),
    call_case("defaults_by_position", "defaults", "[1,5]", result("[1,5,3]")),
    call_case("defaults_by_name", "defaults", '{"a":1,"c":9}', result("[1,2,9]")),
    call_case("star_none", "star", "[]", result("[]")),
    call_case("star_many", "star", '[1,"two",null]', result('[1,"two",null]')),
    misfit("star_named", "star", '{"a":1}', "unexpected 'a'"),
    call_case("kwargs_named", "named", '{"a":1,"self":2}', result('{"a":1,"self":2}')),
    misfit("kwargs_positional", "named", "[1]", "1 given, at most 0 taken"),
    misfit("kwargs_magic_name_slipped_in", "named", '{"_connection":1}', "unexpected '_connection'"),
    call_case("everything_by_position", "everything", "[1,2,3]", result("[1,[2,3],1,{}]")),
    call_case("everything_by_name", "everything", '{"a":1,"k":2,"z":3}', result('[1,[],2,{"z":3}]')),
    call_case("keyword_only", "keyword_only", '{"a":1}', result("[1,5]")),
    misfit("keyword_only_by_position", "keyword_only", "[1]", "'a' only by name"),
    misfit("keyword_only_missing", "keyword_only", "{}", "missing 'a'"),
    call_case("positional_only", "positional_only", "[1]", result("[1,2]")),
    misfit("positional_only_by_name", "positional_only", '{"a":1}', "'a' only by position"),
    call_case("magic_last", "magic_last", "[1]", result('[1,"magic_last"]')),
    call_case("magic_last_by_name", "magic_last", '{"a":1}', result('[1,"magic_last"]')),
    call_case("magic_first", "magic_first", "[1]", result('[1,"/api/"]')),
    call_case("magic_middle_short", "magic_middle", "[1]", result("[1,false,2]")),
    call_case("magic_middle_long", "magic_middle", "[1,3]", result("[1,false,3]")),
    call_case("magic_keyword_only", "magic_keyword", "[1,2,3]", result('[1,[2,3],"table"]')),
    call_case("magic_beside_kwargs", "magic_named", '{"a":1}', result('["magic_named",{"a":1}]')),
    misfit("magic_by_name", "magic_last", '{"a":1,"_connection":2}', "unexpected '_connection'"),
    misfit("magic_by_name_beside_kwargs", "magic_named", '{"_connection":2}', "unexpected '_connection'"),
    misfit("magic_by_position", "magic_last", "[1,2]", "2 given, at most 1 taken"),
    call_case("magic_renamed", "renamed_magic", "[1]", result('[1,"renamed_magic"]'), "magic"),
    call_case("magic_renamed_old_name_is_free", "plain_connection", '{"_connection":7}', result("7"), "magic"),
    call_case("lambda", "lambda", '{"value":1}', result('[1,"lambda"]')),
    call_case("partial", "partial", "[2]", result("42")),
    misfit("partial_too_many", "partial", "[1,2]", "2 given, at most 1 taken"),
    call_case("bound_method", "bound", "[1]", result("11")),
    call_case("callable_object", "object", '{"value":1}', result("[1]")),
    call_case("builtin_without_signature", "builtin", "[3,1,2]", result("3")),
    call_case("decorated", "decorated", '{"first":1}', result("[1,2]")),
    misfit("decorated_unexpected", "decorated", '{"third":1}', "unexpected 'third'"),
    call_case("alias_main_name", "aliased", None, result('"aliased"')),
    call_case("alias_first", "first_alias", None, result('"aliased"')),
    call_case("alias_second", "second_alias", None, result('"aliased"')),
    call_case("instance_method", "plus", "[1]", result("11"), target="/counter"),
    call_case("instance_class_method", "kind", None, result('"Counter"'), target="/counter"),
    call_case("instance_static_method", "twice", "[4]", result("8"), target="/counter"),
    call_case("instance_alias", "also", None, result('"renamed"'), target="/counter"),
    call_case("non_ascii_method", "привет", '["мир"]', result('"мир"')),
]

HIDDEN_NAMES = ("_hidden", "__class__", "__init__", "plus.__self__", "secret", "attribute", "Inner", "start")
NOT_FOUND_CASES = [
    call_case(f"hidden_{name}", name, None, error(NO_METHOD, "Method not found"), target="/counter")
    for name in (*HIDDEN_NAMES, "callable_attribute", "", "plus ", "PLUS", "rpc.other", "add")
]


def invalid(reason, request_id="null"):
    return error(INVALID, f"Invalid Request: {reason}", request_id)


ECHOED_IDS = ('"a"', '""', '"1"', "0", "-1", "1.5", "1152921504606846977", "null", '"\\u0000"', '"ж"')
ID_CASES = [
    *[body_case(f"id_{text}", text_of("echo", "[1]", text), result("1", text)) for text in ECHOED_IDS],
    *[
        body_case(
            f"id_{kind.replace(' ', '_')}",
            text_of("echo", "[1]", text),
            invalid(f"id must be a string, a number or null, not {kind}"),
        )
        for kind, text in (("a boolean", "true"), ("an array", "[1]"), ("an object", "{}"))
    ],
]

ENVELOPE_CASES = [
    body_case("not_json", b"{", error(-32700, "Parse error", "null")),
    body_case("empty_body", b"", error(-32700, "Parse error", "null")),
    body_case("not_utf8", b'"\xff"', error(-32700, "Parse error: not UTF-8", "null")),
    body_case("byte_order_mark", b'\xef\xbb\xbf{"a":1}', error(-32700, "Parse error: byte order mark", "null")),
    body_case("utf16", "{}".encode("utf-16"), error(-32700, "Parse error: UTF-16 or UTF-32; send UTF-8", "null")),
    body_case("nan", text_of("echo", "[NaN]"), error(-32700, "Parse error: a number is not finite", "null")),
    body_case(
        "too_large_float", text_of("echo", "[1e400]"), error(-32700, "Parse error: a number is not finite", "null")
    ),
    body_case("lone_surrogate", text_of("echo", r'["\ud800"]'), error(-32700, "Parse error: lone surrogate", "null")),
    body_case("brackets", b"[" * 1_000_000, error(-32700, "Parse error: nested deeper than 100", "null")),
    body_case("white_space_around", b' \r\n\t{"jsonrpc":"2.0","method":"nothing","id":1}\n', result("null")),
    body_case("a_number", b"1", invalid("a message must be an object, not a number")),
    body_case("a_string", b'"echo"', invalid("a message must be an object, not a string")),
    body_case("null", b"null", invalid("a message must be an object, not null")),
    body_case("empty_object", b"{}", invalid("a message must have one of method, result and error")),
    body_case(
        "version_missing",
        b'{"method":"echo","id":5}',
        invalid('jsonrpc must be "2.0"; without it this is JSON-RPC 1.0, which is not served', "5"),
    ),
    body_case("version_1", b'{"jsonrpc":"1.0","method":"echo","id":5}', invalid('jsonrpc must be "2.0"', "5")),
    body_case("version_number", b'{"jsonrpc":2.0,"method":"echo","id":5}', invalid('jsonrpc must be "2.0"', "5")),
    body_case(
        "method_number", b'{"jsonrpc":"2.0","method":1,"id":5}', invalid("method must be a string, not a number", "5")
    ),
    body_case(
        "method_null", b'{"jsonrpc":"2.0","method":null,"id":5}', invalid("method must be a string, not null", "5")
    ),
    body_case(
        "params_string", text_of("echo", '"a"'), invalid("params must be an array or an object, not a string", "1")
    ),
    body_case("params_null", text_of("echo", "null"), invalid("params must be an array or an object, not null", "1")),
    body_case(
        "a_response", b'{"jsonrpc":"2.0","result":1,"id":1}', invalid("this is a response, and nothing was asked")
    ),
    body_case("more_members_are_ignored", b'{"jsonrpc":"2.0","method":"nothing","id":1,"x":[]}', result("null")),
    body_case("duplicate_member_last_counts", text_of("echo", '{"value":1,"value":2}'), result("2")),
    body_case(
        "integer_exact", text_of("echo", "[123456789012345678901234567890]"), result("123456789012345678901234567890")
    ),
    body_case(
        "integer_too_long",
        text_of("echo", f"[{'9' * 4301}]"),
        error(PARAMS, "Invalid params: an integer of more than 4300 digits"),
    ),
]

ONE = text_of("echo", "[1]", "1")
TWO = text_of("echo", "[2]", '"two"')
TOLD = text_of("echo", "[3]", None)
TOLD_WRONG = text_of("no_such", None, None)
BATCH_CASES = [
    body_case("batch_of_one_is_an_array", f"[{ONE}]", f"[{result('1')}]"),
    body_case("batch_of_two", f"[{ONE},{TWO}]", f"[{result('1')},{result('2', chr(34) + 'two' + chr(34))}]"),
    body_case("batch_mixed", f"[{ONE},{TOLD},{TWO}]", f"[{result('1')},{result('2', chr(34) + 'two' + chr(34))}]"),
    body_case("batch_of_only_notifications", f"[{TOLD},{TOLD_WRONG}]", ""),
    body_case("batch_empty", "[]", invalid("the batch is empty")),
    body_case(
        "batch_with_invalid_members",
        f'[1,{ONE},{{}},{{"jsonrpc":"2.0","method":1,"id":7}}]',
        "["
        + ",".join(
            [
                invalid("a message must be an object, not a number"),
                result("1"),
                invalid("a message must have one of method, result and error"),
                invalid("method must be a string, not a number", "7"),
            ]
        )
        + "]",
    ),
    body_case("batch_of_batches", "[[]]", f"[{invalid('a message must be an object, not an array')}]"),
    body_case("batch_malformed", f"[{ONE},", error(-32700, "Parse error", "null")),
    body_case(
        "batch_member_fails",
        f"[{text_of('fail', None, '8')},{ONE}]",
        f"[{internal_error('8')},{result('1')}]",
    ),
    body_case("batch_at_its_limit", f"[{TOLD},{TOLD},{ONE}]", f"[{result('1')}]", "limits"),
    body_case(
        "batch_over_its_limit",
        f"[{','.join([b'1'.decode()] * 4)}]",
        invalid("a batch of 4; at most 3 are read"),
        "limits",
    ),
    body_case("batch_at_the_default_limit", f"[{','.join([TOLD] * 1000)}]", ""),
    body_case(
        "batch_over_the_default_limit",
        f"[{','.join([TOLD] * 1001)}]",
        invalid("a batch of 1001; at most 1000 are read"),
    ),
]

NOTIFICATION_CASES = [
    body_case(f"notification_{name}", text_of(method, params, None), "")
    for name, method, params in (
        ("succeeds", "echo", "[1]"),
        ("of_unknown_method", "no_such", None),
        ("with_wrong_params", "echo", "[]"),
        ("that_raises", "fail", None),
        ("that_raises_an_application_error", "application_error", "[5]"),
        ("that_exits", "leave", None),
        ("with_an_unserialisable_result", "unserialisable", None),
    )
]

ERROR_CASES = [
    call_case("application_error_default_code", "application_error", None, error(-1, "chosen")),
    call_case("application_error_with_code", "application_error", "[42]", error(42, "chosen")),
    call_case(
        "application_error_with_data", "application_error", '[42,{"a":[1]}]', error(42, "chosen", data='{"a":[1]}')
    ),
    call_case("application_error_of_a_class", "out_of_stock", None, error(4242, "Out of stock", data='{"left":0}')),
    call_case("reserved_code_is_a_fault_of_the_dispatcher", "application_error", "[-32000]", internal_error()),
    call_case("dispatcher_refuses_params", "refuse_params", None, error(PARAMS, "Invalid params: not that one")),
    call_case("unknown_method", "no_such", None, error(NO_METHOD, "Method not found")),
    call_case("plain_exception", "fail", None, internal_error()),
    call_case("type_error_inside", "type_error_inside", None, internal_error()),
    call_case("system_exit", "leave", None, internal_error()),
    call_case("unserialisable_result", "unserialisable", None, internal_error()),
    call_case("unserialisable_error_data", "bad_error_data", None, internal_error()),
    call_case(
        "exception_under_debug",
        "fail",
        None,
        error(-32603, "Internal error", data='{"correlationId":"<id>","traceback":"<traceback>"}'),
        "debug",
    ),
    call_case("blocking_server", "echo", "[1]", result("1"), "blocking"),
]

UNSENDABLE = (
    "not_a_number",
    "infinite",
    "surrogate",
    "circular",
    "deep",
    "long_integer",
    "tuple_key",
    "unserialisable",
)
SPECIAL_RESULTS = {
    "decimals": '"1.10"',
    "moments": '["2024-02-29T12:30:00+00:00","2024-02-29T01:02:03.000004","2024-02-29","01:02:00"]',
    "durations": "60.5",
    "identifiers": '["00000000-0000-0000-0000-000000000001","/a/b"]',
    "enums": '["red",3]',
    "records": '[{"x":1,"y":"2.5"},[1,2]]',
    "sets": '[[1,2,3],["a","b"]]',
    "binary": '["/wA=","YQ==","Yg=="]',
    "nothing": "null",
    "keys": '{"1":"a","false":"b","null":"c","1.5":"d"}',
}
BACKEND_CASES = [
    *[
        call_case(f"{backend}_sends_{method}", method, None, result(text), backend)
        for backend in JSON_CONFIGURATIONS
        for method, text in SPECIAL_RESULTS.items()
    ],
    *[
        call_case(f"{backend}_refuses_to_send_{method}", method, None, internal_error(), backend)
        for backend in JSON_CONFIGURATIONS
        for method in UNSENDABLE
    ],
    *[
        call_case(f"{backend}_{name}", "echo", f"[{value}]", result(value), backend)
        for backend in JSON_CONFIGURATIONS
        for name, value in (
            ("text", '"a\\"b\\\\ж\\n"'),
            ("long_integer", "1152921504606846977"),
            ("longer_integer", "-123456789012345678901234567890"),
            ("float", "0.1"),
            ("nested", '{"a":[{"b":[]},null,true]}'),
        )
    ],
    *[
        body_case(
            f"{backend}_refuses_nan",
            text_of("echo", "[NaN]"),
            error(-32700, "Parse error: a number is not finite", "null"),
            backend,
        )
        for backend in JSON_CONFIGURATIONS
    ],
    *[
        body_case(
            f"{backend}_refuses_brackets",
            b"[" * 100_000,
            error(-32700, "Parse error: nested deeper than 100", "null"),
            backend,
        )
        for backend in JSON_CONFIGURATIONS
    ],
]

CASES = [
    *PARAMETER_CASES,
    *NOT_FOUND_CASES,
    *ID_CASES,
    *ENVELOPE_CASES,
    *BATCH_CASES,
    *NOTIFICATION_CASES,
    *ERROR_CASES,
    *BACKEND_CASES,
]
