from collections.abc import Iterator
from typing import Any

import pytest
from both import blocking_clients
from fake import Fake, running
from server import Server

Params = pytest.FixtureRequest


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine at hand is set up for is nothing to a test."""
    monkeypatch.delenv("LOVAGE_URL", raising=False)
    monkeypatch.delenv("LOVAGE_TOKEN", raising=False)


@pytest.fixture
def fake() -> Iterator[Fake]:
    with running() as fake:
        yield fake


@pytest.fixture(params=["sync", "async"])
def client(request: Params, fake: Fake) -> Iterator[Any]:
    """Each of the two clients of the fake server, which blocks in either case."""
    yield from blocking_clients(request.param, fake.url, timeout=5.0)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server."""
    server = Server(tmp_path_factory.mktemp("lovage"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(params=["sync", "async"])
def live(request: Params, server: str) -> Iterator[Any]:
    """Each of the two clients of a real server."""
    yield from blocking_clients(request.param, server, timeout=20.0)
