"""Codecs: JSON in and out, with the same answers from every implementation."""

from .base import Codec, JsonLimits
from .factory import make_codec
from .patient import PatientCodec
from .standard import LongInteger

__all__ = ["Codec", "JsonLimits", "LongInteger", "PatientCodec", "make_codec"]
