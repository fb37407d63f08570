"""The codecs that the shared tables of cases run over."""

import json
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import Codec, IncrementalCodec, JsonLimits, make_codec

PREPARED = ("json", "simplejson", "orjson", "msgspec", "rapidjson")


def build_codec(name, **options):
    """Make the codec of this name; "custom" is an object as lax as the json module."""
    if name == "incremental":
        return IncrementalCodec(
            make_codec("json", **options), limits=options.get("limits") or JsonLimits(), large_bytes=0
        )
    if name == "custom":
        return make_codec(SimpleNamespace(loads=json.loads, dumps=_dumps), **options)
    return make_codec(name, **options)


def _dumps(value, default=None):
    return json.dumps(value, default=default, separators=(",", ":"), ensure_ascii=False)


@pytest.fixture(params=[*PREPARED, "custom", "incremental"])
def codec_name(request):
    return request.param


@pytest.fixture
def make(codec_name):
    return lambda **options: build_codec(codec_name, **options)


@pytest.fixture
def codec(make) -> Codec:
    return make()
