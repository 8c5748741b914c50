"""A bucket in memory, for tests: what the broker's does, without its limits."""

from __future__ import annotations

from lovage._errors import CallError

#: Keys of a page.
PAGE = 1_000


class MemoryBucket:
    def __init__(self, kept: dict[str, bytes]) -> None:
        self.kept = kept

    def get_many(self, keys: list[str]) -> list[bytes | None]:
        return [self.kept.get(key) for key in keys]

    def set_many(self, values: list[tuple[str, bytes]]) -> None:
        self.kept.update(values)

    def delete_many(self, keys: list[str]) -> None:
        for key in keys:
            self.kept.pop(key, None)

    def exists(self, key: str) -> bool:
        return key in self.kept

    def page(self, cursor: str | None) -> tuple[list[str], str | None]:
        after = "" if cursor is None else cursor
        keys = sorted((key for key in self.kept if key > after), key=str.encode)
        page = keys[:PAGE]
        return page, page[-1] if len(keys) > PAGE else None

    def increment(self, key: str, by: int) -> int:
        try:
            number = int(self.kept.get(key, b"0"))
        except ValueError:
            raise CallError("invalid", f"the value of `{key}` is no number") from None
        self.kept[key] = str(number + by).encode()
        return number + by

    def swap(self, key: str, expected: bytes | None, value: bytes) -> bool:
        if self.kept.get(key) != expected:
            return False
        self.kept[key] = value
        return True
