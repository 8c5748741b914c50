"""What the project's own files import, followed from its entry. What the sandbox's Python cannot
have is refused here, and what a function imports while it runs is found, so that it is there."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lovage.build import BuildError
from lovage.build.project import Project

#: Parts of the standard library that there is nothing for in the sandbox.
_ABSENT = {
    "bz2": "there is no such library in the sandbox; `zlib` and `gzip` are there",
    "ctypes": "the sandbox has no libraries of the machine's",
    "curses": "the sandbox has no terminal",
    "lzma": "there is no such library in the sandbox; `zlib` and `gzip` are there",
    "mmap": "the sandbox maps no files",
    "readline": "the sandbox has no terminal",
    "ssl": "the sandbox has no TLS of its own",
    "tkinter": "the sandbox has no screen",
}


@dataclass(frozen=True)
class _Import:
    name: str
    line: int
    #: Whether it stands in a function.
    late: bool
    #: Whether the code goes on without it.
    optional: bool


def find_imports(project: Project) -> list[str]:
    """What functions import, to be there before the snapshot. Raises `BuildError`."""
    late: list[str] = []
    waiting = [project.entry, *project.include]
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        # A package runs before what it holds.
        waiting += [name.rpartition(".")[0]] if "." in name else []
        path = _own_file(project.root, name)
        if path is None:
            continue
        for it in _imports_of(path, name, project):
            _check(it, path, project)
            waiting.append(it.name)
            if it.late and not it.optional and it.name not in late:
                late.append(it.name)
    return late


def _own_file(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if path.is_file():
            return path
    return None


def _imports_of(path: Path, name: str, project: Project) -> Iterator[_Import]:
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        where = _told(path, error.lineno or 1, project)
        by = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        raise BuildError(f"{where}: {error.msg} (to {by}, which builds it)") from None
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    yield from _Walk(package, project.root).block(tree.body, late=False, optional=False)


class _Walk:
    def __init__(self, package: str, root: Path) -> None:
        self.package = package
        self.root = root

    def block(self, nodes: list[ast.stmt], late: bool, optional: bool) -> Iterator[_Import]:
        for node in nodes:
            yield from self.statement(node, late, optional)

    def statement(self, node: ast.stmt, late: bool, optional: bool) -> Iterator[_Import]:
        match node:
            case ast.Import():
                for alias in node.names:
                    yield _Import(alias.name, node.lineno, late, optional)
            case ast.ImportFrom():
                for name in self.names(node):
                    yield _Import(name, node.lineno, late, optional)
            case ast.If() if "TYPE_CHECKING" in ast.dump(node.test):
                yield from self.block(node.orelse, late, optional)
            case ast.Try():
                # Who catches errors there can do without.
                guarded = optional or bool(node.handlers)
                yield from self.block(node.body, late, guarded)
                for handler in node.handlers:
                    yield from self.block(handler.body, late, guarded)
                yield from self.block(node.orelse + node.finalbody, late, optional)
            case _:
                inside = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.stmt):
                        yield from self.statement(child, inside, optional)
                    elif isinstance(child, ast.match_case):
                        yield from self.block(child.body, inside, optional)

    def names(self, node: ast.ImportFrom) -> Iterator[str]:
        base = node.module or ""
        if node.level:
            parts = self.package.split(".") if self.package else []
            kept = parts[: len(parts) - (node.level - 1)]
            base = ".".join([*kept, base] if base else kept)
        if base:
            yield base
        for alias in node.names:
            name = f"{base}.{alias.name}" if base else alias.name
            # Most names are no modules; those of the project's own files are looked up.
            if _own_file(self.root, name) is not None:
                yield name


def _check(it: _Import, path: Path, project: Project) -> None:
    if it.optional or not it.name or _own_file(project.root, it.name) is not None:
        return
    top = it.name.partition(".")[0]
    where = _told(path, it.line, project)
    if top in _ABSENT:
        raise BuildError(f"{where}: `{top}` cannot be imported: {_ABSENT[top]}")
    if top in sys.stdlib_module_names or project.root.joinpath(top).is_dir():
        return
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise BuildError(
            f"{where}: there is no module `{top}`: install it where the build runs, `{sys.prefix}`"
        )


def _told(path: Path, line: int, project: Project) -> str:
    return f"`{path.relative_to(project.folder.resolve())}`, line {line}"
