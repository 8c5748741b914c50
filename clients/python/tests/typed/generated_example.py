"""Tasks of the module `basics`, release 1.

Written by `lovage client --lang python`: do not edit it, write it anew.
"""

from typing import Any, Literal, TypedDict

from lovage_client import AsyncClient, Client, task

#: What `fail` asks of the queue.
Next = Literal["now", "after-second", "never", "policy"]


class Embedded(TypedDict):
    """What `embed` answers: the text's vector, and how many texts were embedded with it."""

    vector: list[float]
    together: int


class Seen(TypedDict):
    """The job as its task sees it."""

    id: str
    tenant: str
    task: str
    queue: str
    digest: str
    attempt: int
    max_attempts: int
    remaining_ms: int
    headers: list[list[str]]


@task("basics.add")
def add(*, a: int, b: int) -> int:
    """Adds two numbers: the smallest task there is."""
    raise NotImplementedError


@task("basics.bytes")
def bytes_(*, length: int) -> bytes:
    """Answers with as many bytes as it is asked for."""
    raise NotImplementedError


@task("basics.echo")
def echo(*, value: Any) -> Any:
    """Answers with what it was given."""
    raise NotImplementedError


@task("basics.embed")
def embed(*, text: str) -> Embedded:
    """Makes vectors of texts, as models do."""
    raise NotImplementedError


@task("basics.fail")
def fail(*, message: str, next: Next | None = None) -> None:
    """Fails, and says what to do next."""
    raise NotImplementedError


@task("basics.whoami")
def whoami() -> Seen:
    """Answers with all that a task knows of its job."""
    raise NotImplementedError


class Basics:
    """The tasks of `basics` for a `Client`."""

    def __init__(self, client: Client) -> None:
        self.add = client.task(add)
        self.bytes = client.task(bytes_)
        self.echo = client.task(echo)
        self.embed = client.task(embed)
        self.fail = client.task(fail)
        self.whoami = client.task(whoami)


class AsyncBasics:
    """The tasks of `basics` for an `AsyncClient`."""

    def __init__(self, client: AsyncClient) -> None:
        self.add = client.task(add)
        self.bytes = client.task(bytes_)
        self.echo = client.task(echo)
        self.embed = client.task(embed)
        self.fail = client.task(fail)
        self.whoami = client.task(whoami)
