"""The ways in which a task fails, and goes on."""

from typing import Any, Literal

import lovage
from lovage import Failure, context


@lovage.task
def fail(
    kind: str, message: str, advice: Literal["policy", "now", "never", "after"]
) -> None:
    """Fails as it is told."""
    failure = Failure(message, kind=kind)
    match advice:
        case "policy":
            raise failure
        case "now":
            raise failure.retry_now()
        case "never":
            raise failure.never_retry()
        case "after":
            raise failure.retry_after("50ms")


@lovage.task
def crash() -> None:
    """Fails by an error that nobody catches."""

    def inner() -> None:
        raise ValueError("boom")

    inner()


@lovage.task
def flaky(until: int) -> int:
    """Fails until it is tried so often."""
    attempt = context.attempt()
    if attempt < until:
        raise Failure(f"attempt {attempt} of {until}").retry_now()
    return attempt


@lovage.task
def checkpointed() -> Any:
    """Goes on from what its first attempt saved."""
    saved = context.restore()
    if saved is None:
        context.checkpoint({"at": 3})
        raise Failure("the state is saved").retry_now()
    return saved.state
