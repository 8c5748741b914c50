"""What the sandbox's Python needs beyond that of a machine: a component is a snapshot of a
process that has imported everything, and has no files of Python's own when it runs."""

from __future__ import annotations

import gc
import importlib.util
import linecache
import random
import sys
import tempfile
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from lovage import _task, _traceback
from lovage._errors import DeclarationError

#: What the standard library imports only when it is needed, and many programs need.
_EARLY = (
    "_strptime",
    "encodings.ascii",
    "encodings.cp1252",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.punycode",
    "encodings.utf_16",
    "encodings.utf_16_be",
    "encodings.utf_16_le",
    "encodings.utf_8_sig",
    "importlib.resources",
    "traceback",
)


def check_entry(entry: str, root: str) -> None:
    """Whether the module with the tasks will be the one of the project, in the folder `root`.
    Python's own libraries come first, and what is imported already before them."""
    top = entry.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None:
        return
    places = [spec.origin or "", *(spec.submodule_search_locations or [])]
    if not any(place.startswith(root) for place in places):
        raise DeclarationError(name_taken(top, "the Python of the sandbox"))


def name_taken(name: str, by: str) -> str:
    return (
        f"the file with the tasks cannot be called `{name}`: {by} has a module of that name, which"
        " would be imported in its place. Rename the file, and either say its name as `entry`"
        " under `[tool.lovage]` of the `pyproject.toml`, or change `name` under `[project]`, too"
    )


def prepare(roots: dict[str, str], early: list[str]) -> None:
    """The last step before the snapshot. `roots` are the folders of the project's own files, as
    the sandbox and as the author calls them; `early` what functions import while they run."""
    for name in (*_EARLY, *early):
        importlib.import_module(name)
    _traceback.prefixes.update(roots)
    for module in list(sys.modules.values()):
        _keep_source(module, roots)
    # All that may be wrong with a task's types is found here, and not at push.
    for task in _task.tasks():
        task.signature.input_schema()
        task.signature.output_schema()
    if not _task.tasks():
        raise DeclarationError("the module has no task: put `@lovage.task` above a function")
    _warm()
    sys.meta_path.append(_Missing())
    # What is there now is there for good: a collection in an attempt need not look at it.
    gc.collect()
    gc.freeze()


def refresh() -> None:
    """The first step of each attempt: what the snapshot holds of chance is drawn anew."""
    random.seed()
    tempfile.tempdir = None


def _keep_source(module: ModuleType, roots: dict[str, str]) -> None:
    """The lines that a traceback shows, under the name that it has there."""
    filename = getattr(module, "__file__", None)
    if not filename or not any(filename.startswith(root) for root in roots):
        return
    with open(filename, encoding="utf-8") as file:
        lines = file.readlines()
    # Without a time of change the entry is never compared with the file, which is not there.
    for name in (filename, _traceback.path(filename)):
        linecache.cache[name] = (sum(map(len, lines)), None, lines, name)


def _warm() -> None:
    """Tells an error once, which imports all that telling one needs."""
    try:
        raise ExceptionGroup("", [ValueError(), SyntaxError()])
    except ExceptionGroup as error:
        _traceback.text(error)
    try:
        sys.modules[__name__].nothing_of_this_name  # noqa: B018
    except AttributeError as error:
        _traceback.text(error)


class _Missing:
    """Asked last, when nobody has found a module: says why it is not there."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        raise ModuleNotFoundError(
            f"no module named `{name}` was imported when this component was built, and there"
            " is none to import from now: import it at the top of a file, or name it under"
            " `include` in `[tool.lovage]` of the `pyproject.toml`",
            name=name,
        )
