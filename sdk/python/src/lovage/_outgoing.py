"""`wasi:http` for requests. Imported in the sandbox alone, by a module that wants `http`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from componentize_py_types import Err
from wit_world.imports import http_types as wasi
from wit_world.imports import outgoing_handler, streams

from lovage._errors import CallError, CallErrorKind
from lovage.http import Request, Response

_PIECE = 4_096
_READ = 64 * 1_024
_KINDS: dict[Any, CallErrorKind] = {
    wasi.ErrorCode_HttpRequestDenied: "denied",
    wasi.ErrorCode_DestinationIpProhibited: "denied",
    wasi.ErrorCode_HttpRequestUriInvalid: "invalid",
    wasi.ErrorCode_HttpRequestMethodInvalid: "invalid",
    wasi.ErrorCode_ConnectionLimitReached: "limit",
    wasi.ErrorCode_HttpRequestBodySize: "limit",
    wasi.ErrorCode_HttpRequestHeaderSectionSize: "limit",
    wasi.ErrorCode_HttpResponseBodySize: "limit",
    wasi.ErrorCode_HttpResponseHeaderSectionSize: "limit",
}


def send(request: Request) -> Response:
    """Sends it, and reads the answer whole."""
    try:
        outgoing = _outgoing(request)
    except Err:
        raise CallError("invalid", f"no such request can be sent: {_told(request)}") from None
    try:
        body = outgoing.body()
        pending = outgoing_handler.handle(outgoing, _options(request))
        _write(body, request.body)
        return _answer(pending, request)
    except Err as error:
        raise _refused(error.value, request) from None


def _told(request: Request) -> str:
    return f"`{request.method} {request.url}`"


def _outgoing(request: Request) -> Any:
    parts = urlsplit(request.url)
    headers = [(name, value.encode()) for name, value in request.headers.items()]
    outgoing = wasi.OutgoingRequest(wasi.Fields.from_list(headers))
    other = wasi.Method_Other
    method = getattr(wasi, f"Method_{request.method.capitalize()}", other)
    outgoing.set_method(other(request.method) if method is other else method())
    outgoing.set_scheme(wasi.Scheme_Https() if parts.scheme == "https" else wasi.Scheme_Http())
    outgoing.set_authority(parts.netloc)
    outgoing.set_path_with_query((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
    return outgoing


def _options(request: Request) -> Any:
    if request.timeout_ms is None:
        return None
    whole = request.timeout_ms * 1_000_000
    options = wasi.RequestOptions()
    # The host adds the two up, and takes 10 s for one that is not said. Of zero, another host
    # could make that there is no time to connect.
    options.set_connect_timeout(whole // 2)
    options.set_first_byte_timeout(whole - whole // 2)
    return options


def _write(body: Any, data: bytes) -> None:
    try:
        # Given back before the body ends, of which it is a part.
        with body.write() as stream:
            for start in range(0, len(data), _PIECE):
                stream.blocking_write_and_flush(data[start : start + _PIECE])
        wasi.OutgoingBody.finish(body, None)
    except Err:
        # What was refused meanwhile shows with the answer.
        return


def _answer(pending: Any, request: Request) -> Response:
    with pending.subscribe() as ready:
        ready.block()
    answer = pending.get()
    # Of the answer, in that it is taken once.
    for _ in range(2):
        if isinstance(answer, Err):
            raise answer
        answer = answer.value
    with answer, answer.headers() as fields:
        headers = [(name.lower(), value.decode("latin-1")) for name, value in fields.entries()]
        with answer.consume() as body, body.stream() as stream:
            return Response(answer.status(), _read(stream, request), headers)


def _read(stream: Any, request: Request) -> bytes:
    read = bytearray()
    while True:
        try:
            read += stream.blocking_read(_READ)
        except Err as error:
            if isinstance(error.value, streams.StreamError_Closed):
                return bytes(read)
            raise CallError("unavailable", f"the answer to {_told(request)} broke off") from None


def _refused(code: Any, request: Request) -> CallError:
    kind = _KINDS.get(type(code), "unavailable")
    word = type(code).__name__.removeprefix("ErrorCode_")
    return CallError(kind, f"{_told(request)}: {word}")
