"""MessagePack, as far as it goes between a caller and a task: no extension types, and values at
most 128 deep, as the host has it. Integers of 64 bits of both signs and floats go exactly."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

DEPTH = 128


class MsgpackError(ValueError):
    """What cannot be encoded or decoded, and why."""


def encode(value: Any) -> bytes:
    out = bytearray()
    _write(out, value, DEPTH)
    return bytes(out)


def _write(out: bytearray, value: Any, depth: int) -> None:
    if value is None:
        out.append(0xC0)
    elif value is True or value is False:
        out.append(0xC3 if value else 0xC2)
    elif isinstance(value, int):
        _write_int(out, value)
    elif isinstance(value, float):
        out += struct.pack(">Bd", 0xCB, value)
    elif isinstance(value, str):
        try:
            data = value.encode()
        except UnicodeEncodeError:
            raise MsgpackError("a text holds half of a surrogate pair") from None
        _write_head(out, len(data), (0xA0, 32), (0xD9, 0xDA, 0xDB), "a text")
        out += data
    elif isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        _write_head(out, len(data), None, (0xC4, 0xC5, 0xC6), "binary data")
        out += data
    elif depth == 0:
        raise MsgpackError(f"values are nested more than {DEPTH} deep")
    elif isinstance(value, list | tuple):
        _write_head(out, len(value), (0x90, 16), (None, 0xDC, 0xDD), "a list")
        for item in value:
            _write(out, item, depth - 1)
    elif isinstance(value, dict):
        _write_head(out, len(value), (0x80, 16), (None, 0xDE, 0xDF), "a map")
        for key, item in value.items():
            _write(out, key, 0)
            _write(out, item, depth - 1)
    else:
        raise MsgpackError(f"a `{type(value).__name__}` has no form in MessagePack")


def _write_int(out: bytearray, value: int) -> None:
    if -32 <= value < 128:
        out += struct.pack("b" if value < 0 else "B", value)
        return
    if value < 0:
        widths = ((7, 0xD0, ">Bb"), (15, 0xD1, ">Bh"), (31, 0xD2, ">Bi"), (63, 0xD3, ">Bq"))
        size = (~value).bit_length()
    else:
        widths = ((8, 0xCC, ">BB"), (16, 0xCD, ">BH"), (32, 0xCE, ">BI"), (64, 0xCF, ">BQ"))
        size = value.bit_length()
    for bits, tag, form in widths:
        if size <= bits:
            out += struct.pack(form, tag, value)
            return
    raise MsgpackError(f"an integer of {value.bit_length()} bits has more than 64")


def _write_head(
    out: bytearray,
    length: int,
    fixed: tuple[int, int] | None,
    tags: tuple[int | None, int, int],
    what: str,
) -> None:
    """The length, in the shortest form that there is."""
    small, middle, large = tags
    if fixed is not None and length < fixed[1]:
        out.append(fixed[0] | length)
    elif small is not None and length < 1 << 8:
        out += struct.pack(">BB", small, length)
    elif length < 1 << 16:
        out += struct.pack(">BH", middle, length)
    elif length < 1 << 32:
        out += struct.pack(">BI", large, length)
    else:
        raise MsgpackError(f"{what} is too long")


def decode(data: bytes) -> Any:
    """The one value that `data` holds."""
    reader = _Reader(data)
    value = reader.value(DEPTH)
    reader.end()
    return value


def decode_pairs(data: bytes) -> list[tuple[Any, Any]] | None:
    """The entries of a map, with those that come twice; none where `data` is another value."""
    reader = _Reader(data)
    tag = reader.byte()
    count = tag & 0x0F if tag & 0xF0 == 0x80 else reader.length(tag, {0xDE: ">H", 0xDF: ">I"})
    if count is None:
        return None
    pairs = reader.entries(count, DEPTH)
    reader.end()
    return pairs


_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def end(self) -> None:
        if self.at != len(self.data):
            raise MsgpackError("it goes on after its value")

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise MsgpackError("it ends too early")
        self.at += count
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def length(self, tag: int, forms: dict[int, str]) -> int | None:
        form = forms.get(tag)
        return None if form is None else int(self.number(form))

    def value(self, depth: int) -> Any:
        tag = self.byte()
        if tag < 0x80:
            return tag
        if tag >= 0xE0:
            return tag - 0x100
        if tag in _CONSTANTS:
            return _CONSTANTS[tag]
        if tag in _NUMBERS:
            return self.number(_NUMBERS[tag])
        text = tag & 0x1F if tag & 0xE0 == 0xA0 else self.length(tag, _TEXTS)
        if text is not None:
            return self.text(text)
        binary = self.length(tag, {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"})
        if binary is not None:
            return self.take(binary)
        return self.container(tag, depth)

    def text(self, length: int) -> str:
        try:
            return self.take(length).decode()
        except UnicodeDecodeError:
            raise MsgpackError("a text is no UTF-8") from None

    def container(self, tag: int, depth: int) -> Any:
        items = tag & 0x0F if tag & 0xF0 == 0x90 else self.length(tag, {0xDC: ">H", 0xDD: ">I"})
        entries = tag & 0x0F if tag & 0xF0 == 0x80 else self.length(tag, {0xDE: ">H", 0xDF: ">I"})
        if items is None and entries is None:
            raise MsgpackError(f"its byte 0x{tag:02x} is of no type that a task takes")
        if depth == 0:
            raise MsgpackError(f"values are nested more than {DEPTH} deep")
        if items is not None:
            return self.items(items, lambda: self.value(depth - 1))
        return dict(self.entries(entries or 0, depth))

    def items(self, count: int, one: Callable[[], Any]) -> list[Any]:
        # Each takes a byte at least: a length that lies asks for no memory.
        if count > len(self.data) - self.at:
            raise MsgpackError("it ends too early")
        return [one() for _ in range(count)]

    def entries(self, count: int, depth: int) -> list[tuple[Any, Any]]:
        def entry() -> tuple[Any, Any]:
            # No containers: a key is hashed.
            return self.value(0), self.value(depth - 1)

        return self.items(count, entry)


_TEXTS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
