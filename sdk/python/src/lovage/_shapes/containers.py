"""Lists, tuples, sets, dictionaries, unions, and bounds around a shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from lovage._shapes.base import Definitions, Mismatch, Schema, Shape, told, unexpected

_One = Callable[[Shape, Any], Any]


def _each(values: Iterable[Any], one: Callable[[Any], Any]) -> list[Any]:
    done = []
    for index, value in enumerate(values):
        try:
            done.append(one(value))
        except Mismatch as mismatch:
            raise mismatch.within(f"[{index}]") from None
    return done


class Items(Shape):
    """Many of one shape."""

    wire = (list,)

    def __init__(self, item: Shape, kind: type, accepts: tuple[type, ...]) -> None:
        self.item = item
        self.kind = kind
        self.accepts = accepts

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {"type": "array", "items": self.item.schema(definitions)}
        if self.kind in (set, frozenset):
            schema["uniqueItems"] = True
        return schema

    def read(self, value: Any) -> Any:
        if not isinstance(value, list):
            raise unexpected(value, "a list")
        return self.kind(_each(value, self.item.read))

    def write(self, value: Any) -> list[Any]:
        if not isinstance(value, self.accepts):
            raise unexpected(value, f"a {self.kind.__name__}")
        items: Any = value
        return _each(items, self.item.write)


class Tuple(Shape):
    """A list of a fixed length, each place with a shape of its own."""

    wire = (list,)

    def __init__(self, places: list[Shape]) -> None:
        self.places = places

    def schema(self, definitions: Definitions) -> Schema:
        count = len(self.places)
        schema: Schema = {"type": "array", "minItems": count, "maxItems": count}
        if self.places:
            schema["prefixItems"] = [place.schema(definitions) for place in self.places]
        return schema

    def read(self, value: Any) -> tuple[Any, ...]:
        return tuple(self._zipped(value, list, lambda shape, it: shape.read(it)))

    def write(self, value: Any) -> list[Any]:
        return self._zipped(value, tuple, lambda shape, it: shape.write(it))

    def _zipped(
        self, value: Any, kind: type[list[Any]] | type[tuple[Any, ...]], one: _One
    ) -> list[Any]:
        if not isinstance(value, kind) or len(value) != len(self.places):
            raise unexpected(value, f"a {kind.__name__} of {len(self.places)}")
        return _each(zip(self.places, value, strict=True), lambda pair: one(*pair))


class Mapping(Shape):
    """An object with any keys. JSON has no other keys than texts."""

    wire = (dict,)

    def __init__(self, value: Shape) -> None:
        self.value = value

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "object", "additionalProperties": self.value.schema(definitions)}

    def read(self, value: Any) -> dict[str, Any]:
        return self._each(value, self.value.read)

    def write(self, value: Any) -> dict[str, Any]:
        return self._each(value, self.value.write)

    def _each(self, value: Any, one: Callable[[Any], Any]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise unexpected(value, "a map")
        done = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise unexpected(key, "a text as key")
            try:
                done[key] = one(item)
            except Mismatch as mismatch:
                raise mismatch.within(key) from None
        return done


class Union(Shape):
    """One of some shapes."""

    def __init__(self, members: list[Shape]) -> None:
        self.members = members
        self.wire = tuple(kind for member in members for kind in member.wire)

    def schema(self, definitions: Definitions) -> Schema:
        schemas = [member.schema(definitions) for member in self.members]
        # As is customary of what may be missing: `["integer", "null"]`.
        if len(schemas) == 2 and schemas[1] == {"type": "null"} and "enum" not in schemas[0]:
            kind = schemas[0].get("type")
            if isinstance(kind, str):
                return {**schemas[0], "type": [kind, "null"]}
        return {"anyOf": schemas}

    def read(self, value: Any) -> Any:
        return self._first(value, lambda member: member.read(value))

    def write(self, value: Any) -> Any:
        return self._first(value, lambda member: member.write(value))

    def _first(self, value: Any, one: Callable[[Shape], Any]) -> Any:
        # What needs no conversion goes first: of `bytes | str` a text is a text, and no base64.
        exact = [it for it in self.members if type(value) in it.wire]
        mismatches = []
        for member in exact + [it for it in self.members if it not in exact]:
            try:
                return one(member)
            except Mismatch as mismatch:
                mismatches.append(mismatch)
        if len(exact) == 1 or len(self.members) == 1:
            raise mismatches[0]
        said = "; ".join(dict.fromkeys(str(it) for it in mismatches))
        raise Mismatch(f"{told(value)} fits none of its types: {said}")


class Bounded(Shape):
    """A shape with bounds on its values, and words about it."""

    def __init__(self, shape: Shape, words: Schema) -> None:
        self.shape = shape
        self.words = words
        self.wire = shape.wire

    def schema(self, definitions: Definitions) -> Schema:
        return {**self.shape.schema(definitions), **self.words}

    def read(self, value: Any) -> Any:
        self._check(value)
        return self.shape.read(value)

    def write(self, value: Any) -> Any:
        written = self.shape.write(value)
        self._check(written)
        return written

    def _check(self, value: Any) -> None:
        for word, bound in self.words.items():
            holds, said = _BOUNDS.get(word, (None, ""))
            if holds is not None and value is not None and not holds(value, bound):
                raise Mismatch(f"{told(value)} is not {said.format(bound)}")


def _numeric(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, bound: not isinstance(value, int | float) or holds(value, bound)


def _sized(holds: Callable[[int, int], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, bound: (
        not isinstance(value, str | bytes | list | dict) or holds(len(value), bound)
    )


#: What JSON Schema says of values, as far as `Field` knows it.
_BOUNDS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (_numeric(lambda value, bound: value >= bound), "{} or more"),
    "maximum": (_numeric(lambda value, bound: value <= bound), "{} or less"),
    "exclusiveMinimum": (_numeric(lambda value, bound: value > bound), "more than {}"),
    "exclusiveMaximum": (_numeric(lambda value, bound: value < bound), "less than {}"),
    "minLength": (_sized(lambda length, bound: length >= bound), "{} long at least"),
    "maxLength": (_sized(lambda length, bound: length <= bound), "{} long at most"),
    "minItems": (_sized(lambda length, bound: length >= bound), "{} long at least"),
    "maxItems": (_sized(lambda length, bound: length <= bound), "{} long at most"),
    "pattern": (
        lambda value, bound: not isinstance(value, str) or re.search(bound, value) is not None,
        "of the pattern `{}`",
    ),
}
