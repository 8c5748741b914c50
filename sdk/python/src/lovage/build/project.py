"""What a project's `pyproject.toml` says: its name, where its tasks are, what it wants."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lovage._sandbox import name_taken
from lovage.build import BuildError

_OPTIONS = ("entry", "wants", "include")


@dataclass(frozen=True)
class Project:
    folder: Path
    #: The name of the Lovage module.
    name: str
    #: The Python module that declares the tasks.
    entry: str
    #: The folder that it is imported from.
    root: Path
    #: What the module wants to reach.
    wants: list[str]
    #: Modules that are imported when they are needed, and nowhere by name.
    include: list[str]

    @staticmethod
    def read(folder: Path) -> Project:
        """Raises `BuildError`."""
        manifest = folder / "pyproject.toml"
        try:
            document = tomllib.loads(manifest.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise BuildError(
                f"`{folder}` holds no Python module: there is no `pyproject.toml`"
                " (`lovage new NAME --lang python` makes one)"
            ) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BuildError(f"`{manifest}`: {error}") from None
        name = document.get("project", {}).get("name")
        if not isinstance(name, str) or not name:
            raise BuildError(f"`{manifest}` has no `name` under `[project]`: it names the module")
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
            raise BuildError(
                f"`{manifest}`: `{name}` under `[project]` is no name of a module: it takes 1 to"
                " 64 of `a` to `z`, `0` to `9`, `_` and `-`, a letter or digit first"
            )
        options = document.get("tool", {}).get("lovage", {})
        for option in options:
            if option not in _OPTIONS:
                raise BuildError(
                    f"`{manifest}` has `{option}` under `[tool.lovage]`, where there are"
                    f" {', '.join(_OPTIONS)}"
                )
        entry = options.get("entry", re.sub(r"[^a-z0-9]+", "_", name.lower()))
        if not isinstance(entry, str) or not all(it.isidentifier() for it in entry.split(".")):
            raise BuildError(
                f"`{manifest}`: `entry` under `[tool.lovage]` is the Python module with the"
                f' tasks, as in `"thumbnails"`, not `{entry}`'
            )
        # Beside such a one there would be no SDK. What else is taken, the sandbox's Python knows.
        if entry.partition(".")[0] == "lovage":
            raise BuildError(name_taken("lovage", "the SDK"))
        wants, include = (_texts(options, it, manifest) for it in ("wants", "include"))
        root = _root(folder, entry, manifest)
        return Project(folder, name, entry, root, wants, include)


def _root(folder: Path, entry: str, manifest: Path) -> Path:
    path = entry.replace(".", "/")
    for root in (folder / "src", folder):
        if (root / f"{path}.py").is_file() or (root / path / "__init__.py").is_file():
            return root.resolve()
    raise BuildError(
        f"there is no Python module `{entry}` in `{folder}`: neither `src/{path}.py` nor"
        f" `{path}.py`, nor a package of that name. `entry` under `[tool.lovage]` of"
        f" `{manifest}` names another"
    )


def _texts(options: dict[str, Any], name: str, manifest: Path) -> list[str]:
    value = options.get(name, [])
    if not isinstance(value, list) or not all(isinstance(it, str) for it in value):
        raise BuildError(f"`{manifest}`: `{name}` under `[tool.lovage]` is a list of texts")
    return value
