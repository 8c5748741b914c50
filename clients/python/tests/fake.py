"""A server that does what is hard to get from a real one: it makes a job and loses the
answer, is full, is away, answers slowly, breaks off its streams."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgpack

RECORD: dict[str, Any] = {
    "task": "m.t", "queue": "default", "lane": "", "priority": 5, "cancelling": False,
    "options": {"headers": {"tags": "a,b", "x": "y"}}, "input": {}, "attempts": [],
    "enqueued": "2027-01-31T09:00:00.5Z", "available": "2027-01-31T09:00:00Z",
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Fake"

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        fake = self.server
        fake.seen.append((self.command, self.path, dict(self.headers.items()), body))
        fake.callers.append((self.path, self.client_address[1]))
        fault = fake.faults.pop(0) if fake.faults else None
        if fault is not None and not fault(self, body):
            return
        fake.routes[f"{self.command} {self.path.split('?')[0]}"](self, body)

    do_GET = do_POST = _any

    def reply(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        """Answers with a value as MessagePack; a problem is JSON."""
        is_problem = status >= 300
        body = json.dumps(value).encode() if is_problem else msgpack.packb(value)
        kind = "application/problem+json" if is_problem else "application/msgpack"
        self.send_response(status)
        for name, text in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self) -> None:
        """Closes the connection, with no further word."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()

    def stream(self, text: str) -> None:
        """Sends a piece of an event stream, and breaks off."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text.encode())
        self.close_connection = True


Fault = Callable[[Handler, bytes], bool]


class Fake(ThreadingHTTPServer):
    """The server. Each request meets the next of `faults`, and then its route."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        #: Each request's path, and the port at the other end of its connection.
        self.callers: list[tuple[str, int]] = []
        self.faults: list[Fault | None] = []
        self.jobs: dict[str, str] = {}
        self.routes: dict[str, Callable[[Handler, bytes], None]] = {
            "POST /v1/jobs": self._enqueue,
            "POST /v1/jobs/batch": self._enqueue_many,
        }

    def handle_error(self, *_: object) -> None:
        """Whoever was hung up on is no error of the server's."""

    def make(self, body: bytes) -> list[str]:
        """The jobs of a body's calls: one for each key, as the real server has it."""
        value = msgpack.unpackb(body)
        keys = [call["key"] for call in value.get("jobs", [value])]
        return [self.jobs.setdefault(key, f"job-{len(self.jobs)}") for key in keys]

    def record(self, id: str, state: str, **more: object) -> dict[str, Any]:
        return {**RECORD, "id": id, "state": state, **more}

    def _enqueue(self, handler: Handler, body: bytes) -> None:
        handler.reply(201, {"id": self.make(body)[0]})

    def _enqueue_many(self, handler: Handler, body: bytes) -> None:
        handler.reply(201, {"ids": self.make(body)})


def lost_answer(handler: Handler, body: bytes) -> bool:
    """The job is made, and the connection breaks before the answer."""
    handler.server.make(body)
    handler.hang_up()
    return False


def silent(seconds: float) -> Fault:
    """The job is made, and no answer comes for so long."""

    def fault(handler: Handler, body: bytes) -> bool:
        handler.server.make(body)
        time.sleep(seconds)
        handler.hang_up()
        return False

    return fault


def hung_up(handler: Handler, body: bytes) -> bool:
    """The connection breaks before anything was done."""
    handler.hang_up()
    return False


def problem(status: int, kind: str, again: str | None = None, **more: object) -> Fault:
    """Refuses with a problem document."""

    def fault(handler: Handler, body: bytes) -> bool:
        document = {"type": f"urn:lovage:problem:{kind}", "status": status, **more}
        headers = {} if again is None else {"Retry-After": again}
        handler.reply(status, {"title": "no", "detail": f"it is {kind}", **document}, headers)
        return False

    return fault


@contextmanager
def running() -> Iterator[Fake]:
    fake = Fake()
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        fake.shutdown()
        thread.join()
        fake.server_close()
