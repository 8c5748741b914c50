"""Dataclasses and TypedDicts: objects with named fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lovage._shapes.base import Definitions, Mismatch, Schema, Shape, unexpected


@dataclass
class Member:
    """A field of a record, or an argument of a task."""

    name: str
    shape: Shape
    required: bool
    #: What it has where it is left out, on the wire; for the schema alone.
    default: Any = None
    has_default: bool = False
    #: Whether a caller may say it: not where a dataclass fills it in by itself.
    taken: bool = True

    def schema(self, definitions: Definitions) -> Schema:
        schema = self.shape.schema(definitions)
        return {**schema, "default": self.default} if self.has_default else schema


class Record(Shape):
    """Fields of an object. Unknown ones are ignored: a newer caller may know more of them."""

    wire = (dict,)

    kind: type

    def __init__(self, kind: type, doc: str, is_dict: bool) -> None:
        self.kind = kind
        self.doc = doc
        self.is_dict = is_dict
        #: Filled after its making, since a record may hold itself.
        self.fields: list[Member] = []

    @property
    def taken(self) -> list[Member]:
        return [it for it in self.fields if it.taken]

    def schema(self, definitions: Definitions) -> Schema:
        name, new = definitions.name(self, self.kind.__name__)
        if new:
            definitions.schemas[name] = self.body(definitions)
        return {"$ref": f"#/$defs/{name}"}

    def root(self, definitions: Definitions) -> Schema:
        return {"title": self.kind.__name__, **self.body(definitions)}

    def body(self, definitions: Definitions) -> Schema:
        fields = self.fields if definitions.output else self.taken
        schema: Schema = {
            "type": "object",
            "properties": {it.name: it.schema(definitions) for it in fields},
            "required": [it.name for it in fields if it.required],
        }
        return {**schema, "description": self.doc} if self.doc else schema

    def read(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise unexpected(value, f"a map, for a `{self.kind.__name__}`")
        for field in self.taken:
            if field.required and field.name not in value:
                raise Mismatch("it is missing").within(field.name)
        given = {
            it.name: _at(it.name, it.shape.read, value[it.name])
            for it in self.taken
            if it.name in value
        }
        return self.made(given)

    def kept(self, value: dict[str, Any]) -> int:
        return sum(it.name in value for it in self.fields)

    def made(self, given: dict[str, Any]) -> Any:
        """Of fields that were read. A dataclass may refuse them in its `__post_init__`."""
        if self.is_dict:
            return given
        try:
            return self.kind(**given)
        except (ValueError, TypeError, AssertionError) as error:
            raise Mismatch(str(error) or f"it is no `{self.kind.__name__}`") from error

    def write(self, value: Any) -> dict[str, Any]:
        if self.is_dict:
            return self._write_dict(value)
        if not isinstance(value, self.kind):
            raise unexpected(value, f"a `{self.kind.__name__}`")
        for field in self.fields:
            # What a dataclass fills in by itself, it may have left out.
            if not field.taken and not hasattr(value, field.name):
                raise Mismatch("it is missing").within(field.name)
        return {
            it.name: _at(it.name, it.shape.write, getattr(value, it.name)) for it in self.fields
        }

    def _write_dict(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise unexpected(value, f"a `{self.kind.__name__}`")
        for name in value:
            if not any(field.name == name for field in self.fields):
                raise Mismatch(f"a `{self.kind.__name__}` has no key `{name}`")
        for field in self.fields:
            if field.required and field.name not in value:
                raise Mismatch("it is missing").within(field.name)
        return {
            it.name: _at(it.name, it.shape.write, value[it.name])
            for it in self.fields
            if it.name in value
        }


def _at(name: str, one: Callable[[Any], Any], value: Any) -> Any:
    try:
        return one(value)
    except Mismatch as mismatch:
        raise mismatch.within(name) from None
