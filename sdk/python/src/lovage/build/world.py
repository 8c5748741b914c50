"""The interfaces that the component has: those of every module, and what it wants besides.

A push refuses an import that no want stands for, so each is there only where one does."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

NAME = "module"
_WIT = Path(__file__).parent.parent / "wit"
_HTTP = Path(__file__).parent / "http"
_CONFIG = ("wasi:config/store@0.2.0-rc.1",)
_IMPORTS = {
    "bucket": (
        "wasi:keyvalue/store@0.2.0-draft2",
        "wasi:keyvalue/atomics@0.2.0-draft2",
        "wasi:keyvalue/batch@0.2.0-draft2",
    ),
    "config": _CONFIG,
    "http": ("wasi:http/outgoing-handler@0.2.4",),
    "secret": _CONFIG,
    "sql": ("sql",),
}
#: What interfaces are called in the bindings, since some have the same name.
_NAMES = {
    "wasi:config/store@0.2.0-rc.1": {"wasi:config/store@0.2.0-rc.1": "config_store"},
    "wasi:keyvalue/store@0.2.0-draft2": {"wasi:keyvalue/store@0.2.0-draft2": "keyvalue_store"},
    "wasi:http/outgoing-handler@0.2.4": {
        "lovage:task/types@0.1.0": "types",
        "wasi:http/types@0.2.4": "http_types",
    },
}


def write_world(folder: Path, wants: Iterable[str]) -> None:
    """Puts the interfaces and a world of the name `NAME` into `folder`."""
    shutil.copytree(_WIT, folder)
    shutil.copytree(_HTTP, folder / "deps", dirs_exist_ok=True)
    (folder / "module.wit").write_text(world(wants), encoding="utf-8")


def world(wants: Iterable[str]) -> str:
    lines = "".join(f"    import {name};\n" for name in _imports(wants))
    return (
        "package lovage:task@0.1.0;\n\n"
        f"world {NAME} {{\n    include batch-module;\n{lines}    export wants;\n}}\n"
    )


def names(wants: Iterable[str]) -> dict[str, str]:
    """From interfaces to what they are called in the bindings."""
    return {
        interface: name
        for imported in _imports(wants)
        for interface, name in _NAMES.get(imported, {}).items()
    }


def _imports(wants: Iterable[str]) -> list[str]:
    kinds = [want.split()[0] for want in wants if want.split()]
    return list(dict.fromkeys(it for kind in kinds for it in _IMPORTS.get(kind, ())))
