"""Codecs: read and write JSON, with the same results from every implementation."""

from .base import Codec, JsonLimits
from .factory import make_codec
from .incremental import IncrementalCodec
from .literals import NumberLiteral, exact_number
from .standard import LongInteger
from .unwritable import Unwritable, find_unwritable

__all__ = [
    "Codec",
    "IncrementalCodec",
    "JsonLimits",
    "LongInteger",
    "NumberLiteral",
    "Unwritable",
    "exact_number",
    "find_unwritable",
    "make_codec",
]
