"""Any value as the wire has it: as tasks in Python write theirs (`sdk/python`)."""

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Self
from uuid import UUID

#: What goes as it is. Long lists are of these, so their items are not looked at twice.
_AS_IT_IS = frozenset({type(None), bool, int, float, str, bytes, bytearray, memoryview})


class Unsendable(ValueError):
    """A value that has no form on the wire. Its place is put together on the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = ""
        self.what = "it"

    def within(self, place: object) -> Self:
        """`place` is a name or an index, which the pointer then begins with."""
        self.place = "/" + str(place).replace("~", "~0").replace("/", "~1") + self.place
        return self

    def __str__(self) -> str:
        place = f" (at {self.place})" if self.place else ""
        return f"{self.what} cannot be sent: {self.reason}{place}"


def plain(value: Any) -> Any:
    """A value of nothing but texts, bytes, numbers, booleans, None, lists and dicts."""
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int() | float() | str() | bytes() | bytearray() | memoryview():
            return value
        case Mapping():
            return {_key(key): _within(key, item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_within(n, item) for n, item in enumerate(value)]
        case datetime() if value.utcoffset() is None:
            # A guess at one would be wrong somewhere.
            raise Unsendable(
                "a `datetime` has an offset, as that of `datetime.now(timezone.utc)`, "
                f"and {value.isoformat()} has none"
            )
        case datetime() | date() | time():
            return value.isoformat()
        case UUID() | Decimal():
            return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: _within(name, getattr(value, name)) for name in names}
    raise Unsendable(
        f"a `{type(value).__name__}` is none of what can: texts, bytes, numbers, booleans, "
        "None, lists, tuples, sets, dicts, dataclasses, enums, times, UUIDs and decimals"
    )


def _key(key: Any) -> Any:
    if isinstance(key, Enum):
        return _key(key.value)
    if not isinstance(key, str | int):
        raise Unsendable(
            f"a `{type(key).__name__}` is no key of a dict: texts and integers are"
        )
    return key


def _within(place: object, value: Any) -> Any:
    if type(value) in _AS_IT_IS:
        return value
    try:
        return plain(value)
    except Unsendable as e:
        raise e.within(place) from None
