"""Types: their schemas, and values in and out."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, StrEnum
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    NotRequired,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import pytest

from lovage import DeclarationError, Field
from lovage._msgpack import MsgpackError, encode
from lovage._shapes import Definitions, Mismatch, UnsupportedType, shape_of

T = TypeVar("T")


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


class Level(StrEnum):
    HIGH = "high"


@dataclass
class Base:
    a: int


@dataclass
class Derived(Base):
    b: int


@dataclass
class Cat:
    name: str


@dataclass
class Dog:
    name: str
    breed: str = "x"


@dataclass
class Range:
    begin: int
    end: int

    def __post_init__(self) -> None:
        if self.end < self.begin:
            raise ValueError("it ends before it begins")
        if self.end == 7:
            raise AssertionError


@dataclass
class Search:
    range: Range


@dataclass
class Later:
    scale: InitVar[int]


Tags = NewType("Tags", Annotated[list[str], "Words."])
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
    (tuple[()], [], (), {"type": "array", "minItems": 0, "maxItems": 0}),
    (tuple, [1, "a"], (1, "a"), {"type": "array", "items": {}}),
    (typing.Tuple, [1, "a"], (1, "a"), {"type": "array", "items": {}}),  # noqa: UP006
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


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (
            datetime,
            "x",
            "expected a date and time with its offset, as in `2027-01-31T09:00:00Z`, no",
        ),
        (date, "x", "expected a date, as in `2027-01-31`, not the text"),
        (time, 5, "expected a time, as in `09:00:00`, not the number 5"),
        (bytes, "*", "expected binary data, in base64 where it is a text, not the text"),
        (tuple[int, int], [1], "expected a list of 2, not one of 1"),
        (tuple[int, int], 5, "expected a list of 2, not the number 5"),
    ],
)
def test_what_was_expected_is_told_in_a_sentence(kind: Any, value: Any, said: str) -> None:
    with pytest.raises(Mismatch) as raised:
        shape_of(kind).read(value)
    assert str(raised.value).startswith(said)


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
    for wrong in (True, 5.5, "5", 1 << 64, 1e300, 2.0**64, float("inf"), float("nan")):
        with pytest.raises(Mismatch):
            shape.read(wrong)
    assert shape.read(-(2.0**63)) == -(1 << 63)


def test_a_long_number_is_cut_in_words() -> None:
    with pytest.raises(Mismatch, match="of 64 bits, not an integer of 997 bits"):
        shape_of(int).read(1e300)
    with pytest.raises(Mismatch, match="of 64 bits, not an integer of 16610 bits"):
        shape_of(int).write(10**5_000)
    with pytest.raises(Mismatch, match="a number of 64 bits, not an integer of 16610 bits"):
        shape_of(float).write(10**5_000)
    with pytest.raises(Mismatch, match=f"not the number 1.{'0' * 38}…$"):
        shape_of(int).write(Decimal(f"1.{'0' * 90}"))
    with pytest.raises(MsgpackError, match="an integer of 16610 bits has more than 64"):
        encode(10**5_000)


def test_a_union_takes_what_needs_no_conversion() -> None:
    assert shape_of(bytes | str).read("abcd") == "abcd"
    assert shape_of(float | int).read(5) == 5
    assert type(shape_of(float | int).read(5)) is int
    with pytest.raises(Mismatch, match="fits none of its types"):
        shape_of(int | str).read([])


def test_a_union_takes_the_record_that_keeps_most() -> None:
    named, dog = {"name": "a"}, {"name": "a", "breed": "b"}
    bounded = Annotated[Dog, "A dog."]
    for kind in (Cat | Dog, Cat | bounded, Cat | None | Dog, Cat | list[int] | (Dog | int)):
        assert shape_of(kind).read(dog) == Dog("a", "b")
        assert shape_of(kind).read(named) == Cat("a")
    assert shape_of(Dog | Cat).read(named) == Dog("a")
    assert shape_of(Cat | dict[str, str]).read(dog) == dog
    assert shape_of(Base | Derived).read({"a": 1, "b": 2}) == Derived(1, 2)
    # One that keeps more and does not fit is not taken.
    assert shape_of(Cat | Dog).read({"name": "a", "breed": 5}) == Cat("a")


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


def test_choices_are_told_apart_by_their_type() -> None:
    for choice in (Literal[1, True], Literal[True, 1]):
        for value in (1, True):
            assert shape_of(choice).read(value) is value and shape_of(choice).write(value) is value
    red = shape_of(Literal[Colour.RED, "none"])
    assert red.schema(Definitions()) == {"type": "string", "enum": ["red", "none"]}
    assert (red.read("red"), red.write(Colour.RED), red.read("none")) == (
        Colour.RED,
        "red",
        "none",
    )
    for wrong in (Colour.BLUE, "red"):
        with pytest.raises(Mismatch, match=r"expected one of <Colour\.RED: 'red'>, 'none'"):
            red.write(wrong)
    assert shape_of(Literal[Level.HIGH]).read("high") is Level.HIGH


def test_a_moment_does_not_lose_its_time() -> None:
    assert shape_of(date | datetime).write(MOMENT) == "2027-01-31T09:00:00+00:00"
    assert shape_of(date | datetime).write(MOMENT.date()) == "2027-01-31"
    with pytest.raises(Mismatch, match="expected a `date`, not a `datetime`"):
        shape_of(date).write(MOMENT)


def test_a_record_is_written_as_what_it_is() -> None:
    assert shape_of(Base | Derived).write(Derived(1, 2)) == {"a": 1, "b": 2}
    assert shape_of(Base | None).write(Derived(1, 2)) == {"a": 1}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (list[int] | None, {"maxItems": 4}),
        (Tags, {"maxItems": 4}),
        (dict[str, int], {"maxProperties": 4}),
        # A worker's schema sees no bytes: it would refuse all that are to have a length.
        (bytes, {}),
        (bytes | str, {}),
        (str, {"maxLength": 4}),
    ],
)
def test_a_length_is_in_the_words_of_its_type(kind: Any, schema: dict[str, Any]) -> None:
    told = shape_of(Annotated[kind, Field(max_length=4)]).schema(Definitions())
    assert {word: told[word] for word in told if word.startswith("max")} == schema


def test_bounds_are_of_what_the_task_has() -> None:
    few = shape_of(Annotated[bytes | str, Field(min_length=3, max_length=3)])
    assert few.read(b"abc") == b"abc" and few.read("abc") == "abc"
    assert shape_of(Annotated[bytes, Field(max_length=3)]).read("YWJj") == b"abc"
    price = shape_of(Annotated[Decimal, Field(ge=0, lt=10)])
    assert price.read("9.99") == Decimal("9.99")
    for wrong in ("-0.01", "10", "NaN"):
        with pytest.raises(Mismatch, match=f"the number {wrong} is not"):
            price.read(wrong)
        with pytest.raises(Mismatch):
            price.write(Decimal(wrong))
    with pytest.raises(DeclarationError, match=r"`pattern`: `\(`: missing \)"):
        Field(pattern="(")


def test_what_a_dataclass_refuses_does_not_fit() -> None:
    for wrong, said in ((-1, "at `range`: it ends before it begins"), (7, "at `range`: it is no")):
        with pytest.raises(Mismatch, match=said):
            shape_of(Search).read({"range": {"begin": 0, "end": wrong}})
    assert shape_of(Search).read({"range": {"begin": 0, "end": 1}}).range == Range(0, 1)


@dataclass(frozen=True)
class Frozen:
    parts: tuple[Any, ...] = ()


@pytest.mark.parametrize(
    "item",
    [
        Base,
        Options,
        list[int],
        dict[str, int],
        bytearray,
        set[int],
        int | Base,
        tuple[int, Base],
        tuple[list[int], ...],
        Annotated[list[int], "Words."],
    ],
)
def test_a_set_is_of_what_has_a_hash(item: Any) -> None:
    for kind in (set[item], frozenset[item]):
        with pytest.raises(UnsupportedType, match="has no hash, and cannot be in a set: take a"):
            shape_of(kind)


def test_a_set_that_cannot_be_made_does_not_fit() -> None:
    assert shape_of(set[Frozen]).read([{}, {}]) == {Frozen()}
    assert shape_of(set[frozenset[int] | tuple[str, int]]).read([[1], ["a", 1]]) == {
        frozenset([1]),
        ("a", 1),
    }
    with pytest.raises(Mismatch, match="its items cannot be in a set: unhashable type: 'list'"):
        shape_of(set[Any]).read([[1]])
    with pytest.raises(Mismatch, match="at `a`: its items cannot be in a set"):
        shape_of(dict[str, set[Frozen]]).read({"a": [{"parts": [{}]}]})


def test_types_that_need_more_words() -> None:
    class Alias:
        __name__ = "Json"

        @property
        def __value__(self) -> Any:
            return dict[str, self]  # type: ignore[valid-type]

    for kind, said in (
        (Later, "in `Later`: its `scale` is an `InitVar`"),
        (Alias(), "`Json` holds itself"),
    ):
        with pytest.raises(UnsupportedType, match=said):
            shape_of(kind)


def test_types_without_a_schema() -> None:
    for kind in (complex, dict[int, str], type, lambda: None, list[complex]):
        with pytest.raises(UnsupportedType):
            shape_of(kind)
