"""Tasks of the module `my-shapes`, release 7 (digest 7dad45742b50).

Written by `lovage client --lang python`: do not edit it, write it anew.
"""

from typing import Any, Literal, Never, NotRequired, TypeAlias, TypedDict

from lovage_client import AsyncClient, Client, task

#: Of an argument that may be left out: the task has its own value for it then.
_OMITTED: Any = ...


class Inner(TypedDict):
    #: A number.
    n: int


class Nested(TypedDict):
    """A record in a record."""

    inner: list[Inner]
    label: str


class TypesPlace(TypedDict):
    x: float
    y: NotRequired[float]


class Tree(TypedDict):
    children: "list[Tree]"
    up: NotRequired["Tree | None"]


Json: TypeAlias = "bool | float | str | list[Json] | dict[str, Json] | None"


class ShapeCircle(TypedDict):
    kind: Literal["circle"]
    radius: float


ShapeSquare = TypedDict(
    "ShapeSquare",
    {
        "class": NotRequired[str],
        "kind": Literal["square"],
        "side": float,
    },
)

#: What can be drawn.
Shape: TypeAlias = ShapeCircle | ShapeSquare


class Drawing(TypedDict):
    """What was drawn."""

    gone: NotRequired[Literal["yes"]]
    next: NotRequired[Literal["again", 1, True] | None]
    pixels: bytes


class MergedResultLeft(TypedDict):
    id: str
    left: int


class MergedResultRight(TypedDict):
    id: str
    right: str


class OpenEndedResult(TypedDict):
    known: NotRequired[int | None]


class T3dResultAny(TypedDict):
    x: int


class Base(TypedDict):
    kind: str


class ConditionalResult(TypedDict):
    a: NotRequired[int]
    b: NotRequired[Base]
    kind: str


class EitherResult(TypedDict):
    extra: NotRequired[int]
    kind: str


class PatternedMixed(TypedDict):
    a: int


class PatternedNamed(TypedDict):
    x: NotRequired[int]
    y: Any


class PatternedResultItem(TypedDict):
    a: NotRequired[int]


List = TypedDict(
    "List",
    {
        "int": str,
        "list": list[int],
        "n": NotRequired[int],
    },
)

Nothing: TypeAlias = None


@task("my-shapes.types", names={"content_type": "content-type", "from_": "from"})
def types(
    *,
    any: Any = _OMITTED,
    big: int,
    blob: bytes,
    bounded: int = 3,
    content_type: str = _OMITTED,
    count: int = _OMITTED,
    flag: bool,
    from_: str,
    items: list[int],
    maybe: str | None = None,
    named: dict[str, int],
    nested: Nested,
    own: Nested = _OMITTED,
    pair: tuple[str, int],
    place: TypesPlace = _OMITTED,
    quiet: bool = False,
    real: float,
    rest: list[str | float] = _OMITTED,
    small: int,
    tags: list[str | int] = _OMITTED,
    text: str,
    unit: Literal["mm", "inch"] = "mm",
) -> Nested:
    """Takes one of each, and answers with it.

    - `own`: Another one.
    - `text`: Any text.
    """
    raise NotImplementedError


@task("my-shapes.tree")
def tree(*, root: Tree, value: Json = _OMITTED) -> list[str | int]:
    raise NotImplementedError


@task("my-shapes.draw")
def draw(*, shape: Shape) -> Drawing:
    """Draws one of several."""
    raise NotImplementedError


@task("my-shapes.merged")
def merged(*, a: int, b: str) -> MergedResultLeft | MergedResultRight:
    """Takes what several schemas say together."""
    raise NotImplementedError


@task("my-shapes.open-ended")
def open_ended(*, known: str = _OMITTED, **others: Any) -> OpenEndedResult:
    """Takes anything."""
    raise NotImplementedError


@task("my-shapes.whatever")
def whatever(**others: Any) -> Never:
    """Takes what no type tells."""
    raise NotImplementedError


@task("my-shapes.task")
def task_() -> None:
    """Is called as the stubs' own words are."""
    raise NotImplementedError


@task("my-shapes.import", names={"class_2": "class"})
def import_(*, class_2: str, class_: str) -> dict[str, Any]:
    """Is called as a keyword is."""
    raise NotImplementedError


@task("my-shapes.3d")
def _3d() -> T3dResultAny:
    """Begins with a digit.

    Its doc has paragraphs, the second of which is one long line that goes on and on until it has
    to be broken somewhere.

    - and a list
    - of two
    """
    raise NotImplementedError


@task("my-shapes.conditional")
def conditional(
    *,
    address: str = _OMITTED,
    kind: Literal["file", "url"],
    path: str = _OMITTED,
    tries: int = _OMITTED,
) -> ConditionalResult:
    """Takes what depends on something else."""
    raise NotImplementedError


@task("my-shapes.either")
def either(
    *,
    id: str,
    left: int = _OMITTED,
    right: str = _OMITTED,
    size: Any = _OMITTED,
    unit: str = _OMITTED,
) -> EitherResult:
    """Takes one of two, or both."""
    raise NotImplementedError


@task("my-shapes.patterned")
def patterned(
    *,
    headers: dict[str, str] = _OMITTED,
    known: str = _OMITTED,
    mixed: PatternedMixed | dict[str, Any] = _OMITTED,
    named: PatternedNamed = _OMITTED,
    **others: Any,
) -> list[PatternedResultItem]:
    """Takes names of a pattern."""
    raise NotImplementedError


@task("my-shapes.builtin")
def builtin(*, int: str, list: List = _OMITTED, str: int) -> Nothing:
    """Has names that types have."""
    raise NotImplementedError


class MyShapes:
    """The tasks of `my-shapes` for a `Client`."""

    def __init__(self, client: Client) -> None:
        self.types = client.task(types)
        self.tree = client.task(tree)
        self.draw = client.task(draw)
        self.merged = client.task(merged)
        self.open_ended = client.task(open_ended)
        self.whatever = client.task(whatever)
        self.task = client.task(task_)
        self.import_ = client.task(import_)
        self._3d = client.task(_3d)
        self.conditional = client.task(conditional)
        self.either = client.task(either)
        self.patterned = client.task(patterned)
        self.builtin = client.task(builtin)


class AsyncMyShapes:
    """The tasks of `my-shapes` for an `AsyncClient`."""

    def __init__(self, client: AsyncClient) -> None:
        self.types = client.task(types)
        self.tree = client.task(tree)
        self.draw = client.task(draw)
        self.merged = client.task(merged)
        self.open_ended = client.task(open_ended)
        self.whatever = client.task(whatever)
        self.task = client.task(task_)
        self.import_ = client.task(import_)
        self._3d = client.task(_3d)
        self.conditional = client.task(conditional)
        self.either = client.task(either)
        self.patterned = client.task(patterned)
        self.builtin = client.task(builtin)
