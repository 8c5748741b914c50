"""Databases for tests: SQLite in memory, which does what a worker's does to a file, without its
limits; and what answers by a function of the test's."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable

from lovage._errors import SqlError
from lovage._host import SqlValue
from lovage.sql import Rows

#: What answers statements: text and parameters.
Answer = Callable[[str, list[SqlValue]], Rows]

_FOR_NO_TASK = {sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH}
#: Of an extended result code, which says more, the low byte is the code.
_PRIMARY = 0xFF
_AUTH = 23


class MemoryDatabase:
    def __init__(self, script: str) -> None:
        self._sqlite = sqlite3.connect(":memory:", isolation_level=None)
        weakref.finalize(self, self._sqlite.close)
        self._sqlite.executescript(script)
        self._sqlite.set_authorizer(_judged)

    def query(self, statement: str, parameters: list[SqlValue]) -> Rows:
        self._check()
        return self.found(statement, parameters)

    def begin(self) -> MemoryTransaction:
        self._check()
        self.say("BEGIN")
        return MemoryTransaction(self)

    def _check(self) -> None:
        # Here is one connection; to a file there are many, of which each would wait for the lock.
        if self._sqlite.in_transaction:
            raise SqlError("database", "database is locked", code="5", retry=True)

    def say(self, words: str) -> None:
        """What no task may say."""
        self._sqlite.set_authorizer(None)
        try:
            self._sqlite.execute(words)
        except sqlite3.Error as error:
            raise _failure(error) from None
        finally:
            self._sqlite.set_authorizer(_judged)

    def found(self, statement: str, parameters: list[SqlValue]) -> Rows:
        before = self._sqlite.total_changes
        try:
            cursor = self._bound(statement, parameters)
            rows = cursor.fetchall()
        except sqlite3.Error as error:
            raise _failure(error) from None
        columns = [name for name, *_ in cursor.description or ()]
        changed = self._sqlite.total_changes - before
        return Rows(columns, rows, changed or (len(rows) if columns else 0))

    def _bound(self, statement: str, parameters: list[SqlValue]) -> sqlite3.Cursor:
        # To SQLite `$1` and `?1` are names.
        named = {str(place): it for place, it in enumerate(parameters, start=1)}
        try:
            return self._sqlite.execute(statement, named)
        except sqlite3.ProgrammingError as error:
            if "has no name" not in str(error):
                raise
        return self._sqlite.execute(statement, parameters)

    def end_attempt(self) -> None:
        if self._sqlite.in_transaction:
            self.say("ROLLBACK")


class MemoryTransaction:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    def query(self, statement: str, parameters: list[SqlValue]) -> Rows:
        return self._database.found(statement, parameters)

    def end(self, commit: bool) -> None:
        self._database.say("COMMIT" if commit else "ROLLBACK")


class AnsweredDatabase:
    """Also its own transaction: what counts of it, the test's function knows."""

    def __init__(self, answer: Answer) -> None:
        self.query = answer

    def begin(self) -> AnsweredDatabase:
        return self

    def end(self, commit: bool) -> None:
        """Nothing was done."""

    def end_attempt(self) -> None:
        """Nothing is open."""


def _judged(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_DENY if action in _FOR_NO_TASK else sqlite3.SQLITE_OK


def _failure(error: sqlite3.Error) -> SqlError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return SqlError("invalid", str(error))
    if code == _AUTH:
        return SqlError("invalid", "this is not for a task: transactions have calls of their own")
    again = code & _PRIMARY in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return SqlError("database", str(error), code=str(code), retry=again)
