"""The project that `lovage new --lang python` writes: it passes its own tests and the checks."""

import subprocess
import sys
from pathlib import Path

import pytest

from lovage.build.imports import find_imports
from lovage.build.project import Project

TEMPLATE = Path(__file__).parents[3] / "runtime/host/src/cli/template/python"
FILES = {
    "pyproject.toml.in": "pyproject.toml",
    "module.py.in": "src/my_module.py",
    "test_module.py.in": "tests/test_my_module.py",
    "README.md.in": "README.md",
    "gitignore.in": ".gitignore",
}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    assert sorted(path.name for path in TEMPLATE.iterdir()) == sorted(FILES)
    for source, name in FILES.items():
        text = (TEMPLATE / source).read_text()
        for placeholder, value in {
            "@NAME@": "my-module",
            "@IDENTIFIER@": "my_module",
            "@SDK@": "lovage-sdk>=0.1,<0.2",
        }.items():
            text = text.replace(placeholder, value)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_its_tests_pass(made: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "pythonpath=src", "-p", "no:cacheprovider"],
        cwd=made,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_it_can_be_built(made: Path) -> None:
    project = Project.read(made)
    assert (project.name, project.entry, project.wants) == ("my-module", "my_module", [])
    assert find_imports(project) == []


def test_it_is_typed_and_formatted(made: Path) -> None:
    for command in (["mypy", "--strict", "src"], ["ruff", "format", "--check"], ["ruff", "check"]):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=made, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
