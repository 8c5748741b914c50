"""Requests to other hosts, by the grant `http [METHOD,…] HOST[:PORT]`.

The host does TLS, looks up names, and follows no redirects. What it refuses, or cannot do, is a
`CallError`; an answer of any status is an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from lovage import _host, _values
from lovage._errors import CallError

__all__ = ["Request", "Response", "get", "post", "request"]


@dataclass(frozen=True)
class Request:
    """A request that is to be sent."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: From the lookup of the name to the last byte of the answer.
    timeout_ms: int | None = None


@dataclass(frozen=True)
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    #: In the order of the answer, names in lower case; one may come more than once.
    headers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for given, value in self.headers if given == name.lower()), None)

    def text(self) -> str:
        """The body, as UTF-8; what is none is replaced."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.body)


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
    json_body: Any = None,
    timeout: str | timedelta | None = None,
) -> Response:
    """Sends a request, and waits for the whole answer.

    A `json_body` is sent as JSON, in place of `body`. Nothing but the host's own limit (30 s) ends
    it where there is no `timeout`."""
    if not _is_address(url):
        raise CallError("invalid", f"`{url}` is no URL of the form `https://host/path`")
    sent = {name: str(value) for name, value in (headers or {}).items()}
    if json_body is not None:
        body = json.dumps(json_body)
        if not any(name.lower() == "content-type" for name in sent):
            sent["content-type"] = "application/json"
    data = body.encode() if isinstance(body, str) else body
    try:
        timeout_ms = None if timeout is None else _values.duration(timeout)
    except ValueError as error:
        raise CallError("invalid", f"`timeout`: {error}") from None
    return _host.current().http(Request(method.upper(), url, sent, data, timeout_ms))


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc != ""


def get(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: str | timedelta | None = None,
) -> Response:
    return request("GET", url, headers=headers, timeout=timeout)


def post(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
    json_body: Any = None,
    timeout: str | timedelta | None = None,
) -> Response:
    return request("POST", url, headers=headers, body=body, json_body=json_body, timeout=timeout)
