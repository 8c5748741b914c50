"""`wasi:keyvalue` as buckets. Imported in the sandbox alone, by a module that wants one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from componentize_py_types import Err
from wit_world.imports import atomics, batch
from wit_world.imports import keyvalue_store as store

from lovage._calls import asked
from lovage._errors import CallError, CallErrorKind

T = TypeVar("T")
#: That interface has no cases of its own for these; the host says them first.
_SAID: dict[str, CallErrorKind] = {
    "invalid: ": "invalid",
    "past a limit: ": "limit",
    "unavailable: ": "unavailable",
}


class Opened:
    def __init__(self, name: str) -> None:
        self.name = name
        self.bucket = self._asked(lambda: store.open(name))

    def _asked(self, call: Callable[[], T]) -> T:
        return asked(call, self._error)

    def _error(self, error: Any) -> CallError:
        if isinstance(error, store.Error_AccessDenied):
            return CallError("denied", f"`bucket {self.name}`")
        if isinstance(error, store.Error_NoSuchStore):
            return CallError("invalid", f"there is no bucket `{self.name}`")
        for said, kind in _SAID.items():
            if error.value.startswith(said):
                return CallError(kind, error.value.removeprefix(said))
        return CallError("unavailable", error.value)

    def get_many(self, keys: list[str]) -> list[bytes | None]:
        pairs = self._asked(lambda: batch.get_many(self.bucket, keys))
        return [value for _, value in pairs]

    def set_many(self, values: list[tuple[str, bytes]]) -> None:
        self._asked(lambda: batch.set_many(self.bucket, values))

    def delete_many(self, keys: list[str]) -> None:
        self._asked(lambda: batch.delete_many(self.bucket, keys))

    def exists(self, key: str) -> bool:
        return bool(self._asked(lambda: self.bucket.exists(key)))

    def page(self, cursor: str | None) -> tuple[list[str], str | None]:
        page = self._asked(lambda: self.bucket.list_keys(cursor))
        return page.keys, page.cursor

    def increment(self, key: str, by: int) -> int:
        return int(self._asked(lambda: atomics.increment(self.bucket, key, by)))

    def swap(self, key: str, expected: bytes | None, value: bytes) -> bool:
        handle = self._asked(lambda: atomics.Cas.new(self.bucket, key))
        # The handle goes by what is read here.
        if self._asked(handle.current) != expected:
            return False
        try:
            atomics.swap(handle, value)
        except Err as error:
            refused = error.value
        else:
            return True
        if isinstance(refused, atomics.CasError_CasFailed):
            return False
        raise self._error(refused.value)
