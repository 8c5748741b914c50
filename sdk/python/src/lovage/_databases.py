"""`lovage:task/sql` as databases. Imported in the sandbox alone, by a module that wants one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from componentize_py_types import Err
from wit_world.imports import sql as wit

from lovage._errors import CallErrorKind, SqlError
from lovage._host import SqlValue
from lovage.sql import Rows

T = TypeVar("T")
_KINDS: dict[type, CallErrorKind] = {
    wit.SqlError_Denied: "denied",
    wit.SqlError_Unknown: "unknown",
    wit.SqlError_Invalid: "invalid",
    wit.SqlError_Limit: "limit",
    wit.SqlError_Unavailable: "unavailable",
}
_VALUES: dict[type, Any] = {
    bool: wit.Value_Boolean,
    int: wit.Value_Integer,
    float: wit.Value_Real,
    str: wit.Value_Text,
    bytes: wit.Value_Blob,
}


class Opened:
    def __init__(self, name: str) -> None:
        self.name = name

    def query(self, statement: str, parameters: list[SqlValue]) -> Rows:
        given = [_given(it) for it in parameters]
        return _rows(_asked(lambda: wit.query(self.name, statement, given)))

    def begin(self) -> Begun:
        return Begun(_asked(lambda: wit.Transaction.begin(self.name)))


class Begun:
    def __init__(self, transaction: Any) -> None:
        self.transaction = transaction

    def query(self, statement: str, parameters: list[SqlValue]) -> Rows:
        given = [_given(it) for it in parameters]
        return _rows(_asked(lambda: self.transaction.query(statement, given)))

    def end(self, commit: bool) -> None:
        # Given back to the host, whatever it answers.
        with self.transaction as it:
            _asked(it.commit if commit else it.rollback)


def _asked(call: Callable[[], T]) -> T:
    try:
        return call()
    except Err as error:
        value = error.value
    if isinstance(value, wit.SqlError_Database):
        said = value.value
        raise SqlError("database", said.message, code=said.code, retry=said.retry)
    raise SqlError(_KINDS[type(value)], value.value)


def _given(value: SqlValue) -> Any:
    return wit.Value_Null() if value is None else _VALUES[type(value)](value)


def _rows(found: Any) -> Rows:
    rows = [[getattr(value, "value", None) for value in row] for row in found.rows]
    return Rows(found.columns, rows, found.affected)
