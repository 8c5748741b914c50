"""The interfaces that the component has: those of every module, and what it wants besides.

A push refuses an import that no want stands for, so each is there only where one does."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

NAME = "module"
_WIT = Path(__file__).parent.parent / "wit"
_IMPORTS = {
    "config": "wasi:config/store@0.2.0-rc.1",
    "secret": "wasi:config/store@0.2.0-rc.1",
}


def write_world(folder: Path, wants: Iterable[str]) -> None:
    """Puts the interfaces and a world of the name `NAME` into `folder`."""
    shutil.copytree(_WIT, folder)
    (folder / "module.wit").write_text(world(wants), encoding="utf-8")


def world(wants: Iterable[str]) -> str:
    kinds = [want.split()[0] for want in wants if want.split()]
    imports = dict.fromkeys(_IMPORTS[kind] for kind in kinds if kind in _IMPORTS)
    lines = "".join(f"    import {name};\n" for name in imports)
    return (
        "package lovage:task@0.1.0;\n\n"
        f"world {NAME} {{\n    include batch-module;\n{lines}    export wants;\n}}\n"
    )
