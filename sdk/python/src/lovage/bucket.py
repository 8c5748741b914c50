"""What a tenant's tasks keep from one job to the next: keys with values, by the grant
`bucket NAME`. It is there with its first key, and the same for every worker.

A write is no part of its job: it stays when the job fails afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lovage import _host
from lovage._errors import CallError

__all__ = ["Bucket", "open"]


class Bucket:
    """A bucket that was opened. Each call is one step: all of it is done, or nothing."""

    def __init__(self, store: _host.BucketHost) -> None:
        self._store = store

    def get(self, key: str) -> bytes | None:
        """The value of a key, if it is there."""
        return self._store.get_many([key])[0]

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The values of those keys that are there, of one moment."""
        asked = list(keys)
        found = zip(asked, self._store.get_many(asked), strict=True)
        return {key: value for key, value in found if value is not None}

    def set(self, key: str, value: bytes | str) -> None:
        """A text is kept as UTF-8."""
        self.set_many({key: value})

    def set_many(self, values: Mapping[str, bytes | str]) -> None:
        self._store.set_many([(key, _data(value)) for key, value in values.items()])

    def delete(self, key: str) -> None:
        self.delete_many([key])

    def delete_many(self, keys: Iterable[str]) -> None:
        self._store.delete_many(list(keys))

    def exists(self, key: str) -> bool:
        return self._store.exists(key)

    def keys(self) -> Iterator[str]:
        """All keys in the order of their bytes, page by page as they are asked for."""
        cursor = None
        while True:
            page, cursor = self._store.page(cursor)
            yield from page
            if cursor is None:
                return

    def increment(self, key: str, by: int = 1) -> int:
        """Adds to a number, which is zero where there is none, and answers with the sum."""
        return self._store.increment(key, by)

    def swap(self, key: str, expected: bytes | str | None, value: bytes | str) -> bool:
        """Sets a key if it still has the value that is expected (None: if it is not there), and
        says whether it did."""
        before = None if expected is None else _data(expected)
        return self._store.swap(key, before, _data(value))


def open(name: str) -> Bucket:
    """What was not granted is a `CallError` of the kind `denied`."""
    return Bucket(_host.current().bucket(name))


def _data(value: bytes | str) -> bytes:
    if isinstance(value, str):
        return value.encode()
    # To `bytes` itself a number is so many zeros.
    if not isinstance(value, bytes | bytearray | memoryview):
        raise CallError("invalid", f"a value is bytes or a text, not a `{type(value).__name__}`")
    return bytes(value)
