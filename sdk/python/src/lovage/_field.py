"""What `Annotated` may say of a value beside its type."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lovage._errors import DeclarationError


@dataclass(frozen=True, kw_only=True)
class Field:
    """Words and bounds of an argument, a field or a result, as in
    `Annotated[int, lovage.Field(description="The longest side.", ge=1, le=4096)]`."""

    description: str | None = None
    #: At least, more than, at most, less than.
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    #: Of a text, of binary data, or of a list.
    min_length: int | None = None
    max_length: int | None = None
    #: A regular expression that a text holds somewhere.
    pattern: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise DeclarationError(f"`pattern`: `{self.pattern}`: {error}") from None

    def words(self, wire: tuple[type, ...]) -> dict[str, object]:
        """In the words of JSON Schema, which has others for the length of each type, and none
        where it may be of more than one: the task alone is held to that."""
        lengths = {_LENGTHS[kind] for kind in wire if kind in _LENGTHS}
        length = lengths.pop() if len(lengths) == 1 else None
        named: dict[str, object] = {
            "description": self.description,
            "minimum": self.ge,
            "exclusiveMinimum": self.gt,
            "maximum": self.le,
            "exclusiveMaximum": self.lt,
            "pattern": self.pattern,
        }
        if length is not None:
            word, scaled = length
            named[f"min{word}"] = None if self.min_length is None else scaled(self.min_length)
            named[f"max{word}"] = None if self.max_length is None else scaled(self.max_length)
        return {word: value for word, value in named.items() if value is not None}


def _same(length: int) -> int:
    return length


def _of_base64(length: int) -> int:
    """JSON Schema sees bytes as they are in JSON."""
    return -(-length // 3) * 4


_LENGTHS: dict[type, tuple[str, Callable[[int], int]]] = {
    str: ("Length", _same),
    bytes: ("Length", _of_base64),
    list: ("Items", _same),
    dict: ("Properties", _same),
}
