"""Core schemas that are made of JSON Schemas, apart from what they refuse."""

from flaskJSONRPCServer.contract.schema_compiler import Compiler


def diamonds(levels):
    """Return a schema with references from each level to the next one on two ways."""
    definitions = {}
    for level in range(levels):
        definitions[f"top{level}"] = {"allOf": [{"$ref": f"#/$defs/left{level}"}, {"$ref": f"#/$defs/right{level}"}]}
        for side in ("left", "right"):
            definitions[f"{side}{level}"] = {"$ref": f"#/$defs/top{level + 1}"}
    return {"$ref": "#/$defs/top0", "$defs": {**definitions, f"top{levels}": {"type": "object"}}}


def test_references_that_meet_again_are_followed_once():
    levels = 60  # as many ways as 2 to the power of it

    made = Compiler(diamonds(levels)).schema()

    assert len(made["definitions"]) == 3 * levels + 2
