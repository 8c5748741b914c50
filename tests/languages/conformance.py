"""Calls every task of a conformance module, by the client for Python, and prints a JSON
object: of each feature `true`, or what is wrong with it.

    conformance.py URL LANGUAGE

The module is pushed as `conformance`, its worker takes the queues `default` and `special`,
the tenant has the value `greeting`, which is `hello`, and there is an empty database
`conformance`.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from lovage_client import Client, InvalidArguments, JobCancelled, JobFailed

PATIENCE = 60
FEATURES: dict[str, Callable[["Conformance"], None]] = {}


def feature(name: str) -> Callable[[Callable[["Conformance"], None]], None]:
    def keep(check: Callable[["Conformance"], None]) -> None:
        FEATURES[name] = check

    return keep


def equal(got: Any, wanted: Any) -> None:
    if got != wanted or type(got) is not type(wanted):
        raise AssertionError(f"{got!r:.300} is not {wanted!r:.300}")


class Conformance:
    def __init__(self, client: Client, language: str) -> None:
        self.client = client
        self.language = language

    def call(self, task: str, **arguments: Any) -> Any:
        return self.client.task(f"conformance.{task}").within(PATIENCE, **arguments)

    def failed(self, task: str, options: dict[str, Any] | None = None, **arguments: Any) -> JobFailed:
        job = self.client.task(f"conformance.{task}").with_options(**(options or {}))(**arguments)
        try:
            job.result(PATIENCE)
        except JobFailed as error:
            return error
        raise AssertionError(f"`{task}` did not fail")

    def refused(self, task: str, **arguments: Any) -> list[str]:
        try:
            self.client.task(f"conformance.{task}")(**arguments)
        except InvalidArguments as error:
            return [f"{it.pointer} {it.detail}" for it in error.errors]
        raise AssertionError(f"`{task}` was not refused {arguments!r:.200}")


def types(**others: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "text": "Grüße, 世界 \U0001f409\0",
        "big": 2**63 - 1,
        "small": -1,
        "real": 0.1,
        "flag": True,
        "blob": bytes(range(256)),
        "items": [0, 127, 128, 65535, -32769],
        "named": {"ä": 1, "": 2},
        "maybe": None,
        "nested": {"label": "deep", "inner": [{"n": 1}, {"n": -2}]},
    }
    return values | others


@feature("values of every type")
def every_type(it: Conformance) -> None:
    equal(it.call("types", **types()), types())
    some = types(maybe="", text="", items=[], named={}, blob=b"", real=-1.5e300)
    equal(it.call("types", **some), some)


@feature("64-bit integers")
def integers(it: Conformance) -> None:
    for big in (2**63 - 1, -(2**63), -1, 0, 2**53 + 1):
        equal(it.call("types", **types(big=big))["big"], big)
        equal(it.call("echo", value=big), big)


@feature("1 MiB of bytes")
def bytes_of_a_mebibyte(it: Conformance) -> None:
    equal(it.call("size", blob=b"\x00\xff" * (1 << 19)), 1 << 20)
    equal(it.call("blob", size=1 << 20), b"\x07" * (1 << 20))


@feature("deep nesting")
def nesting(it: Conformance) -> None:
    value: Any = "bottom"
    for depth in range(40):
        value = [value] if depth % 2 else {"in": value}
    equal(it.call("echo", value=value), value)


@feature("nothing, and what is left out")
def nothing(it: Conformance) -> None:
    equal(it.call("empty"), None)
    equal(it.call("echo", value=None), None)
    left_out = types()
    del left_out["maybe"]
    equal(it.call("types", **left_out), types())


@feature("wrong arguments are refused with their place")
def wrong(it: Conformance) -> None:
    missing = types()
    del missing["text"]
    for arguments, said in (
        (missing, "text"),
        (types(nested={"label": 1, "inner": []}), "/nested/label"),
        (types(unknown=1), "unknown"),
    ):
        errors = it.refused("types", **arguments)
        if not any(said in error for error in errors):
            raise AssertionError(f"no `{said}` in {errors}")


@feature("failures with advice")
def failures(it: Conformance) -> None:
    never = it.failed("fail", kind="odd", message="not today", advice="never")
    equal((never.kind, never.message), ("odd", "not today"))
    equal(len(never.job.attempts), 1)
    for advice in ("now", "after"):
        error = it.failed("fail", {"retries": 2}, kind="odd", message="again", advice=advice)
        equal(len(error.job.attempts), 3)


@feature("an error of the language, with its traceback")
def crash(it: Conformance) -> None:
    error = it.failed("crash", {"retries": 0})
    told = f"{error.message}\n{error.detail}\n{error.job.attempts[-1].log}"
    for word in ("boom", "inner"):
        # A panic of Rust is a trap: where it was, its message says.
        if word not in told and not (it.language == "rust" and "lib.rs" in told):
            raise AssertionError(f"no `{word}` in {told}")


@feature("retries")
def retries(it: Conformance) -> None:
    equal(it.call("flaky", until=3), 3)


@feature("checkpoints")
def checkpoints(it: Conformance) -> None:
    equal(it.call("checkpointed"), {"at": 3})


@feature("cancelling")
def cancelling(it: Conformance) -> None:
    job = it.client.task("conformance.cancellable")()
    until = time.monotonic() + PATIENCE
    while job.record().state != "running":
        if time.monotonic() > until:
            raise AssertionError("it does not run")
        time.sleep(0.02)
    time.sleep(0.2)
    job.cancel()
    try:
        job.result(PATIENCE)
    except JobCancelled as error:
        equal(error.job.state, "cancelled")
        return
    raise AssertionError("it was not cancelled")


@feature("progress, and the log")
def report(it: Conformance) -> None:
    job = it.client.task("conformance.report")()
    told = []
    for now in job.progress(PATIENCE):
        told.append((now.share, now.message))
        if told[-1] == (0.5, "half"):
            break
    else:
        raise AssertionError(f"its progress was {told}")
    job.cancel()
    try:
        job.result(PATIENCE)
    except JobCancelled:
        log = job.log()
    else:
        raise AssertionError("it was not cancelled")
    if "to stdout" not in log or "to stderr" not in log:
        raise AssertionError(f"the log is {log!r}")


@feature("further jobs")
def children(it: Conformance) -> None:
    ids = it.call("children", count=3)
    equal([it.client.result(id, PATIENCE) for id in ids], [0, 1, 2])


@feature("what a job knows of itself")
def about(it: Conformance) -> None:
    job = it.client.task("conformance.about").with_options(headers={"trace": "ä"}, retries=6)()
    known = job.result(PATIENCE)
    equal(known["headers"].pop("trace"), "ä")
    del known["headers"]
    wanted = {"id": job.id, "attempt": 1, "max_attempts": 7, "tenant": "default"}
    wanted |= {"module": "conformance", "task": "about", "queue": "default"}
    equal(known, wanted)


@feature("options")
def options(it: Conformance) -> None:
    job = it.client.task("conformance.optioned")()
    equal(job.result(PATIENCE), None)
    equal(job.record().queue, "special")


@feature("batches")
def batches(it: Conformance) -> None:
    words = it.client.task("conformance.words")
    jobs = [words(text="w " * count) for count in range(5)]
    equal([job.result(PATIENCE) for job in jobs], [0, 1, 2, 3, 4])


@feature("values of the tenant's")
def configured(it: Conformance) -> None:
    equal(it.call("configured", key="greeting"), "hello")


@feature("buckets")
def buckets(it: Conformance) -> None:
    value = bytes([0, 255])
    wanted = {"value": value, "gone": False, "count": 2, "keys": ["count", "value"]}
    equal(it.call("kept", value=value), wanted)
    equal(it.call("kept", value=b"")["count"], 4)


@feature("databases")
def databases(it: Conformance) -> None:
    rows = [{"number": -1, "text": None}, {"number": 2**63 - 1, "text": "ä"}]
    equal(it.call("stored", number=2**63 - 1), rows)


def main() -> None:
    _, url, language = sys.argv
    said: dict[str, bool | str] = {}
    with Client(url) as client:
        conformance = Conformance(client, language)
        for name, check in FEATURES.items():
            try:
                check(conformance)
                said[name] = True
            except Exception:
                said[name] = traceback.format_exc(limit=-3)
    print(json.dumps(said))


main()
