"""What `Annotated` may say of a value beside its type."""

from __future__ import annotations

import re
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
        """In the words of JSON Schema, which has others for the length of each type. It has none
        for what may be of more than one, and for bytes, whose text in JSON is not looked at: there
        the task alone holds to it."""
        lengths = {_LENGTHS[kind] for kind in wire if kind in _LENGTHS}
        length = lengths.pop() if len(lengths) == 1 else ""
        of_bytes = bytes in wire
        named: dict[str, object] = {
            "description": self.description,
            "minimum": self.ge,
            "exclusiveMinimum": self.gt,
            "maximum": self.le,
            "exclusiveMaximum": self.lt,
            "pattern": None if of_bytes else self.pattern,
        }
        if length and not of_bytes:
            named |= {f"min{length}": self.min_length, f"max{length}": self.max_length}
        return {word: value for word, value in named.items() if value is not None}


_LENGTHS: dict[type, str] = {str: "Length", list: "Items", dict: "Properties"}
