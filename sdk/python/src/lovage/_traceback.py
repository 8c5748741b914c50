"""Tracebacks in the author's own words: without the SDK's frames, and with the paths that files
have in the project."""

from __future__ import annotations

import os
import traceback

#: What files are called in the sandbox, and what in the project: filled by the build.
prefixes: dict[str, str] = {}

_HERE = os.path.dirname(__file__) + os.sep
#: Bytes. The host keeps 16 KiB from the beginning; the end says most.
_MOST = 16_000


def text(error: BaseException) -> str:
    told = traceback.TracebackException.from_exception(error)
    _tidy(told, set())
    lines = "".join(told.format()).rstrip().encode(errors="replace")
    return lines.decode() if len(lines) <= _MOST else f"…{lines[-_MOST:].decode(errors='ignore')}"


def _tidy(told: traceback.TracebackException, seen: set[int]) -> None:
    if id(told) in seen:
        return
    seen.add(id(told))
    own = [frame for frame in told.stack if not frame.filename.startswith(_HERE)]
    told.stack = traceback.StackSummary.from_list(
        traceback.FrameSummary(
            path(frame.filename),
            frame.lineno,
            frame.name,
            line=frame.line,
            lookup_line=False,
        )
        for frame in own
    )
    for other in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if other is not None:
            _tidy(other, seen)


def path(filename: str) -> str:
    for prefix, name in prefixes.items():
        if filename.startswith(prefix):
            return name + filename[len(prefix) :]
    return filename
