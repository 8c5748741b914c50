"""Tasks of the module `hostile`, release 7 (digest 7dad45742b50).

Written by `lovage client --lang python`: do not edit it, write it anew.
"""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from lovage_client import AsyncClient, Client, task

#: Of an argument that may be left out: the task has its own value for it then.
_OMITTED: Any = ...

#: a
#: import os
#: """
APassImportOs = TypedDict(
    "APassImportOs",
    {
        "__class__": NotRequired[str],
        #: #
        #: import os
        "x\ny": NotRequired[int],
    },
)

#: b import os
Type: TypeAlias = str

Self: TypeAlias = Any

GoResult = TypedDict(
    "GoResult",
    {
        "__proto__": NotRequired[Literal["`${x}`"]],
        "constructor": NotRequired[str],
    },
)


class ABResult(TypedDict):
    other: NotRequired[str]


@task("hostile.go", names={"__": "*/", "a___import_os_": "a\"];import os#"})
def go(
    *,
    __: Literal["\"]\nimport os\n[\"", "\\", "\u2028", "'''\"\"\"", "\u0000"],
    a___import_os_: str,
    d: str = "\"\nimport os\n\\",
    r: APassImportOs = _OMITTED,
    s: Type = _OMITTED,
    t: Any = _OMITTED,
    u: Self = _OMITTED,
) -> GoResult:
    """*/ alert(1); /* \"\"\" import os
    \\\"\"\" os.system('x') \"
    print(1) print(2)   txt

    - `a\"];import os#`: \"\"\" raise SystemExit
    """
    raise NotImplementedError


@task("hostile.a-b")
def a_b2(**others: Any) -> ABResult:
    raise NotImplementedError


@task("hostile.a_b")
def a_b(**others: Any) -> list[int]:
    """ends in a quote\""""
    raise NotImplementedError


class Hostile:
    """The tasks of `hostile` for a `Client`."""

    def __init__(self, client: Client) -> None:
        self.go = client.task(go)
        self.a_b2 = client.task(a_b2)
        self.a_b = client.task(a_b)


class AsyncHostile:
    """The tasks of `hostile` for an `AsyncClient`."""

    def __init__(self, client: AsyncClient) -> None:
        self.go = client.task(go)
        self.a_b2 = client.task(a_b2)
        self.a_b = client.task(a_b)
