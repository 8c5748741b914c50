"""The contract of all shapes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal
from typing import Any

Schema = dict[str, Any]


class Mismatch(Exception):
    """A value that does not fit. Its place is put together on the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = ""

    def within(self, place: str) -> Mismatch:
        """`place` is a field, or an index in brackets."""
        dot = "." if self.place and not self.place.startswith("[") else ""
        self.place = f"{place}{dot}{self.place}"
        return self

    def __str__(self) -> str:
        return f"at `{self.place}`: {self.reason}" if self.place else self.reason


def unexpected(value: Any, expected: str) -> Mismatch:
    return Mismatch(f"expected {expected}, not {told(value)}")


def told(value: Any) -> str:
    """A value in the words of an error, cut where it is long."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > 128:
            # Python itself refuses to write those of more than 4,300 digits.
            return f"an integer of {value.bit_length()} bits"
        case int() | float():
            return f"the number {value!r}"
        case Decimal():
            return f"the number {_cut(str(value))}"
        case str():
            return f'the text "{_cut(value)}"'
        case bytes():
            return f"{len(value)} bytes"
        case list() | tuple():
            return "a list"
        case dict():
            return "a map"
    return f"a `{type(value).__name__}`"


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"


class Definitions:
    """The records of one schema, which it has under `$defs`, once each."""

    def __init__(self, output: bool = False) -> None:
        #: Whether they are of what a task writes, and not of what it reads.
        self.output = output
        self.schemas: dict[str, Schema] = {}
        self._names: dict[int, str] = {}

    def name(self, shape: Shape, wanted: str) -> tuple[str, bool]:
        """The name of a record, and whether it was new. Two of one name are told apart."""
        known = self._names.get(id(shape))
        if known is not None:
            return known, False
        taken = set(self._names.values())
        name = wanted
        number = 2
        while name in taken:
            name = f"{wanted}{number}"
            number += 1
        self._names[id(shape)] = name
        return name, True


class Shape(ABC):
    """A type as the wire has it."""

    #: What MessagePack has of it where nothing is to be converted: by this a union chooses.
    wire: tuple[type, ...] = ()
    #: What a task has of it, where that is of one type: by this a union chooses what to write.
    kind: type | None = None

    @abstractmethod
    def schema(self, definitions: Definitions) -> Schema:
        """In JSON Schema 2020-12."""

    @abstractmethod
    def read(self, value: Any) -> Any:
        """From what MessagePack has. Raises `Mismatch`."""

    def kept(self, value: dict[str, Any]) -> int:
        """How many entries of a map are not left out."""
        return 0

    @abstractmethod
    def write(self, value: Any) -> Any:
        """To what MessagePack has. Raises `Mismatch`."""

    def root(self, definitions: Definitions) -> Schema:
        """The schema where it stands alone."""
        return self.schema(definitions)
