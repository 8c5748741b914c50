"""The web-hook sender, against a receiver that is not always well."""

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from server import Site, free_port

SECRET = "a secret of the receiver's"


class Receiver(BaseHTTPRequestHandler):
    """Answers as it is told, and keeps what it was sent."""

    port: ClassVar[int] = free_port()
    answers: ClassVar[list[tuple[int, dict[str, str]]]] = []
    seen: ClassVar[list[tuple[float, dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen.append((time.monotonic(), headers, body))
        status, more = self.answers.pop(0)
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def retries(site: Site) -> str:
    site.command("secrets", "set", "webhook-secret", text=SECRET)
    Receiver.answers[:] = [(503, {"retry-after": "2"}), (503, {}), (200, {})]
    with ThreadingHTTPServer(("127.0.0.1", Receiver.port), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        job = site.job("webhook.send", url=url("/paid"), event="order.paid", data={"order": 42})
        server.shutdown()
    assert job["result"] == {"status": 200, "attempt": 3}, job["result"]
    assert [it["ending"] for it in job["attempts"]] == ["failed", "failed", "completed"], job
    (first, _, body), (second, *_), _ = Receiver.seen
    # The task's own backoff would wait for a second at most.
    assert second - first >= 2, f"{second - first:.1f} s"
    assert json.loads(body) == {"id": job["id"], "event": "order.paid", "data": {"order": 42}}
    assert {sent for _, _, sent in Receiver.seen} == {body}
    for _, headers, _ in Receiver.seen:
        assert headers["idempotency-key"] == headers["webhook-id"] == job["id"], headers
        signed = f"{job['id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.digest(SECRET.encode(), signed, hashlib.sha256)
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}", headers
    return f"the second came {second - first:.1f} s after the first"


def refusals(site: Site) -> None:
    Receiver.seen.clear()
    Receiver.answers[:] = [(404, {"retry-after": "1"})]
    with ThreadingHTTPServer(("127.0.0.1", Receiver.port), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told = site.failure("webhook.send", "refused", url=url("/gone"), event="a", data=None)
        server.shutdown()
    assert told == "the receiver answered 404", told
    assert len(Receiver.seen) == 1

    # Nobody listens there any more, and nobody has granted the other one.
    for where, log in [(url("/"), ""), ("https://elsewhere.example/", "not granted")]:
        call = {
            "task": "webhook.send",
            "args": {"url": where, "event": "a", "data": 1},
            "retries": 0,
        }
        (attempt,) = site.waited(call)["attempts"]
        assert attempt["failure"]["kind"] == "unreachable", attempt
        assert log in attempt["log"], attempt["log"]


def url(path: str) -> str:
    return f"http://127.0.0.1:{Receiver.port}{path}"
