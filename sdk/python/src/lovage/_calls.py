"""Calls of the host. Imported in the sandbox alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from componentize_py_types import Err

from lovage._errors import CallError

T = TypeVar("T")


def asked(call: Callable[[], T], told: Callable[[Any], CallError]) -> T:
    """What the host answers. `told` puts what it refuses with into the SDK's own words."""
    try:
        return call()
    except Err as error:
        refused = error.value
    # Out here, so that the author's traceback has no error of the bindings.
    raise told(refused)
