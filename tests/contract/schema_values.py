"""Strategies of values that a schema of ours accepts: draft-07, or the items of 2020-12."""

import datetime

import hypothesis.strategies as st

_FORMATS = {
    "date": st.dates().map(str),
    "date-time": st.datetimes(timezones=st.just(datetime.timezone.utc)).map(datetime.datetime.isoformat),
    "time": st.times().map(str),
    "duration": st.integers(0, 10_000).map("PT{}S".format),
    "uuid": st.uuids().map(str),
    "ipv4": st.ip_addresses(v=4).map(str),
}

_TEXT = st.text(st.characters(codec="utf-8"), max_size=5)

_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | _TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
    max_leaves=3,
)

_DEEPEST = 4


def values_of(schema, root, depth=0):
    """Return a strategy of values that a schema accepts; ``root`` has the shared schemas."""
    if "$ref" in schema:
        target = root
        for key in schema["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        return values_of(target, root, depth + 1)
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return st.one_of([values_of(choice, root, depth) for choice in schema[key]])
    make = _TYPES.get(schema.get("type"))
    return _ANY if make is None else make(schema, root, depth)


def integers(schema, root, depth):
    factor = schema.get("multipleOf", 1)
    least, most = schema.get("minimum", -1000), schema.get("maximum", 1000)
    whole = st.integers(-(-least // factor), most // factor).map(lambda number: number * factor)
    return whole | whole.map(float)


def numbers(schema, root, depth):
    least = schema.get("exclusiveMinimum", schema.get("minimum", -1000))
    return st.floats(least, 1000, exclude_min="exclusiveMinimum" in schema) | st.integers(int(least) + 1, 1001)


def texts(schema, root, depth):
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].replace("^", "", 1), fullmatch=True, alphabet="+-.01289ab")
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    letters = st.characters(codec="utf-8")
    return st.text(letters, min_size=schema.get("minLength", 0), max_size=schema.get("maxLength", 9))


def arrays(schema, root, depth):
    fixed = schema.get("prefixItems") or (schema["items"] if isinstance(schema.get("items"), list) else None)
    if fixed is not None:
        whole = st.tuples(*(values_of(item, root, depth) for item in fixed)).map(list)
        least = schema.get("minItems", 0)
        return whole | st.integers(least, len(fixed)).flatmap(lambda count: whole.map(lambda items: items[:count]))
    least = schema.get("minItems", 0)
    most = least if depth > _DEEPEST else least + 3
    return st.lists(values_of(schema.get("items", {}), root, depth + 1), min_size=least, max_size=most)


def objects(schema, root, depth):
    properties, required = schema.get("properties", {}), schema.get("required", ())
    names = [name for name in properties if name in required or depth <= _DEEPEST]
    members = {name: values_of(properties[name], root, depth + 1) for name in names}
    known = st.fixed_dictionaries(
        {name: members[name] for name in required},
        optional={name: strategy for name, strategy in members.items() if name not in required},
    )
    others = schema.get("additionalProperties", not properties)
    if others is False or depth > _DEEPEST:
        return known
    keys = other_names(schema, root, depth)
    more = st.dictionaries(keys, values_of(others if isinstance(others, dict) else {}, root, depth + 1), max_size=2)
    return st.tuples(more, known).map(lambda pair: {**pair[0], **pair[1]})


def other_names(schema, root, depth):
    if "propertyNames" in schema:
        return values_of({"type": "string", **schema["propertyNames"]}, root, depth)
    return _TEXT.filter(lambda text: text not in schema.get("properties", {}))


_TYPES = {
    "integer": integers,
    "number": numbers,
    "string": texts,
    "array": arrays,
    "object": objects,
    "boolean": lambda schema, root, depth: st.booleans(),
    "null": lambda schema, root, depth: st.none(),
}
