"""The meta-schemas of OpenRPC, without the network."""

import functools
import json
from pathlib import Path

from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

_DATA = Path(__file__).parent / "data"
_JSON_SCHEMA = "https://meta.json-schema.tools"

VERSIONS = ("1.4.1", "1.3.2")


def load(name):
    return json.loads((_DATA / name).read_text(encoding="utf-8"))


@functools.cache
def validator_of(version):
    """Return the validator of documents of a version of OpenRPC."""
    json_schema = DRAFT7.create_resource(load("json-schema.json"))
    registry = Registry().with_resources([(_JSON_SCHEMA, json_schema), (f"{_JSON_SCHEMA}/", json_schema)])
    return Draft7Validator(load(f"openrpc-{version}.json"), registry=registry)


def faults_of(document, version):
    """Return the places in a document that a version of OpenRPC does not allow, each with the reason."""
    stated = {**document, "openrpc": version}
    faults = validator_of(version).iter_errors(stated)
    return [f"{'.'.join(map(str, fault.absolute_path))}: {fault.message[:200]}" for fault in faults]
