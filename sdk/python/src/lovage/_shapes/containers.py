"""Lists, tuples, sets, dictionaries, unions, and bounds around a shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from lovage._field import Field
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

    def __init__(
        self,
        item: Shape,
        kind: type[list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]],
        accepts: tuple[type, ...],
    ) -> None:
        self.item = item
        self.kind = self.made = kind
        self.accepts = accepts

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {"type": "array", "items": self.item.schema(definitions)}
        if self.made in (set, frozenset):
            schema["uniqueItems"] = True
        return schema

    def read(self, value: Any) -> Any:
        if not isinstance(value, list):
            raise unexpected(value, "a list")
        items = _each(value, self.item.read)
        try:
            return self.made(items)
        except TypeError as error:
            # What has a hash may hold what has none, and `Any` is anything.
            raise Mismatch(f"its items cannot be in a set: {error}") from None

    def write(self, value: Any) -> list[Any]:
        if not isinstance(value, self.accepts):
            raise unexpected(value, f"a {self.made.__name__}")
        items: Any = value
        return _each(items, self.item.write)


class Tuple(Shape):
    """A list of a fixed length, each place with a shape of its own."""

    wire = (list,)
    kind = tuple

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
        expected = f"a {kind.__name__} of {len(self.places)}"
        if not isinstance(value, kind):
            raise unexpected(value, expected)
        if len(value) != len(self.places):
            raise Mismatch(f"expected {expected}, not one of {len(value)}")
        return _each(zip(self.places, value, strict=True), lambda pair: one(*pair))


def is_hashed(shape: Shape) -> bool:
    """Whether what a task has of it may be in a set, as far as its type says."""
    if isinstance(shape, Bounded):
        return is_hashed(shape.shape)
    if isinstance(shape, Union):
        return all(map(is_hashed, shape.members))
    if isinstance(shape, Tuple):
        return all(map(is_hashed, shape.places))
    if isinstance(shape, Items) and shape.made is tuple:
        return is_hashed(shape.item)
    return shape.kind is None or shape.kind.__hash__ is not None


class Mapping(Shape):
    """An object with any keys. JSON has no other keys than texts."""

    wire = (dict,)
    kind = dict

    def __init__(self, value: Shape) -> None:
        self.value = value

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "object", "additionalProperties": self.value.schema(definitions)}

    def read(self, value: Any) -> dict[str, Any]:
        return self._each(value, self.value.read)

    def kept(self, value: dict[str, Any]) -> int:
        return len(value)

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
        # What needs no conversion goes first: of `bytes | str` a text is a text, and no base64.
        exact = [it for it in self.members if type(value) in it.wire]
        if isinstance(value, dict):
            # A record leaves out what it does not name.
            exact.sort(key=lambda it: -it.kept(value))
        return self._first(value, exact, lambda member: member.read(value))

    def kept(self, value: dict[str, Any]) -> int:
        return max(it.kept(value) for it in self.members)

    def write(self, value: Any) -> Any:
        # Of two records of which one inherits from the other, both would take it.
        exact = [it for it in self.members if type(value) is it.kind]
        return self._first(value, exact, lambda member: member.write(value))

    def _first(self, value: Any, exact: list[Shape], one: Callable[[Shape], Any]) -> Any:
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

    def __init__(self, shape: Shape, words: Schema, bounds: list[Field]) -> None:
        self.shape = shape
        self.words = words
        self.bounds = bounds
        self.wire = shape.wire
        self.kind = shape.kind

    def schema(self, definitions: Definitions) -> Schema:
        return {**self.shape.schema(definitions), **self.words}

    def read(self, value: Any) -> Any:
        read = self.shape.read(value)
        self._check(read)
        return read

    def kept(self, value: dict[str, Any]) -> int:
        return self.shape.kept(value)

    def write(self, value: Any) -> Any:
        written = self.shape.write(value)
        self._check(value)
        return written

    def _check(self, value: Any) -> None:
        """Of what the task has: on the wire, bytes may be Base64 and decimal numbers texts."""
        for field in self.bounds:
            for name, (kinds, holds, said) in _BOUNDS.items():
                bound = getattr(field, name)
                if bound is None or isinstance(value, bool) or not isinstance(value, kinds):
                    continue
                try:
                    within = holds(value, bound)
                except ArithmeticError:
                    # A `Decimal` that is no number.
                    within = False
                if not within:
                    raise Mismatch(f"{told(value)} is not {said.format(bound)}")


_NUMBERS = (int, float, Decimal)
_SIZED = (str, bytes, bytearray, list, tuple, set, frozenset, dict)
#: The bounds of a `Field`: of what they are, and how a value is told that is not within.
_BOUNDS: dict[str, tuple[tuple[type, ...], Callable[[Any, Any], bool], str]] = {
    "ge": (_NUMBERS, lambda value, bound: bool(value >= bound), "{} or more"),
    "le": (_NUMBERS, lambda value, bound: bool(value <= bound), "{} or less"),
    "gt": (_NUMBERS, lambda value, bound: bool(value > bound), "more than {}"),
    "lt": (_NUMBERS, lambda value, bound: bool(value < bound), "less than {}"),
    "min_length": (_SIZED, lambda value, bound: len(value) >= bound, "{} long at least"),
    "max_length": (_SIZED, lambda value, bound: len(value) <= bound, "{} long at most"),
    "pattern": (
        (str,),
        lambda value, bound: re.search(bound, value) is not None,
        "of the pattern `{}`",
    ),
}
