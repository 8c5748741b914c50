"""What schemathesis must be told of Lovage's API: MessagePack, and what ends the run."""

import json
import os
import re

import msgpack
import schemathesis


def number(text):
    """Numbers of which MessagePack has no form are sent as the nearest that it has."""
    value = int(text)
    return value if -(2**63) <= value < 2**64 else float(value)


@schemathesis.serializer("application/msgpack")
def pack(context, value):
    if isinstance(value, bytes):
        return value
    # A body of bytes, which need not be MessagePack.
    if isinstance(getattr(value, "data", None), bytes):
        return value.data
    plain = json.loads(json.dumps(value), parse_int=number)
    return msgpack.packb(plain, unicode_errors="surrogatepass")


@schemathesis.serializer("application/wasm")
def component(context, value):
    value = getattr(value, "data", value)
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@schemathesis.deserializer("application/msgpack")
def unpack(context, response):
    return msgpack.unpackb(response.content, raw=False, strict_map_key=False)


@schemathesis.deserializer("application/octet-stream")
def octets(context, response):
    return response.content.decode("latin-1")


@schemathesis.hook
def filter_case(context, case):
    """Leaves out the one request after which no other is answered: to revoke the run's own token."""
    return (case.path_parameters or {}).get("id") != os.environ["OWN_TOKEN"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Whoever asks for a job that begins tomorrow waits a moment, and not a minute."""
    wait = (case.query or {}).get("wait")
    if isinstance(wait, str) and re.fullmatch("[0-9]+(ms|s|m|h|d)", wait):
        case.query["wait"] = "100ms"
