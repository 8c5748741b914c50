"""How each example is set up, tested and built, as its README says."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns("node_modules", ".venv", "__pycache__", "target", "*.egg-info")
# Of a step. All of them together are to take less.
MOST = 170

Step = tuple[str, Callable[[], None]]


def run(*command: object, cwd: Path, env: dict[str, str] | None = None) -> None:
    line = [str(word) for word in command]
    try:
        done = subprocess.run(
            line,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            timeout=MOST,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"{' '.join(line)} took more than {MOST} s:\n{error.output}") from None
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(line)} ended with {done.returncode}:\n{done.stdout}")


def copied(work: Path, changes: dict[str, dict[str, str]]) -> Path:
    """The projects and the SDKs as they lie here, so that nothing is built beside the sources."""
    tree = work / "tree"
    folders = ["sdk/python", "sdk/js", "wit", "examples/images/photos"]
    folders += [
        f"examples/{name}" for name in ("zip", "spreadsheet", "markdown", "webhook", "workflow")
    ]
    for folder in folders:
        shutil.copytree(ROOT / folder, tree / folder, ignore=LEFT_OUT, dirs_exist_ok=True)
    for name, words in changes.items():
        for file in (tree / "examples" / name / "src").rglob("*.js"):
            text = file.read_text()
            for old, new in words.items():
                text = text.replace(old, new)
            file.write_text(text)
    return tree


def once(mark: Path, sources: list[Path], install: Callable[[], None]) -> None:
    """Installs what the sources say, unless that is there from the last time."""
    digest = hashlib.sha256()
    for source in sources:
        for file in [source] if source.is_file() else sorted(source.rglob("*")):
            if file.is_file() and not {"node_modules", "__pycache__"} & set(file.parts):
                digest.update(f"{file}\n".encode() + file.read_bytes())
    if not mark.exists() or mark.read_text() != digest.hexdigest():
        install()
        mark.write_text(digest.hexdigest())


def python(work: Path, tree: Path) -> None:
    """An environment with the SDK, the spreadsheet's packages and zig."""
    venv, sdk, report = work / "venv", tree / "sdk/python", tree / "examples/spreadsheet"
    zig = tree / "examples/zip/requirements.txt"

    def install() -> None:
        run("python3", "-m", "venv", "--clear", venv, cwd=work)
        pip = [venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        run(*pip, sdk, cwd=work)
        run(*pip, "-e", f"{report}[test]", "-r", zig, cwd=work)

    once(venv / "made-of", [sdk, report / "pyproject.toml", zig], install)


def npm(folder: Path, tree: Path) -> None:
    def install() -> None:
        # Of a second installation of a packed package npm leaves out some of what it needs.
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        (folder / "package-lock.json").unlink(missing_ok=True)
        words = ["--install-links", "--no-audit", "--no-fund", "--prefer-offline"]
        run("npm", "install", *words, cwd=folder)

    sources = [folder / "package.json", tree / "sdk/js", tree / "wit"]
    once(folder / "node_modules/made-of", sources, install)


def steps(name: str, work: Path, tree: Path) -> list[Step]:
    folder, output = tree / "examples" / name, work / f"{name}.wasm"
    venv = work / "venv/bin/python"
    if name == "spreadsheet":
        return [
            ("install", lambda: python(work, tree)),
            ("test", lambda: run(venv, "-m", "pytest", "-q", cwd=folder)),
            (
                "build",
                lambda: run(
                    venv, "-P", "-m", "lovage.build", folder, "--output", output, cwd=folder
                ),
            ),
        ]
    if name == "zip":
        zig = {"ZIG": f"{venv} -m ziglang"}
        return [
            ("install zig", lambda: python(work, tree)),
            ("install", lambda: npm(folder, tree)),
            ("build", lambda: run("./build", output, cwd=folder, env=zig)),
        ]
    script = folder / "node_modules/@lovage/sdk/build.js"
    return [
        ("install", lambda: npm(folder, tree)),
        ("test", lambda: run("npm", "test", cwd=folder)),
        ("build", lambda: run("node", script, folder, "--output", output, cwd=folder)),
    ]
