"""What goes wrong: while a module is declared, while a task runs, and between it and the host."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Self

from lovage import _values


class DeclarationError(TypeError):
    """A task that cannot be: a wrong option, or a type that has no JSON Schema."""


CallErrorKind = Literal["denied", "unknown", "invalid", "database", "limit", "unavailable"]

_TOLD: dict[CallErrorKind, str] = {
    "denied": "not granted",
    "unknown": "unknown connection",
    "invalid": "invalid",
    "database": "the database says",
    "limit": "over the limit",
    "unavailable": "unavailable",
}


class CallError(Exception):
    """Why the host did not do what a task asked of it.

    `kind` is `denied` (the module was not granted this), `invalid` (what was asked makes no
    sense), `limit` (on size or number) or `unavailable` (the same call may succeed later). Of a
    `SqlError` there are more.
    """

    def __init__(self, kind: CallErrorKind, text: str) -> None:
        super().__init__(f"{_TOLD[kind]}: {text}")
        self.kind: CallErrorKind = kind
        self.text = text


class SqlError(CallError):
    """Why a statement was not carried out.

    `kind` may also be `unknown` (the worker has no connection of that name) or `database`: then
    `text` is what the database itself says, and `code` its SQLSTATE, or SQLite's extended result
    code. `may_retry` says whether the same may succeed when it is tried again.
    """

    def __init__(
        self, kind: CallErrorKind, text: str, *, code: str | None = None, retry: bool = False
    ) -> None:
        super().__init__(kind, text)
        if code is not None:
            self.args = (f"the database says {code}: {text}",)
        self.code = code
        self.may_retry = retry or kind == "unavailable"


@dataclass(frozen=True)
class Retry:
    """What a failed attempt asks of the queue."""

    advice: Literal["policy", "now", "after", "never"]
    after_ms: int = 0


class Failure(Exception):
    """Why a task did not succeed, and what to do next.

    To be raised by a task, or returned for one call of a batch. `kind` is a stable word that
    tells failures apart, `detail` more than the one line of `message`.
    """

    def __init__(self, message: str, *, kind: str = "error", detail: str | None = None) -> None:
        # Also an error, as many write it; and a text that is none would end the attempt.
        self.message = whole_text(str(message))
        super().__init__(self.message)
        self.kind = kind
        self.detail = None if detail is None else whole_text(detail)
        self.retry = Retry("policy")

    def never_retry(self) -> Self:
        """Asks for no further attempt: the job is discarded."""
        self.retry = Retry("never")
        return self

    def retry_now(self) -> Self:
        """Asks for the next attempt at once. It counts as one."""
        self.retry = Retry("now")
        return self

    def retry_after(self, wait: str | timedelta) -> Self:
        """Asks for the next attempt after a while, as in `"30s"`. It counts as one."""
        self.retry = Retry("after", _values.duration(wait))
        return self

    def retry_by_policy(self) -> Self:
        """Leaves it to the job's retry policy, as a new failure does."""
        self.retry = Retry("policy")
        return self


def whole_text(text: str) -> str:
    """A text without halves of surrogate pairs, as Python has them of bytes that are no UTF-8."""
    return text.encode(errors="replace").decode()


def argument_failure(message: str) -> Failure:
    """An input that does not fit would not fit again."""
    return Failure(message, kind="argument").never_retry()


# Tracebacks name them as the author does.
for _error in (DeclarationError, CallError, SqlError, Failure):
    _error.__module__ = "lovage"
