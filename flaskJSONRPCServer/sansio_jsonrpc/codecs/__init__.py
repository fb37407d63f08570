"""Codecs: JSON in and out, with the same answers from every implementation."""

from .base import Codec, JsonLimits
from .factory import make_codec
from .standard import LongInteger

__all__ = ["Codec", "JsonLimits", "LongInteger", "make_codec"]
