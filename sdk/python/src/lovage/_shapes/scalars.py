"""Null, booleans, numbers, text and binary data."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from lovage._shapes.base import Definitions, Schema, Shape, unexpected


class Null(Shape):
    wire = (type(None),)
    kind = type(None)

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "null"}

    def read(self, value: Any) -> None:
        if value is not None:
            raise unexpected(value, "null")

    write = read


class Boolean(Shape):
    wire = (bool,)
    kind = bool

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "boolean"}

    def read(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise unexpected(value, "true or false")
        return value

    write = read


class Integer(Shape):
    wire = (int,)
    kind = int

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "integer"}

    def read(self, value: Any) -> int:
        # JSON Schema has 5.0 among the integers, so a caller may send it.
        is_whole = isinstance(value, float) and value.is_integer()
        return self.write(int(value) if is_whole else value)

    def write(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise unexpected(value, "an integer")
        if not -(1 << 63) <= value < 1 << 64:
            raise unexpected(value, "an integer of 64 bits")
        return int(value)


class Number(Shape):
    wire = (float,)
    kind = float

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "number"}

    def read(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise unexpected(value, "a number")
        try:
            return float(value)
        except OverflowError:
            raise unexpected(value, "a number of 64 bits") from None

    write = read


class Text(Shape):
    wire = (str,)
    kind = str

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string"}

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise unexpected(value, "a text")
        return value

    write = read


class Binary(Shape):
    """Binary in MessagePack. Callers that have JSON alone write it in base64."""

    wire = (bytes,)
    kind: type

    def __init__(self, kind: type = bytes) -> None:
        self.kind = kind

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string", "contentEncoding": "base64"}

    def read(self, value: Any) -> Any:
        if isinstance(value, bytes):
            return self.kind(value)
        if isinstance(value, str):
            return self.kind(_base64(value))
        if isinstance(value, list) and all(type(it) is int and 0 <= it < 256 for it in value):
            return self.kind(value)
        raise unexpected(value, "binary data")

    def write(self, value: Any) -> bytes:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise unexpected(value, "bytes")
        return bytes(value)


def _base64(text: str) -> bytes:
    """Takes the standard and the URL alphabet, with padding or without."""
    digits = text.replace("-", "+").replace("_", "/")
    if not digits.endswith("="):
        digits += "=" * (-len(digits) % 4)
    try:
        return base64.b64decode(digits, validate=True)
    except (binascii.Error, ValueError):
        raise unexpected(text, "binary data, in base64 where it is a text") from None
