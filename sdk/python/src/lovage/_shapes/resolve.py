"""From an annotation to its shape."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence, Set
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from lovage._field import Field as Words
from lovage._shapes import containers, scalars
from lovage._shapes.base import Mismatch, Shape
from lovage._shapes.plain import Anything
from lovage._shapes.records import Field, Record
from lovage._shapes.texts import FORMED, choice_of


class UnsupportedType(Exception):
    """A type that has no JSON Schema."""


_SCALARS: dict[Any, Shape] = {
    Any: Anything(),
    object: Anything(),
    None: scalars.Null(),
    type(None): scalars.Null(),
    bool: scalars.Boolean(),
    int: scalars.Integer(),
    float: scalars.Number(),
    str: scalars.Text(),
    bytes: scalars.Binary(),
    bytearray: scalars.Binary(bytearray),
    **FORMED,
}

#: What is made of a list, and what may be returned as one.
_LISTS: dict[Any, tuple[type, tuple[type, ...]]] = {
    list: (list, (list,)),
    Sequence: (list, (list, tuple)),
    set: (set, (set, frozenset)),
    Set: (frozenset, (set, frozenset)),
    frozenset: (frozenset, (set, frozenset)),
}

_records: dict[type, Record] = {}


def shape_of(kind: Any) -> Shape:
    """Raises `UnsupportedType`."""
    try:
        known = _SCALARS.get(kind)
    except TypeError:
        known = None
    if known is not None:
        return known
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin is Literal:
        return _choice(arguments)
    if origin in (typing.Union, types.UnionType):
        return containers.Union([shape_of(it) for it in arguments])
    if origin in (typing.Required, typing.NotRequired, typing.Final):
        return shape_of(arguments[0])
    container = _container(origin or kind, arguments)
    if container is not None:
        return container
    # A NewType, and what `type X = …` makes.
    for alias in ("__supertype__", "__value__"):
        if hasattr(kind, alias):
            return shape_of(getattr(kind, alias))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice(kind)
    if isinstance(kind, type) and (dataclasses.is_dataclass(kind) or typing.is_typeddict(kind)):
        return _record(kind)
    raise UnsupportedType(
        f"`{getattr(kind, '__name__', kind)}` has no JSON Schema: take a dataclass, a TypedDict"
        " or one of the types that the documentation lists"
    )


def _choice(members: Any) -> Shape:
    try:
        return choice_of(members)
    except (ValueError, TypeError) as error:
        raise UnsupportedType(str(error)) from None


def _container(origin: Any, arguments: tuple[Any, ...]) -> Shape | None:
    if origin in _LISTS:
        made, accepts = _LISTS[origin]
        return containers.Items(shape_of(arguments[0] if arguments else Any), made, accepts)
    if origin is tuple:
        if not arguments:
            return containers.Items(Anything(), tuple, (tuple,))
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return containers.Items(shape_of(arguments[0]), tuple, (tuple,))
        return containers.Tuple([shape_of(it) for it in arguments])
    if origin in (dict, AnyMapping):
        key, value = arguments or (str, Any)
        if key is not str:
            raise UnsupportedType("a dictionary has keys of the type `str`, as JSON has")
        return containers.Mapping(shape_of(value))
    return None


def _annotated(kind: Any, words: tuple[Any, ...]) -> Shape:
    shape = shape_of(kind)
    said: dict[str, object] = {}
    for word in words:
        if isinstance(word, str):
            said["description"] = word
        elif isinstance(word, Words):
            said |= word.words(isinstance(shape, containers.Items))
    return containers.Bounded(shape, said) if said else shape


def _record(kind: type) -> Record:
    known = _records.get(kind)
    if known is not None:
        return known
    is_dict = typing.is_typeddict(kind)
    record = _records[kind] = Record(kind, _doc(kind), is_dict)
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
        if is_dict:
            record.fields = [
                Field(it, shape_of(hint), _required(kind, it, hint)) for it, hint in hints.items()
            ]
        else:
            record.fields = [
                _field(it, hints[it.name])
                for it in dataclasses.fields(typing.cast(Any, kind))
                if it.init
            ]
    except BaseException as error:
        del _records[kind]
        if isinstance(error, UnsupportedType | NameError):
            raise UnsupportedType(f"in `{kind.__name__}`: {error}") from None
        raise
    return record


def _required(kind: type, name: str, hint: Any) -> bool:
    # Where annotations are texts, the type itself knows nothing of what stands in them.
    if get_origin(hint) in (typing.Required, typing.NotRequired):
        return get_origin(hint) is typing.Required
    keys: frozenset[str] = getattr(kind, "__required_keys__", frozenset())
    return name in keys


def _field(field: dataclasses.Field[Any], kind: Any) -> Field:
    shape = shape_of(kind)
    missing = dataclasses.MISSING
    if field.default is missing:
        return Field(field.name, shape, required=field.default_factory is missing)
    return with_default(field.name, shape, field.default)


def with_default(name: str, shape: Shape, default: Any) -> Field:
    """A default that the type or JSON does not have stands in no schema; Python allows it."""
    try:
        written = shape.write(default)
        json.dumps(written, allow_nan=False)
    except (Mismatch, TypeError, ValueError):
        return Field(name, shape, required=False)
    return Field(name, shape, required=False, default=written, has_default=True)


def _doc(kind: type) -> str:
    doc = (kind.__doc__ or "").strip()
    # What a dataclass has by itself is its signature.
    return "" if doc.startswith(f"{kind.__name__}(") else doc
