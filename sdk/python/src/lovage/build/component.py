"""Drives componentize-py, and tells its errors in words."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

from lovage.build import BuildError, world
from lovage.build.imports import find_imports
from lovage.build.project import Project

#: The one whose ways this step knows: where it puts folders, what it says when it fails.
TOOLCHAIN = "0.25.1"
_APP = "lovage_app"
_RUN = "from componentize_py import script; script()"


def build(project: Project, output: Path) -> None:
    """Writes the component of a project. Raises `BuildError`."""
    check_output(output)
    _check_toolchain()
    began = time.monotonic()
    _say(f"reading `{project.folder}`")
    late = find_imports(project)
    with TemporaryDirectory(prefix="lovage-build-") as scratch:
        folder = Path(scratch)
        world.write_world(folder / "wit", project.wants)
        roots = _roots(folder, project)
        app = folder / "app"
        app.mkdir()
        (app / f"{_APP}.py").write_text(_app(project, late), encoding="utf-8")
        _say(f"making a component of `{project.entry}` and what it imports")
        made = folder / "out.wasm"
        _run(folder, roots, made, project)
        keep(made, output)
    size = output.stat().st_size / (1 << 20)
    _say(f"`{output}`: {size:.1f} MiB in {time.monotonic() - began:.1f} s")


def check_output(output: Path) -> None:
    """Whether a component may be put there. Raises `BuildError`."""
    try:
        if output.is_dir():
            named = output / "NAME.wasm"
            raise BuildError(f"`{output}` is a folder: name a file in it, as in `{named}`")
        if output.exists() and not _is_component(output):
            raise BuildError(
                f"`{output}` is no component, and would be written over: name another file"
            )
    except OSError as error:
        raise BuildError(f"cannot write the component `{output}`: {error}") from None


def _is_component(path: Path) -> bool:
    """Or empty, as a file is that somebody has made for one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in (b"", b"\0asm")


def keep(made: Path, output: Path) -> None:
    """Puts the component where it was asked for. Raises `BuildError`."""
    # Through a file beside it, so that nobody reads half of it.
    partial = output.with_name(f"{output.name}.partial")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, partial)
        partial.replace(output)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise BuildError(f"cannot write the component `{output}`: {error}") from None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _check_toolchain() -> None:
    try:
        installed = version("componentize-py")
    except PackageNotFoundError:
        installed = "none"
    if installed != TOOLCHAIN:
        raise BuildError(
            f"the build needs componentize-py {TOOLCHAIN}, and here is {installed}: run"
            f" `{sys.executable} -m pip install componentize-py=={TOOLCHAIN}`"
        )


def _roots(folder: Path, project: Project) -> list[Path]:
    """Where Python looks, in order. The toolchain calls the first `/0` in the sandbox, the next
    `/1`, and so on."""
    own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    installed = []
    for entry in sys.path:
        path = Path(entry or ".").resolve()
        # `python -m` puts the folder in front that it was called from.
        at_home = str(path) in own or path.name == "lib-dynload" or path == Path.cwd()
        if path.is_dir() and not at_home and path != project.root and path not in installed:
            installed.append(path)
    return [folder / "app", project.root, *installed]


def _app(project: Project, late: list[str]) -> str:
    """The module that the toolchain runs and takes the snapshot of."""
    source = project.root.relative_to(project.folder.resolve()).as_posix()
    roots = {"/1/": "" if source == "." else f"{source}/"}
    return (
        "from lovage import _component, _sandbox\n"
        "from lovage._component import Batches, Handler, Wants\n"
        f"_component.wanted[:] = {project.wants!r}\n"
        f"_sandbox.check_entry({project.entry!r}, '/1/')\n"
        f"import {project.entry}\n"
        f"_sandbox.prepare({roots!r}, {[*project.include, *late]!r})\n"
    )


def _run(folder: Path, roots: list[Path], made: Path, project: Project) -> None:
    command = [sys.executable, "-c", _RUN, "-q", "-d", str(folder / "wit"), "-w", world.NAME]
    for interface, name in world.names(project.wants).items():
        command += ["--import-interface-name", f"{interface}={name}"]
    command += ["componentize", "-o", str(made)]
    for root in roots:
        command += ["-p", str(root)]
    # Without an environment it would add the machine's packages, of whatever Python.
    empty = folder / "environment"
    (empty / "lib" / "python3" / "site-packages").mkdir(parents=True)
    environment = {**os.environ, "VIRTUAL_ENV": str(empty)}
    done = subprocess.run(
        [*command, _APP], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode != 0 or not made.is_file():
        raise BuildError(explain(done.stdout + done.stderr, project, roots))


_TRACEBACK = "Traceback (most recent call last):\n"
#: The toolchain's own error. What the sandbox printed is its text.
_OUTER = re.compile(rf'{re.escape(_TRACEBACK)}  File "<string>".*\n(?: .*\n)*AssertionError: ')
_CAUSE = "\n\nCaused by:\n"
_STACK = "\n\nStack backtrace:\n"
_ENDED = "Exited with i32 exit status"
_FRAME = re.compile(r'File "(?P<file>/\d+/[^"]+)", line (?P<line>\d+)')
_ERROR = re.compile(r"(?P<kind>[^\W\d][\w.<>]*)(?:: ?(?P<text>.*))?")
_MODULE = re.compile(r"(?:No module named|cannot import name '[^']+' from) '(?P<name>[^']+)'")


def explain(said: str, project: Project, roots: list[Path]) -> str:
    """One line of what the toolchain said: usually a traceback of Python in the sandbox."""
    said = _OUTER.sub("", said, count=1)
    said = said.rpartition(_STACK)[0] or said
    printed, caused, cause = said.rpartition(_CAUSE)
    if _ENDED in cause:
        words = "a file ended Python while it was imported, as `sys.exit` does"
        return f"{words}. It printed:\n{printed.strip()}" if printed.strip() else words
    # The last is of the error itself: before it are those of what it was raised from.
    _, traced, trace = (printed if caused else said).rpartition(_TRACEBACK)
    error = _ERROR.fullmatch(_joined(cause) if caused else _unindented(trace) if traced else "")
    if error is None:
        return f"componentize-py failed:\n{said.strip()}"
    text = _worded(error, roots)
    frames = [it for it in _FRAME.finditer(trace) if it["file"].startswith("/1/")]
    if not frames:
        return text
    file = project.root.relative_to(project.folder.resolve()) / frames[-1]["file"][3:]
    return f"`{file}`, line {frames[-1]['line']}: {text}"


def _joined(lines: str) -> str:
    return " ".join(line.strip() for line in lines.splitlines() if line.strip())


def _unindented(trace: str) -> str:
    """The line of a traceback that tells the error."""
    return next((it for it in trace.splitlines() if it and not it.startswith(" ")), "")


def _worded(error: re.Match[str], roots: list[Path]) -> str:
    kind, text = error["kind"], error["text"]
    if not text:
        return kind
    missing = _MODULE.search(text)
    told = _missing(missing["name"], roots) if missing is not None else None
    return told or (text if kind.endswith("DeclarationError") else f"{kind}: {text}")


def _missing(name: str, roots: list[Path]) -> str | None:
    """Why a module that is on this machine is not in the sandbox."""
    path = name.replace(".", "/")
    for root in roots[1:]:
        for file in [*root.glob(f"{path}.*"), *root.glob(f"{path}/*")]:
            if file.suffix in (".so", ".pyd"):
                return (
                    f"`{name}` is compiled for this machine (`{file.name}`), and cannot run in the"
                    " sandbox: take a package of Python alone, or do that work elsewhere"
                )
    return None
