"""From an annotation to its shape."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence, Set
from enum import Enum
from typing import Any, Generic, Literal, get_args, get_origin

from lovage._errors import DeclarationError
from lovage._field import Field
from lovage._shapes import containers, scalars
from lovage._shapes.base import Definitions, Mismatch, Schema, Shape
from lovage._shapes.plain import Anything
from lovage._shapes.records import Member, Record
from lovage._shapes.texts import FORMED, choice_of


class UnsupportedType(DeclarationError):
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

#: Also of a generic type, for each of its types.
_records: dict[Any, Record] = {}
#: Those whose fields are being read, without their types.
_open: list[type] = []
_DEEPEST = 20
#: Types under another name whose own type is being read.
_followed: list[Any] = []


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
    container = _container(kind, origin or kind, arguments)
    if container is not None:
        return container
    # A NewType, and what `type X = …` makes.
    for alias in ("__supertype__", "__value__"):
        if hasattr(kind, alias):
            return _aliased(kind, getattr(kind, alias))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice(kind)
    of = origin or kind
    if isinstance(of, type) and (dataclasses.is_dataclass(of) or typing.is_typeddict(of)):
        return _record(kind, of, dict(zip(_parameters(of), arguments, strict=False)))
    if isinstance(kind, typing.TypeVar):
        raise UnsupportedType(f"`{kind}` is any type: say which, as in `Page[int]`")
    raise UnsupportedType(
        f"`{getattr(kind, '__name__', kind)}` has no JSON Schema: take a dataclass, a TypedDict"
        " or one of the types that the documentation lists"
    )


def _aliased(alias: Any, kind: Any) -> Shape:
    if any(it is alias for it in _followed):
        raise UnsupportedType(
            f"`{alias.__name__}` holds itself: a dataclass or a TypedDict may, or write `Any` there"
        )
    _followed.append(alias)
    try:
        return shape_of(kind)
    finally:
        _followed.pop()


def _parameters(kind: Any) -> tuple[Any, ...]:
    return getattr(kind, "__parameters__", ())


def _filled(hint: Any, types: dict[Any, Any]) -> Any:
    """An annotation, with types in the place of a generic type's variables."""
    if isinstance(hint, typing.TypeVar):
        return types.get(hint, hint)
    free = _parameters(hint) if get_origin(hint) is not None else ()
    return hint[tuple(types.get(it, it) for it in free)] if free else hint


def _hints(kind: type, types: dict[Any, Any]) -> dict[str, Any]:
    """The annotations of a record, also of those that it inherits from, with types in the place of
    their variables."""
    own = typing.get_type_hints(kind, include_extras=True)
    hints = {name: _filled(hint, types) for name, hint in own.items()}
    # The first has the last word. A TypedDict says by this alone what it inherits from.
    for base in reversed(kind.__dict__.get("__orig_bases__", kind.__bases__)):
        of = get_origin(base) or base
        if not isinstance(of, type) or of is Generic:
            continue
        given = [_filled(it, types) for it in get_args(base)]
        theirs = _hints(of, dict(zip(_parameters(of), given, strict=False)))
        said = typing.get_type_hints(of, include_extras=True)
        hints |= {name: hint for name, hint in theirs.items() if own.get(name) == said[name]}
    return hints


def _choice(members: Any) -> Shape:
    try:
        return choice_of(members)
    except (ValueError, TypeError) as error:
        raise UnsupportedType(str(error)) from None


def _container(kind: Any, origin: Any, arguments: tuple[Any, ...]) -> Shape | None:
    if origin in _LISTS:
        made, accepts = _LISTS[origin]
        item = shape_of(arguments[0] if arguments else Any)
        if made in (set, frozenset) and not containers.is_hashed(item):
            raise UnsupportedType(
                f"a `{getattr(arguments[0], '__name__', arguments[0])}` has no hash, and cannot be"
                " in a set: take a list, or a dataclass that is `frozen=True`"
            )
        return containers.Items(item, made, accepts)
    if origin is tuple:
        # Which `tuple[()]` has, and `tuple` has not.
        if not hasattr(kind, "__args__"):
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
    bounds = []
    for word in words:
        if isinstance(word, str):
            said["description"] = word
        elif isinstance(word, Field):
            said |= word.words(shape.wire)
            bounds.append(word)
    return containers.Bounded(shape, said, bounds) if said or bounds else shape


def _record(asked: Any, kind: type, types: dict[Any, Any]) -> Record:
    known = _records.get(asked)
    if known is not None:
        return known
    if _open.count(kind) == _DEEPEST:
        raise UnsupportedType(
            "it holds itself of ever longer types, without end: let it hold itself of its own types,"
            " or write `Any` there"
        )
    record = _records[asked] = Record(kind, _doc(kind), typing.is_typeddict(kind))
    _open.append(kind)
    try:
        record.fields = _members(kind, _hints(kind, types))
    except BaseException as error:
        del _records[asked]
        if isinstance(error, UnsupportedType | NameError):
            place = f"in `{kind.__name__}`: "
            raise UnsupportedType(f"{place}{str(error).removeprefix(place)}") from None
        raise
    finally:
        _open.pop()
    return record


def _members(kind: type, hints: dict[str, Any]) -> list[Member]:
    if typing.is_typeddict(kind):
        return [Member(it, shape_of(hint), _required(kind, it, hint)) for it, hint in hints.items()]
    _check_kept(hints)
    return [_field(it, hints[it.name]) for it in dataclasses.fields(typing.cast(Any, kind))]


def _check_kept(hints: dict[str, Any]) -> None:
    for name, hint in hints.items():
        if isinstance(hint, dataclasses.InitVar):
            raise UnsupportedType(f"its `{name}` is an `InitVar`, which is not there to be written")


def _required(kind: type, name: str, hint: Any) -> bool:
    # Where annotations are texts, the type itself knows nothing of what stands in them.
    if get_origin(hint) in (typing.Required, typing.NotRequired):
        return get_origin(hint) is typing.Required
    keys: frozenset[str] = getattr(kind, "__required_keys__", frozenset())
    return name in keys


class _Unwritten(Shape):
    """A type without a form in what is not read. It is refused where it would be written."""

    def __init__(self, error: UnsupportedType) -> None:
        self.error = error

    def schema(self, definitions: Definitions) -> Schema:
        raise self.error

    def read(self, value: Any) -> Any:
        raise Mismatch(str(self.error))

    write = read


def _own(field: dataclasses.Field[Any], kind: Any) -> Member:
    """What a dataclass fills in by itself."""
    shape: Shape
    try:
        shape = shape_of(kind)
    except UnsupportedType as error:
        shape = _Unwritten(UnsupportedType(f"its `{field.name}`: {error}"))
    return Member(field.name, shape, required=True, taken=False)


def _field(field: dataclasses.Field[Any], kind: Any) -> Member:
    if not field.init:
        return _own(field, kind)
    shape = shape_of(kind)
    missing = dataclasses.MISSING
    if field.default is missing:
        return Member(field.name, shape, required=field.default_factory is missing)
    return with_default(field.name, shape, field.default)


def with_default(name: str, shape: Shape, default: Any) -> Member:
    """A default that the type or JSON does not have stands in no schema; Python allows it."""
    try:
        written = shape.write(default)
        json.dumps(written, allow_nan=False)
    except (Mismatch, TypeError, ValueError):
        return Member(name, shape, required=False)
    return Member(name, shape, required=False, default=written, has_default=True)


def _doc(kind: type) -> str:
    doc = (kind.__doc__ or "").strip()
    # What a dataclass has by itself is its signature.
    return "" if doc.startswith(f"{kind.__name__}(") else doc
