"""Whose connections are whose: after a fork, and in one event loop after another."""

import os
import subprocess
import sys

import pytest
from fake import Fake, Handler

# In processes of their own: this one has threads, with which there is no forking, and takes
# the connections that an ended loop leaves behind for an error.
FORKS = """
import os, sys
from lovage_client import Client

client = Client(sys.argv[1])
shorter = client.with_timeout(5)
assert client.input("parent") == "parent"
for name in ("one", "two"):
    child = os.fork()
    if child == 0:
        with client:
            assert shorter.input(name) == client.input(name) == name
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
assert client.input("parent") == "parent"
client.close()
"""
FORKS_IN_A_LOOP = """
import asyncio, os, sys
from lovage_client import AsyncClient

async def child(name):
    async with client:
        assert await shorter.input(name) == await client.input(name) == name

async def parent():
    assert await client.input("parent") == "parent"
    for name in ("one", "two"):
        forked = os.fork()
        if forked == 0:
            asyncio.run(child(name))
            os._exit(0)
        assert os.waitpid(forked, 0)[1] == 0
    assert await client.input("parent") == "parent"
    await client.close()

client = AsyncClient(sys.argv[1])
shorter = client.with_timeout(5)
asyncio.run(parent())
"""
REFUSES = """
import asyncio, os, sys
import httpx
from lovage_client import AsyncClient, Client, ClientForked

client = Client(sys.argv[1], http=httpx.Client())
twin = AsyncClient(sys.argv[1], http=httpx.AsyncClient())
assert client.input("parent") == asyncio.run(twin.input("parent")) == "parent"
child = os.fork()
if child == 0:
    for ask in (lambda: client.input("one"), lambda: next(client.events()),
                lambda: asyncio.run(twin.input("one"))):
        try:
            ask()
        except ClientForked as e:
            assert "make a client in each process, after the fork" in str(e)
        else:
            raise AssertionError("it was not refused")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
CLOSED = """
import asyncio, os, sys
from lovage_client import AsyncClient, Client, ClientClosed

client, twin = Client(sys.argv[1]), AsyncClient(sys.argv[1])
client.close()
asyncio.run(twin.close())
child = os.fork()
if child == 0:
    for ask in (lambda: client.input("one"), lambda: asyncio.run(twin.input("one"))):
        try:
            ask()
        except ClientClosed:
            continue
        raise AssertionError("it was open")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
LOOPS = """
import asyncio, sys
from lovage_client import AsyncClient, ClientClosed

async def last():
    async with client.with_timeout(5), client:
        assert await client.input("parent") == "parent"
    try:
        await client.input("parent")
    except ClientClosed:
        return
    raise AssertionError("it was open")

client = AsyncClient(sys.argv[1])
for name in ("one", "two"):
    assert asyncio.run(client.input(name)) == name
asyncio.run(last())
# What the ended loops had is kept by nobody.
assert len(client._pools._of_process()) == 1
"""

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def names_itself(fake: Fake, *names: str) -> None:
    """Each of these jobs has its name as its input."""

    def route(handler: Handler, _: bytes) -> None:
        handler.reply(200, handler.path.split("/")[3])

    fake.routes |= {f"GET /v1/jobs/{name}/input": route for name in names}


def ports(fake: Fake, name: str) -> set[int]:
    return {port for path, port in fake.callers if f"/{name}/" in path}


def run(script: str, fake: Fake) -> None:
    names_itself(fake, "parent", "one", "two")
    command = [sys.executable, "-c", script, fake.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@forking
@pytest.mark.parametrize("script", [FORKS, FORKS_IN_A_LOOP], ids=["sync", "async"])
def test_after_a_fork_each_process_has_connections_of_its_own(script: str, fake: Fake) -> None:
    run(script, fake)
    each = [ports(fake, name) for name in ("parent", "one", "two")]
    # The parent's is the same before and after, whatever its children close.
    assert [len(it) for it in each] == [1, 1, 1] and len(set.union(*each)) == 3


@forking
def test_an_httpx_client_of_ones_own_is_for_its_process(fake: Fake) -> None:
    run(REFUSES, fake)
    assert not ports(fake, "one")


@forking
def test_a_client_that_was_closed_is_closed_in_a_child(fake: Fake) -> None:
    run(CLOSED, fake)


def test_one_client_serves_one_event_loop_after_another(fake: Fake) -> None:
    run(LOOPS, fake)
    each = [ports(fake, name) for name in ("one", "two", "parent")]
    assert [len(it) for it in each] == [1, 1, 1] and len(set.union(*each)) == 3
