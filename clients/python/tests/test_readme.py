"""The README's snippets are run, each against a real server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lovage_client import Options
from lovage_client.errors import _KINDS

README = (Path(__file__).parents[1] / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PRINTED = ["5\n5\n", "[0, 2, 4, 6", "2\n", "3\n", "completed", "4 [2, 2]\n", "/args/a"]


@pytest.mark.parametrize("n", range(len(PRINTED)))
def test_a_snippet_is_true(n: int, server: str) -> None:
    assert len(SNIPPETS) == len(PRINTED)
    done = subprocess.run(
        [sys.executable, "-c", SNIPPETS[n]],
        env={"LOVAGE_URL": server},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert PRINTED[n] in re.sub(r"^\S+-7\S+ ", "", done.stdout)


def test_it_names_every_option_and_every_problem() -> None:
    options = README.partition("## Options")[2].partition("## Types")[0]
    named = {
        it for row in re.findall(r"^\| (`.*?) \|", options, re.M) for it in row.split(", ")
    }
    assert {it.strip("`") for it in named} == set(Options.__annotations__)
    missing = {kind.__name__ for kind in _KINDS.values() if f"`{kind.__name__}`" not in README}
    assert not missing
