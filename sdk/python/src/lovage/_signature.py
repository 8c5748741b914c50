"""A function's arguments and result: from its annotations to JSON Schemas, and values in and out.

Annotations are read when they are first needed and not at declaration, so that they may name
what stands further below in the file."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable
from typing import Any

from lovage._errors import DeclarationError, Failure, argument_failure
from lovage._msgpack import MsgpackError, decode_pairs, encode
from lovage._shapes import Definitions, Member, Mismatch, Record, Schema, Shape, shape_of
from lovage._shapes.resolve import UnsupportedType, with_default

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


class Signature:
    """What callers send to a task by name, and what they get."""

    def __init__(self, task: str, function: Callable[..., Any], batched: bool) -> None:
        self.task = task
        self._function = function
        #: Of a batched task: what holds the arguments of one call.
        self._call: Record | None = None
        hints = self._hints()
        takes = self._takes(hints)
        returns = hints.get("return", Any)
        if batched:
            self._call, returns = self._one_call(takes, returns)
            takes = self._call.taken
        self.arguments = takes
        self.result = self._shape(returns, "the result")

    def _wrong(self, message: str) -> DeclarationError:
        return DeclarationError(f"task `{self.task}`: {message}")

    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self._function, include_extras=True)
        except NameError as error:
            raise self._wrong(
                f"{error}: a type of an argument or result is imported where its module is,"
                " and not under `if TYPE_CHECKING`"
            ) from None

    def _shape(self, kind: Any, what: str) -> Shape:
        try:
            return shape_of(kind)
        except UnsupportedType as error:
            raise self._wrong(f"{what}: {error}") from None

    def _takes(self, hints: dict[str, Any]) -> list[Member]:
        takes = []
        for name, parameter in inspect.signature(self._function).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise self._wrong(
                    f"argument `{name}`: arguments have a name each, and cannot be `*{name}`"
                )
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise self._wrong(f"argument `{name}`: it goes by name; take the `/` away")
            if name not in hints:
                raise self._wrong(f"argument `{name}` has no type: write `{name}: str`, say")
            shape = self._shape(hints[name], f"argument `{name}`")
            if parameter.default is not parameter.empty:
                takes.append(with_default(name, shape, parameter.default))
            else:
                takes.append(Member(name, shape, required=True))
        return takes

    def _one_call(self, takes: list[Member], returns: Any) -> tuple[Record, Any]:
        item = getattr(takes[0].shape, "item", None) if len(takes) == 1 else None
        if not isinstance(item, Record):
            raise self._wrong(
                "a batched task takes one argument, its calls, as in `calls: list[Arguments]`:"
                " the fields of `Arguments`, a dataclass or a TypedDict, are what callers send"
            )
        if typing.get_origin(returns) is not list:
            raise self._wrong(
                "a batched task returns a result for each of its calls, as in"
                " `list[int | lovage.Failure]`"
            )
        (result,) = typing.get_args(returns)
        if typing.get_origin(result) in (typing.Union, types.UnionType):
            results = [it for it in typing.get_args(result) if it is not Failure]
            result = typing.Union[tuple(results)]  # noqa: UP007
        return item, result

    def input_schema(self) -> str:
        definitions = Definitions()
        schema: Schema = {
            "type": "object",
            "properties": {it.name: it.schema(definitions) for it in self.arguments},
            "required": [it.name for it in self.arguments if it.required],
            "additionalProperties": False,
        }
        return _document(schema, definitions)

    def output_schema(self) -> str:
        definitions = Definitions(output=True)
        try:
            return _document(self.result.root(definitions), definitions)
        except UnsupportedType as error:
            raise self._wrong(f"the result: {error}") from None

    def read(self, data: bytes) -> dict[str, Any]:
        """The arguments that a caller sent. What does not fit is a failure that names it."""
        values: dict[str, Any] = {}
        fields = {field.name: field for field in self.arguments}
        for name, value in self._pairs(data):
            field = fields.get(name)
            if field is None:
                raise argument_failure(self._unknown(name))
            if name in values:
                raise argument_failure(f"argument `{name}` of `{self.task}` is given twice")
            try:
                values[name] = field.shape.read(value)
            except Mismatch as mismatch:
                raise argument_failure(f"argument `{name}` of `{self.task}`: {mismatch}") from None
        for field in self.arguments:
            if field.required and field.name not in values:
                raise argument_failure(f"argument `{field.name}` of `{self.task}` is missing")
        return values

    def read_call(self, data: bytes) -> Any:
        """The same for one call of a batched task: its dataclass or TypedDict."""
        values = self.read(data)
        if self._call is None:
            return values
        try:
            return self._call.made(values)
        except Mismatch as mismatch:
            raise argument_failure(f"the arguments of `{self.task}`: {mismatch}") from None

    def _pairs(self, data: bytes) -> list[tuple[str, Any]]:
        try:
            pairs = decode_pairs(data)
        except MsgpackError as error:
            raise argument_failure(
                f"the input of `{self.task}` is no MessagePack that a task takes: {error}"
            ) from None
        if pairs is None:
            raise argument_failure(f"the input of `{self.task}` is no map of arguments")
        if not all(isinstance(name, str) for name, _ in pairs):
            raise argument_failure(f"the input of `{self.task}` has a key that is no string")
        return pairs

    def _unknown(self, name: str) -> str:
        if not self.arguments:
            return f"`{self.task}` has no argument `{name}`: it has none"
        known = "`, `".join(field.name for field in self.arguments)
        return f"`{self.task}` has no argument `{name}`: its arguments are `{known}`"

    def write(self, result: Any) -> bytes:
        """A result. One that is not of the annotated type is a failure of the task, and would be
        one again."""
        try:
            return encode(self.result.write(result))
        except (Mismatch, MsgpackError) as error:
            failure = Failure(f"the result of `{self.task}`: {error}", kind="result")
            raise failure.never_retry() from None


def _document(schema: Schema, definitions: Definitions) -> str:
    document = {"$schema": _DRAFT, **schema}
    if definitions.schemas:
        document["$defs"] = definitions.schemas
    return json.dumps(document, ensure_ascii=False)
