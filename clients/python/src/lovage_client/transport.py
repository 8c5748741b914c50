"""What both clients have of httpx: where requests go, who asks, and how errors are read."""

import math
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from threading import Timer
from typing import Any, Self

import httpx

from .values import Span, seconds
from .wire import STREAM, Answer, Lost, Request

#: Where a server is if nothing else is said: that of `lovage dev`.
DEFAULT_URL = "http://localhost:7777"
VERSION = "0.1.0"
#: Seconds until a connection stands.
CONNECT = 5.0
#: Requests that one client has under way at most, and besides them waits for jobs: each
#: takes a connection, and whoever enqueues does not stand in line with those who wait.
#: More requests at once are slower: what httpx does for each grows with its connections.
REQUESTS, WAITS = 10, 100
#: What the gates let through has a connection, and so has each event stream. Idle ones go
#: by their age: httpx counts busy ones among those that it may keep.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)


@dataclass(frozen=True, slots=True)
class Target:
    """A server, the token it is asked with, and the patience with it."""

    url: str
    token: str | None = field(repr=False)
    #: Seconds that an operation may take, repeats included.
    timeout: float

    @classmethod
    def of(cls, url: str | None, token: str | None, timeout: Span) -> Self:
        """From arguments, or else from the environment."""
        url = url or os.environ.get("LOVAGE_URL") or DEFAULT_URL
        token = token or os.environ.get("LOVAGE_TOKEN") or None
        if not _is_address(url):
            raise ValueError(
                f"the server's address is `{url}`: write it as in {DEFAULT_URL} or "
                "https://queue.example, as `url` or in LOVAGE_URL"
            )
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("the token has characters that none has: look at LOVAGE_TOKEN")
        return cls(url.rstrip("/"), token, cls.checked(timeout))

    @staticmethod
    def checked(timeout: Span) -> float:
        """The seconds of a timeout that is one."""
        length = seconds(timeout, "timeout")
        if not length > 0:
            raise ValueError(f"`timeout` is more than 0 seconds, not {timeout!r}")
        return length

    def within(self, timeout: Span) -> Self:
        """The same server with another patience."""
        return replace(self, timeout=self.checked(timeout))

    def arguments(
        self, request: Request, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """What httpx takes for a request."""
        head = {"Accept": request.accept, "User-Agent": f"lovage-client-python/{VERSION}"}
        if self.token is not None:
            head["Authorization"] = f"Bearer {self.token}"
        if request.body is not None:
            head["Content-Type"] = request.body_type
        if request.key is not None:
            head["Idempotency-Key"] = request.key
        silence = request.silence
        return {
            "method": request.method,
            "url": self.url + request.path,
            "params": dict(request.params),
            "content": request.body,
            "headers": head | dict(headers or {}),
            "timeout": httpx.Timeout(silence, connect=min(CONNECT, silence)),
            "follow_redirects": False,
        }

    def busy(self, request: Request) -> Lost:
        """No answer, since the request never came to its turn."""
        most = f"{WAITS} waits" if request.waits else f"{REQUESTS} requests"
        return Lost(self.url, f"the client's {most} are all under way", arrived=False)

    def closed(self) -> Lost:
        """No answer, and none to be had."""
        return Lost(self.url, "the client is closed", arrived=False, closed=True)

    def lost(self, error: httpx.RequestError) -> Lost:
        """No answer, as httpx tells of it."""
        not_sent = httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
        why = str(error) or type(error).__name__
        if isinstance(error, httpx.ReadTimeout):
            why = "it was silent for too long"
        if isinstance(error, httpx.PoolTimeout):
            why = "all connections of the httpx client are in use"
        return Lost(self.url, why, arrived=not isinstance(error, not_sent))


def _is_address(url: str) -> bool:
    try:
        read = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return read.scheme in ("http", "https") and read.host != ""


def is_stream(response: httpx.Response) -> bool:
    """Whether it is an event stream, and not somebody's page."""
    kind = response.headers.get("content-type", "")
    return response.status_code == 200 and kind.startswith(STREAM)


@contextmanager
def hung_up_after(response: httpx.Response, seconds: float) -> Iterator[None]:
    """Breaks a stream off when the time is up. httpx by itself waits for each word as long as
    for the first, and a server that says something now and then is listened to for longer."""
    stream = response.extensions.get("network_stream")
    sock = None if stream is None else stream.get_extra_info("socket")
    # Over HTTP/2 others use the connection, too.
    is_own = response.http_version.startswith("HTTP/1")
    if sock is None or not is_own or seconds == math.inf:
        yield
        return
    timer = Timer(seconds, _hang_up, [sock])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def answer_of(response: httpx.Response) -> Answer:
    """An answer whose body was read."""
    return Answer(response.status_code, response.headers, response.content)
