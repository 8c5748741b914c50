"""Types: their schemas, and values in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict
from uuid import UUID

import pytest

from lovage import Field
from lovage._shapes import Definitions, Mismatch, UnsupportedType, shape_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Node:
    """A tree."""

    label: str
    inner: list[Node] = field(default_factory=list)
    weight: int = 1


class Options(TypedDict):
    size: int
    name: NotRequired[str]


UserId = NewType("UserId", int)
MOMENT = datetime(2027, 1, 31, 9, tzinfo=UTC)
ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")

VALUES: list[tuple[Any, Any, Any, dict[str, Any]]] = [
    (int, 5, 5, {"type": "integer"}),
    (float, 5, 5.0, {"type": "number"}),
    (bool, True, True, {"type": "boolean"}),
    (None, None, None, {"type": "null"}),
    (bytes, b"\xff", b"\xff", {"type": "string", "contentEncoding": "base64"}),
    (bytes, "_w==", b"\xff", {"type": "string", "contentEncoding": "base64"}),
    (bytes, [1, 2], b"\x01\x02", {"type": "string", "contentEncoding": "base64"}),
    (bytearray, b"x", bytearray(b"x"), {"type": "string", "contentEncoding": "base64"}),
    (Any, {"a": [1]}, {"a": [1]}, {}),
    (int | None, None, None, {"type": ["integer", "null"]}),
    (int | str, "5", "5", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    (list[int], [1], [1], {"type": "array", "items": {"type": "integer"}}),
    (Sequence[int], [1], [1], {"type": "array", "items": {"type": "integer"}}),
    (set[str], ["a"], {"a"}, {"type": "array", "items": {"type": "string"}, "uniqueItems": True}),
    (tuple[int, ...], [1, 2], (1, 2), {"type": "array", "items": {"type": "integer"}}),
    (
        tuple[int, str],
        [1, "a"],
        (1, "a"),
        {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
        },
    ),
    (
        Mapping[str, int],
        {"a": 1},
        {"a": 1},
        {"type": "object", "additionalProperties": {"type": "integer"}},
    ),
    (Literal["a", 1], 1, 1, {"enum": ["a", 1]}),
    (Colour, "red", Colour.RED, {"type": "string", "enum": ["red", "blue"]}),
    (
        datetime,
        "2027-01-31T09:00:00+00:00",
        MOMENT,
        {"type": "string", "format": "date-time"},
    ),
    (date, "2027-01-31", date(2027, 1, 31), {"type": "string", "format": "date"}),
    (UUID, str(ID), ID, {"type": "string", "format": "uuid"}),
    (Decimal, "1.10", Decimal("1.10"), {"type": "string", "format": "decimal"}),
    (UserId, 7, 7, {"type": "integer"}),
    (
        Annotated[int, "The longest side.", Field(ge=1)],
        1,
        1,
        {"type": "integer", "description": "The longest side.", "minimum": 1},
    ),
    (
        Annotated[list[int], Field(max_length=2)],
        [1],
        [1],
        {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
    ),
]


@pytest.mark.parametrize(("kind", "wire", "value", "schema"), VALUES)
def test_in_and_out(kind: Any, wire: Any, value: Any, schema: dict[str, Any]) -> None:
    shape = shape_of(kind)
    assert shape.schema(Definitions()) == schema
    read = shape.read(wire)
    assert read == value and type(read) is type(value)
    assert shape.read(shape.write(read)) == value


def test_integers_are_whole_and_of_64_bits() -> None:
    shape = shape_of(int)
    assert shape.read(5.0) == 5
    for edge in ((1 << 64) - 1, -(1 << 63)):
        assert shape.write(edge) == edge
    for wrong in (True, 5.5, "5", 1 << 64):
        with pytest.raises(Mismatch):
            shape.read(wrong)


def test_a_union_takes_what_needs_no_conversion() -> None:
    assert shape_of(bytes | str).read("abcd") == "abcd"
    assert shape_of(float | int).read(5) == 5
    assert type(shape_of(float | int).read(5)) is int
    with pytest.raises(Mismatch, match="fits none of its types"):
        shape_of(int | str).read([])


def test_a_record_that_holds_itself() -> None:
    shape = shape_of(Node)
    definitions = Definitions()
    assert shape.schema(definitions) == {"$ref": "#/$defs/Node"}
    node = definitions.schemas["Node"]
    assert node["required"] == ["label"]
    assert node["description"] == "A tree."
    assert node["properties"]["inner"] == {"type": "array", "items": {"$ref": "#/$defs/Node"}}
    assert node["properties"]["weight"] == {"type": "integer", "default": 1}
    tree = shape.read({"label": "a", "inner": [{"label": "b", "weight": 2}], "later": True})
    assert tree == Node("a", [Node("b", weight=2)])
    assert shape.write(tree)["inner"][0] == {"label": "b", "inner": [], "weight": 2}


def test_a_typed_dict() -> None:
    shape = shape_of(Options)
    assert shape.root(Definitions())["required"] == ["size"]
    assert shape.read({"size": 1}) == {"size": 1}
    assert shape.write({"size": 1, "name": "a"}) == {"size": 1, "name": "a"}
    with pytest.raises(Mismatch, match="no key `nam`"):
        shape.write({"size": 1, "nam": "a"})


def test_two_types_of_one_name_are_told_apart() -> None:
    def made() -> type:
        @dataclass
        class Part:
            n: int

        return Part

    definitions = Definitions()
    schemas = [shape_of(made()).schema(definitions) for _ in range(2)]
    assert schemas == [{"$ref": "#/$defs/Part"}, {"$ref": "#/$defs/Part2"}]


def test_what_does_not_fit_is_told_by_its_place() -> None:
    with pytest.raises(Mismatch) as raised:
        shape_of(dict[str, list[Node]]).read({"a": [{"label": "x", "inner": [{"label": 5}]}]})
    assert str(raised.value) == "at `a[0].inner[0].label`: expected a text, not the number 5"
    with pytest.raises(Mismatch, match="at `label`: it is missing"):
        shape_of(Node).read({})
    with pytest.raises(Mismatch, match="one of 'red', 'blue'"):
        shape_of(Colour).read("green")
    with pytest.raises(Mismatch, match="offset"):
        shape_of(datetime).read("2027-01-31T09:00:00")
    with pytest.raises(Mismatch, match="base64"):
        shape_of(bytes).read("not base64")
    with pytest.raises(Mismatch, match="the number 0 is not 1 or more"):
        shape_of(Annotated[int, Field(ge=1)]).read(0)


def test_types_without_a_schema() -> None:
    for kind in (complex, dict[int, str], type, lambda: None, list[complex]):
        with pytest.raises(UnsupportedType):
            shape_of(kind)
