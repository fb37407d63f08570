"""Values that are checked by a schema."""

import json

from flaskJSONRPCServer.contract.schema_checks import check_of


def mismatch(schema, value):
    """Return why a value does not fit a schema; None if it fits."""
    check = check_of(schema)
    return None if check is None else check.mismatch(value, json.dumps(value))
