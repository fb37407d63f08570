"""Codecs: JSON in and out, with the same answers from every implementation."""

from .base import Codec, JsonLimits
from .factory import make_codec
from .literals import NumberLiteral, exact_number
from .patient import PatientCodec
from .standard import LongInteger
from .unwritable import Unwritable, find_unwritable

__all__ = [
    "Codec",
    "JsonLimits",
    "LongInteger",
    "NumberLiteral",
    "PatientCodec",
    "Unwritable",
    "exact_number",
    "find_unwritable",
    "make_codec",
]
