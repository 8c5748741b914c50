"""The build step: what a project says, what is found in it, and what is said of errors."""

import filecmp
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lovage
from lovage import _sandbox
from lovage.build import BuildError, world
from lovage.build.component import _app, _roots, build, check_output, explain, keep
from lovage.build.imports import find_imports
from lovage.build.project import Project

REPOSITORY = Path(__file__).parents[3]
SDK = Path(__file__).parents[1]


def project(folder: Path, options: str = "", **files: str) -> Project:
    manifest = f'[project]\nname = "thumb-nails"\n[tool.lovage]\n{options}\n'
    (folder / "pyproject.toml").write_text(manifest)
    for name, text in {"thumb_nails": "import lovage\n", **files}.items():
        path = folder / "src" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Project.read(folder)


def test_a_project_by_its_manifest(tmp_path: Path) -> None:
    read = project(tmp_path, 'wants = ["config a"]\ninclude = ["encodings.gbk"]')
    assert (read.name, read.entry, read.root) == ("thumb-nails", "thumb_nails", tmp_path / "src")
    assert (read.wants, read.include) == (["config a"], ["encodings.gbk"])
    other = project(tmp_path, 'entry = "app.tasks"', app__tasks="", app____init__="")
    assert other.entry == "app.tasks"


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (None, "there is no `pyproject.toml`"),
        ("name =", "pyproject.toml`: "),
        ("[tool]", "has no `name` under `[project]`"),
        ('[project]\nname="a"\n[tool.lovage]\nwant=[]', "has `want` under `[tool.lovage]`"),
        (
            '[project]\nname="a"\n[tool.lovage]\nwants=[1]',
            "`wants` under `[tool.lovage]` is a list",
        ),
        ('[project]\nname="a"\n[tool.lovage]\nentry="a b"', "not `a b`"),
        (
            '[project]\nname="My.Mod"',
            "`My.Mod` under `[project]` is no name of a module: it takes 1",
        ),
        (
            f'[project]\nname="{"a" * 65}"',
            "1 to 64 of `a` to `z`, `0` to `9`, `_` and `-`, a letter",
        ),
        (
            '[project]\nname="lovage"',
            "cannot be called `lovage`: the SDK has a module of that name",
        ),
        ('[project]\nname="a-b"', "neither `src/a_b.py` nor `a_b.py`"),
    ],
)
def test_a_manifest_that_says_no_project(tmp_path: Path, manifest: str | None, said: str) -> None:
    if manifest is not None:
        (tmp_path / "pyproject.toml").write_text(manifest)
    with pytest.raises(BuildError) as raised:
        Project.read(tmp_path)
    assert said in str(raised.value)


def test_what_functions_import_is_found_through_the_files_that_are_used(tmp_path: Path) -> None:
    read = project(
        tmp_path,
        thumb_nails="from typing import TYPE_CHECKING\nimport app.work\nif TYPE_CHECKING:\n    import ssl\n",
        app____init__="",
        app__work=(
            "from . import other\ndef f():\n    import colorsys\n    from app import later\n"
            "    try:\n        import ctypes\n    except ImportError:\n        pass\n"
        ),
        app__other="class C:\n    def f(self):\n        if self:\n            import fractions\n",
        app__later="",
        unused="import ssl\n",
    )
    found = find_imports(read)
    assert sorted(found) == ["app", "app.later", "colorsys", "fractions"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import os\nimport ssl", "`src/thumb_nails.py`, line 2: `ssl` cannot be imported"),
        (
            "def f():\n    from nowhere_at_all import x",
            "line 2: there is no module `nowhere_at_all`",
        ),
        ("x = (", "`src/thumb_nails.py`, line 1: '(' was never closed (to Python 3."),
    ],
)
def test_imports_that_cannot_be(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BuildError) as raised:
        find_imports(project(tmp_path, thumb_nails=text))
    assert said in str(raised.value)


def test_the_world_has_what_is_wanted_and_no_more(tmp_path: Path) -> None:
    assert "wasi:" not in world.world(["tcp example.com:25", "scratch 1MiB"])
    assert world.world(["config a", "secret b"]).count("import wasi:config/store@0.2.0-rc.1;") == 1
    assert "import wasi:http/outgoing-handler@0.2.4;" in world.world(["http GET example.com"])
    assert world.names(["http example.com"])["wasi:http/types@0.2.4"] == "http_types"
    both = world.names(["config a", "bucket b"])
    assert sorted(both.values()) == ["config_store", "keyvalue_store"]
    assert world.world(["bucket b"]).count("import wasi:keyvalue/") == 3
    assert "import sql;" in world.world(["sql shop"]) and "sql" not in world.world([])
    world.write_world(tmp_path / "wit", [])
    assert "export wants" in (tmp_path / "wit" / "module.wit").read_text()


def test_the_interfaces_are_those_of_the_repository() -> None:
    compared = filecmp.dircmp(REPOSITORY / "wit", SDK / "src" / "lovage" / "wit")
    waiting = [compared]
    while waiting:
        here = waiting.pop()
        differ = [*here.left_only, *here.right_only, *here.diff_files]
        assert differ == [], f"copy `wit/` to `sdk/python/src/lovage/wit/`: {differ}"
        waiting += here.subdirs.values()
    assert "handler.wit" in compared.same_files


TRACEBACK = """Traceback (most recent call last):
  File "/0/lovage_app.py", line 4, in <module>
    import thumb_nails
  File "/1/thumb_nails.py", line 3, in <module>
    {line}
  File "/2/lovage/_task.py", line 80, in _declare
{error}
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("lovage.DeclarationError: task `f`: no", "`src/thumb_nails.py`, line 3: task `f`: no"),
        ("ValueError: boom", "`src/thumb_nails.py`, line 3: ValueError: boom"),
        (
            "ModuleNotFoundError: No module named 'fast._core'",
            "line 3: `fast._core` is compiled for this machine (`_core.cpython-311.so`)",
        ),
        ("ImportError: cannot import name 'x' from 'fast' (unknown)", "`fast` is compiled"),
        ("ModuleNotFoundError: No module named 'slow'", "line 3: ModuleNotFoundError: No module"),
    ],
)
def test_what_the_toolchain_says_in_one_line(tmp_path: Path, error: str, said: str) -> None:
    read = project(tmp_path)
    (tmp_path / "site" / "fast").mkdir(parents=True)
    (tmp_path / "site" / "fast" / "_core.cpython-311.so").touch()
    text = explain(TRACEBACK.format(line="…", error=error), read, [tmp_path, tmp_path / "site"])
    assert said in text and "\n" not in text


OUTER = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
AssertionError: {printed}

Caused by:
{cause}

Stack backtrace:
   0: <anyhow::Error>::msg::<alloc::string::String>
             at ./Objects/methodobject.c:486:24
   1: _start
"""
FIRST = TRACEBACK.format(line="{}['a']", error="KeyError: 'a'")
FROM = f"{FIRST}\nThe above exception was the direct cause of the following exception:\n\n"


@pytest.mark.parametrize(
    ("error", "cause", "said"),
    [
        ("thumb_nails.Unset: no KEY", "Unset: no KEY", "Unset: no KEY"),
        ("AssertionError\n", "AssertionError: ", "AssertionError"),
        ("socket.gaierror: [Errno 2] no", "gaierror: [Errno 2] no", "gaierror: [Errno 2] no"),
        (
            "RuntimeError: two\nlines: x",
            "RuntimeError: two\n    lines: x",
            "RuntimeError: two lines: x",
        ),
        ("f.<locals>.Bad: x", "f.<locals>.Bad: x", "f.<locals>.Bad: x"),
        ("lovage.DeclarationError: a: no", "DeclarationError: a: no", "a: no"),
    ],
)
def test_an_error_is_told_whatever_its_name_and_its_cause(
    tmp_path: Path, error: str, cause: str, said: str
) -> None:
    read = project(tmp_path)
    traced = TRACEBACK.format(line="raise", error=error).replace("line 3", "line 5")
    for before in ("", "NoError: printed\n", FROM):
        text = explain(OUTER.format(printed=before + traced, cause=f"    {cause}"), read, [])
        assert text == f"`src/thumb_nails.py`, line 5: {said}"
        # Without what was caused, by the traceback alone.
        text = explain(before + traced.replace("\nlines: x", " lines: x"), read, [])
        assert text.startswith("`src/thumb_nails.py`, line 5: ") and text.endswith(said)


def test_what_is_no_error_of_python_is_told_as_a_whole(tmp_path: Path) -> None:
    read = project(tmp_path)
    ended = "    0: error while executing\n           0: 0x22 - exit\n    1: Exited with i32 exit status 1"
    text = explain(OUTER.format(printed="so: long\n", cause=ended), read, [])
    assert text.endswith("as `sys.exit` does. It printed:\nso: long")
    text = explain(OUTER.format(printed="", cause=ended), read, [])
    assert text == "a file ended Python while it was imported, as `sys.exit` does"
    trapped = "    0: error while executing\n    1: wasm trap: out of bounds"
    text = explain(OUTER.format(printed=FIRST, cause=trapped), read, [])
    assert text.startswith("componentize-py failed:\n") and text.endswith("trap: out of bounds")
    assert "AssertionError" not in text and "KeyError: 'a'" in text
    assert explain("error: no such world", read, []) == (
        "componentize-py failed:\nerror: no such world"
    )


def test_nothing_of_the_machines_python_is_looked_at(tmp_path: Path) -> None:
    read = project(tmp_path)
    roots = _roots(tmp_path, read)
    assert roots[:2] == [tmp_path / "app", tmp_path / "src"]
    assert SDK / "src" in roots or any((root / "lovage").is_dir() for root in roots[2:])
    assert not any((root / "os.py").exists() for root in roots)
    assert "_sandbox.prepare({'/1/': 'src/'}, [])" in _app(read, [])


@pytest.mark.parametrize("entry", ["json", "json.tasks", "sys", "pytest"])
def test_a_module_that_another_stands_before_is_refused(entry: str) -> None:
    top = entry.partition(".")[0]
    with pytest.raises(lovage.DeclarationError, match=f"`{top}`: the Python of the sandbox has"):
        _sandbox.check_entry(entry, "/1/")


def test_a_module_of_the_project_is_the_one_that_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = project(tmp_path, thumbs____init__="", bare__tasks="")
    monkeypatch.syspath_prepend(read.root)
    for entry in ("thumb_nails", "thumbs", "bare.tasks"):
        _sandbox.check_entry(entry, f"{read.root}/")
    # It is asked before the import, which might be of something else.
    app = _app(read, [])
    assert app.index("check_entry('thumb_nails', '/1/')") < app.index("import thumb_nails")


def test_nothing_is_written_over_that_is_no_component(tmp_path: Path) -> None:
    read = project(tmp_path)
    source = tmp_path / "src" / "thumb_nails.py"
    for output, said in (
        (source, "is no component, and would be"),
        (tmp_path, "is a folder: name"),
    ):
        # Before there is anything to be seen of a build.
        with pytest.raises(BuildError, match=said):
            build(read, output)
    assert source.read_text() == "import lovage\n"
    for name, held in (("old", b"\0asm\x0d\0\1\0"), ("empty", b"")):
        (tmp_path / name).write_bytes(held)
        check_output(tmp_path / name)
    check_output(tmp_path / "none" / "yet.wasm")


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lovage.build", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_nothing_is_left_of_a_component_that_cannot_be_kept(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.write_bytes(b"component")
    keep(made, tmp_path / "new" / "out.wasm")
    assert (tmp_path / "new" / "out.wasm").read_bytes() == b"component"
    with pytest.raises(BuildError, match="cannot write the component"):
        keep(made, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "new"]


def test_a_component_of_the_conformance_module(tmp_path: Path) -> None:
    output = tmp_path / "out" / "conformance.wasm"
    folder = REPOSITORY / "tests" / "languages" / "python"
    done = subprocess.run(
        [sys.executable, "-m", "lovage.build", str(folder), "--output", str(output)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "SECRET_OF_THE_MACHINE": "must not be part of it"},
    )
    assert done.returncode == 0, done.stderr
    component = output.read_bytes()
    # The magic number, and the version of components.
    assert component[:8] == b"\x00asm\x0d\x00\x01\x00"
    assert b"lovage:task/handler@0.1.0" in component
    # What it wants, and not what it does not.
    assert b"wasi:config/store@0.2.0-rc.1" in component
    assert b"wasi:keyvalue/store@0.2.0-draft2" in component
    assert b"wasi:http" not in component
    assert b"SECRET_OF_THE_MACHINE" not in component
    assert list(output.parent.iterdir()) == [output]
