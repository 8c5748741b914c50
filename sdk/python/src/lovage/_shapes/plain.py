"""Any value, which goes by its own type: what stands in no annotation."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from lovage._shapes.base import Definitions, Mismatch, Schema, Shape
from lovage._shapes.texts import FORMED


class Anything(Shape):
    wire = (type(None), bool, int, float, str, bytes, list, dict)

    def schema(self, definitions: Definitions) -> Schema:
        return {}

    def read(self, value: Any) -> Any:
        return value

    def kept(self, value: dict[str, Any]) -> int:
        return len(value)

    def write(self, value: Any) -> Any:
        return plain(value)


def plain(value: Any) -> Any:
    """What MessagePack has of a value: a record is a map of its fields, a set a list."""
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int() | float() | str() | bytes():
            return value
        case bytearray() | memoryview():
            return bytes(value)
        case dict():
            return {_key(key): _within(str(key), item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_within(f"[{index}]", item) for index, item in enumerate(value)]
        case datetime():
            return FORMED[datetime].write(value)
        case date() | time() | UUID() | Decimal():
            return next(it.write(value) for kind, it in FORMED.items() if isinstance(value, kind))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _within(name, getattr(value, name)) for name in names}
    raise Mismatch(f"a `{type(value).__name__}` has no form in MessagePack")


def _key(key: Any) -> Any:
    if isinstance(key, Enum):
        return _key(key.value)
    if not isinstance(key, str | int):
        raise Mismatch(f"a `{type(key).__name__}` is no key of a map")
    return key


def _within(place: str, value: Any) -> Any:
    try:
        return plain(value)
    except Mismatch as mismatch:
        raise mismatch.within(place) from None
