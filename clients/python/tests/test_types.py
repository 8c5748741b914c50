"""What type checkers see: the package has no errors, and wrong calls do."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]


def test_mypy_finds_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    # Errors that are expected are `type: ignore` there, which strict mode wants to be needed.
    use = (HERE / "tests" / "typed" / "use.py").read_text()
    assert use.count("# type: ignore[") > 15


def test_the_package_says_that_it_has_types() -> None:
    assert (HERE / "src" / "lovage_client" / "py.typed").is_file()
