"""The README's snippets do what it says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lovage import Failure, _task, http, testing
from lovage._options import Options

README = (Path(__file__).parents[1] / "README.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)


@pytest.fixture
def module() -> Iterator[dict[str, Any]]:
    before = dict(_task._tasks)
    _task._tasks.clear()
    names: dict[str, Any] = {"__name__": "snippets"}
    for snippet in SNIPPETS:
        exec(compile(snippet, "README.md", "exec"), names)
    yield names
    _task._tasks.clear()
    _task._tasks.update(before)


def test_each_snippet_runs(module: dict[str, Any]) -> None:
    assert len(SNIPPETS) == 9
    declared = "thumbnail crop count weather visited sell parse words resume"
    assert list(testing.tasks()) == declared.split()
    assert testing.call("thumbnail", image=b"abc", max_side=2) == {"image": b"ab", "width": 2}
    with pytest.raises(Failure, match="the number 0 is not 1 or more"):
        testing.call("crop", image=b"abc", side=0)
    with testing.Context() as job:
        assert testing.call("count", to=2) == 2
    assert (job.state, job.jobs[0].task) == ({"at": 2}, "mail.send")
    with testing.Context(http=lambda _: http.Response(200, b'{"degrees": 21}')):
        assert testing.call("weather", city="berlin") == 21.0
    with testing.Context(buckets={"visits": {"ann": b"1"}}):
        assert testing.call("visited", user="ann") == 2
    sales = {"reports": "create table sales (article text, amount int check (amount > 0))"}
    with testing.Context(databases=sales) as job:
        assert [testing.call("sell", article="salt", amount=n) for n in (2, 3)] == [2, 5]
        with pytest.raises(Failure, match="CHECK constraint failed") as raised:
            testing.call("sell", article="salt", amount=0)
        assert raised.value.retry.advice == "never"
    assert job.databases["reports"].query("select count(*) from sales").one() == (2,)
    with pytest.raises(Failure) as raised:
        testing.call("parse", text="x")
    assert raised.value.kind == "ValueError"
    assert testing.call_batch("words", [{"text": "a b"}, {"text": ""}]) == [2, 0]
    module["test_it_goes_on"]()


def test_each_option_is_in_the_table() -> None:
    table = README.split("| `@lovage.task(…)`")[1].split("\n\n")[0]
    for option in Options.__annotations__:
        assert re.search(rf"`{option}\b", table), option
