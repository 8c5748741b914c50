"""The interfaces that the component has: those of every module, and what it wants besides.

A push refuses an import that no want stands for, so each is there only where one does."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

NAME = "module"
_WIT = Path(__file__).parent.parent / "wit"
_HTTP = Path(__file__).parent / "http"
_IMPORTS = {
    "config": "wasi:config/store@0.2.0-rc.1",
    "http": "wasi:http/outgoing-handler@0.2.4",
    "secret": "wasi:config/store@0.2.0-rc.1",
}


def write_world(folder: Path, wants: Iterable[str]) -> None:
    """Puts the interfaces and a world of the name `NAME` into `folder`."""
    shutil.copytree(_WIT, folder)
    shutil.copytree(_HTTP, folder / "deps", dirs_exist_ok=True)
    (folder / "module.wit").write_text(world(wants), encoding="utf-8")


def world(wants: Iterable[str]) -> str:
    kinds = [want.split()[0] for want in wants if want.split()]
    imports = dict.fromkeys(_IMPORTS[kind] for kind in kinds if kind in _IMPORTS)
    lines = "".join(f"    import {name};\n" for name in imports)
    return (
        "package lovage:task@0.1.0;\n\n"
        f"world {NAME} {{\n    include batch-module;\n{lines}    export wants;\n}}\n"
    )


def names(wants: Iterable[str]) -> dict[str, str]:
    """What interfaces are called in the bindings, where two have one name."""
    if any(want.split()[:1] == ["http"] for want in wants):
        return {"lovage:task/types@0.1.0": "types", "wasi:http/types@0.2.4": "http_types"}
    return {}
