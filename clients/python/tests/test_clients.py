"""What the clients are asked with, and what goes wrong at their door."""

import asyncio
import copy
import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake import Fake, Handler, lost_answer, problem

from lovage_client import (
    AsyncClient,
    AsyncFlow,
    AsyncJob,
    AsyncTask,
    Client,
    ClientClosed,
    Flow,
    Job,
    ProblemError,
    Task,
    Unauthorized,
    Unavailable,
    WaitTimeout,
    WrongAnswer,
)
from lovage_client.errors import _KINDS, problem_of

DOCS = Path(__file__).parents[3] / "docs" / "http.md"


def test_every_problem_in_the_documentation_has_its_class() -> None:
    table = DOCS.read_text().partition("## Problems")[2].partition("## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    kinds = {kind for row in rows for kind in re.findall(r"`([a-z-]+)`", row.split("|")[1])}
    assert len(kinds) > 20 and kinds == set(_KINDS)
    for kind in kinds:
        body = b'{"type": "urn:lovage:problem:%s"}' % kind.encode()
        assert type(problem_of(400, {}, body)) is _KINDS[kind]


def test_a_problem_of_a_later_version_is_a_problem() -> None:
    error = problem_of(418, {}, b'{"type": "urn:lovage:problem:teapot", "detail": "short"}')
    assert type(error) is ProblemError and error.type.endswith("teapot")
    assert str(error) == "short"


def test_the_answer_of_a_proxy_is_what_its_status_says() -> None:
    error = problem_of(502, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"<html>")
    assert isinstance(error, Unavailable) and error.retry_after == 0.0
    assert isinstance(problem_of(302, {"retry-after": "soon"}, b""), WrongAnswer)
    assert isinstance(problem_of(404, {}, b"[]"), WrongAnswer)
    # A problem document, and its `errors` in words of its own.
    for errors in ('"x"', "[1]", '[{"message": "no"}]'):
        body = f'{{"type": "about:blank", "errors": {errors}}}'.encode()
        assert isinstance(problem_of(503, {"retry-after": "²"}, body), Unavailable)


def test_an_error_comes_whole_from_another_process(client: Any, fake: Fake) -> None:
    fake.faults = [problem(429, "queue-full", "60")]
    with pytest.raises(ProblemError) as caught:
        client.enqueue("m.t")
    for error in (caught.value, WaitTimeout("job", "j", 1.5)):
        error.add_note("noted")
        for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(copied) is type(error) and str(copied) == str(error)
            assert copied.__dict__ == error.__dict__


def test_an_answer_of_somebody_else_is_told(client: Any, fake: Fake) -> None:
    def html(handler: Handler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"\xc1\xc1")

    fake.routes["GET /v1/jobs/j"] = html
    with pytest.raises(WrongAnswer, match="is a Lovage server at that address"):
        client.job("j")


def test_the_environment_says_where_and_who(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOVAGE_URL", fake.url + "/")
    monkeypatch.setenv("LOVAGE_TOKEN", "lov_a.b.c")
    with Client() as client:
        client.enqueue("m.t")
    with Client(token="lov_other") as client:
        client.enqueue("m.t")
    asked = [(path, head["Authorization"]) for _, path, head, _ in fake.seen]
    assert asked == [("/v1/jobs", "Bearer lov_a.b.c"), ("/v1/jobs", "Bearer lov_other")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": "localhost:7777"}, "write it as in http://localhost:7777"),
        ({"url": "http://"}, "write it as in http://localhost:7777"),
        ({"url": "http://[::1"}, "write it as in http://localhost:7777"),
        ({"token": "a\nb"}, "LOVAGE_TOKEN"),
        ({"timeout": 0}, "more than 0 seconds"),
        ({"timeout": "0s"}, "more than 0 seconds"),
        ({"timeout": "soon"}, "`timeout` is a span of time: seconds, a timedelta, or a text"),
    ],
)
def test_a_wrong_door_is_told_at_once(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Client(**wrong)


def test_a_token_stays_out_of_what_is_shown(fake: Fake) -> None:
    fake.faults = [problem(401, "unauthorized")]
    with Client(fake.url, token="lov_secret") as client:
        with pytest.raises(ProblemError) as caught:
            client.enqueue("m.t")
        assert "lov_secret" not in repr(caught.value) + repr(client) + repr(client._target)


def _surface(client: type) -> dict[str, tuple[list[str], str | None]]:
    methods = inspect.getmembers(client, inspect.isfunction)
    return {
        name: (list(inspect.signature(method).parameters), method.__doc__)
        for name, method in methods
        if not name.startswith("_")
    }


@pytest.mark.parametrize(
    ("sync", "twin"),
    [(Client, AsyncClient), (Job, AsyncJob), (Flow, AsyncFlow), (Task, AsyncTask)],
)
def test_both_clients_have_the_same_methods(sync: type, twin: type) -> None:
    assert _surface(sync) == _surface(twin) != {}


def test_a_client_of_ones_own_is_left_open(fake: Fake) -> None:
    with httpx.Client() as http:
        with Client(fake.url, http=http) as client, client.with_timeout(1.0) as shorter:
            assert shorter.enqueue("m.t").id == "job-0"
        assert not http.is_closed


def test_a_client_that_is_closed_says_so(fake: Fake) -> None:
    client = Client(fake.url)
    shorter = client.with_timeout("1s")
    client.close()
    for ask in (
        lambda: client.enqueue("m.t"),
        lambda: shorter.wait("j"),
        lambda: next(client.events()),
        lambda: next(client.progress("j")),
    ):
        with pytest.raises(ClientClosed, match=r"make another, or do this before `close\(\)`"):
            ask()

    async def twin() -> None:
        async with AsyncClient(fake.url) as client:
            pass
        with pytest.raises(ClientClosed):
            await client.enqueue("m.t")
        with pytest.raises(ClientClosed):
            await anext(client.events())

    asyncio.run(twin())
    assert fake.seen == []


def test_a_client_that_is_closed_meanwhile_leaves_the_doubt(fake: Fake) -> None:
    client = Client(fake.url)

    def closing(handler: Handler, body: bytes) -> bool:
        client.close()
        return lost_answer(handler, body)

    fake.faults = [closing]
    with pytest.raises(ClientClosed) as caught:
        client.enqueue("m.t")
    assert caught.value.in_doubt and [caught.value.key] == list(fake.jobs)


def test_who_has_no_token_is_told_where_the_client_takes_it(client: Any, fake: Fake) -> None:
    fake.faults = [problem(401, "unauthorized")]
    with pytest.raises(Unauthorized) as caught:
        client.enqueue("m.t")
    said = "it is unauthorized (the client takes it as `token=`, or from LOVAGE_TOKEN)"
    assert (str(caught.value), caught.value.detail) == (said, "it is unauthorized")


def test_names_are_modules_unless_they_are_pythons(client: Any, fake: Fake) -> None:
    assert client.a.b(x=1).id == client.task("a.b").with_options(key=_key(fake))().id
    plain = Client(fake.url)
    assert repr(plain.images) == "Module('images')"
    assert repr(plain.images.thumbnail) == "Task('images.thumbnail')"
    for wrong in (plain, plain.images):
        with pytest.raises(AttributeError):
            _ = wrong._secret
    with pytest.raises(TypeError):
        pickle.dumps(plain)
    assert copy.copy(plain.images.thumbnail).call(a=1).args == {"a": 1}
    plain.close()


def _key(fake: Fake) -> str:
    return next(iter(fake.jobs))
