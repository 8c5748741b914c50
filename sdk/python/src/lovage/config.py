"""Values and secrets that the module was granted, by name."""

from __future__ import annotations

from lovage import _host

__all__ = ["get"]


def get(key: str) -> str | None:
    """A value or a secret of the tenant's, if there is one.

    The module wants it in its `pyproject.toml`: `wants = ["config KEY"]`, or `"secret KEY"`,
    under `[tool.lovage]`. What was not granted is a `CallError` of the kind `denied`."""
    return _host.current().config(key)
