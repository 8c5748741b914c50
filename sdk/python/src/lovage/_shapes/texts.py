"""What is a text with a form on the wire, and what is one of some values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

from lovage._shapes.base import Definitions, Schema, Shape, told, unexpected


class Formed(Shape):
    """A type that is read from a text and written as one."""

    wire = (str,)
    kind: type

    def __init__(
        self,
        kind: type,
        form: str,
        parse: Callable[[str], Any],
        text: Callable[[Any], str],
        expected: str,
    ) -> None:
        self.kind = kind
        self.form = form
        self.parse = parse
        self.text = text
        self.expected = expected

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string", "format": self.form}

    def read(self, value: Any) -> Any:
        if not isinstance(value, str):
            raise unexpected(value, self.expected)
        try:
            return self.parse(value)
        except (ValueError, InvalidOperation):
            raise unexpected(value, self.expected) from None

    def write(self, value: Any) -> str:
        # To Python a `datetime` is a `date`; as one it would lose its time.
        is_more = self.kind is date and isinstance(value, datetime)
        if is_more or not isinstance(value, self.kind):
            raise unexpected(value, f"a `{self.kind.__name__}`")
        try:
            return self.text(value)
        except ValueError:
            raise unexpected(value, self.expected) from None


def _moment(text: str) -> datetime:
    return _zoned(datetime.fromisoformat(text))


def _zoned(moment: datetime) -> datetime:
    # RFC 3339 has an offset always, and a guess at one would be wrong somewhere.
    if moment.tzinfo is None:
        raise ValueError("without an offset")
    return moment


def _moment_text(moment: datetime) -> str:
    return _zoned(moment).isoformat()


FORMED: dict[type, Formed] = {
    datetime: Formed(
        datetime,
        "date-time",
        _moment,
        _moment_text,
        "a date and time with its offset, as in `2027-01-31T09:00:00Z`",
    ),
    date: Formed(date, "date", date.fromisoformat, date.isoformat, "a date, as in `2027-01-31`"),
    time: Formed(time, "time", time.fromisoformat, time.isoformat, "a time, as in `09:00:00`"),
    UUID: Formed(UUID, "uuid", UUID, str, "a UUID"),
    Decimal: Formed(Decimal, "decimal", Decimal, str, "a decimal number in a text"),
}


class Choice(Shape):
    """The values of a `Literal`, or those of the members of an `Enum`."""

    def __init__(self, choices: list[Any], kind: type[Enum] | None) -> None:
        #: What is on the wire, and what the task has. Python's own look-up takes 1 for True.
        self.values = [(it.value if isinstance(it, Enum) else it, it) for it in choices]
        self.kind = kind
        self.wire = tuple({type(value) for value, _ in self.values})

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {"enum": [value for value, _ in self.values]}
        if set(self.wire) == {str}:
            schema = {"type": "string", **schema}
        return schema

    def read(self, value: Any) -> Any:
        for known, meant in self.values:
            if type(known) is type(value) and known == value:
                return meant
        choices = ", ".join(repr(known) for known, _ in self.values)
        raise unexpected(value, f"one of {choices}")

    def write(self, value: Any) -> Any:
        for known, meant in self.values:
            if type(meant) is type(value) and meant == value:
                return known
        if self.kind is not None:
            raise unexpected(value, f"a `{self.kind.__name__}`")
        choices = ", ".join(repr(meant) for _, meant in self.values)
        raise unexpected(value, f"one of {choices}")


def choice_of(members: type[Enum] | tuple[Any, ...]) -> Choice:
    """Raises `ValueError` where one is neither a text, a number, a boolean nor None."""
    choice = Choice(list(members), None if isinstance(members, tuple) else members)
    for value, _ in choice.values:
        if not isinstance(value, str | int | bool | None):
            raise ValueError(f"{told(value)} is no choice: it is a text, an integer or a boolean")
    return choice
