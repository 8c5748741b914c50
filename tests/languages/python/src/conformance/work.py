"""What a task tells its queue, and asks of it."""

import sys
import time
from dataclasses import dataclass

import lovage
from lovage import context, jobs


@lovage.task
def cancellable() -> str:
    """Works until somebody cancels it."""
    while not context.cancelled():
        time.sleep(0.005)
    return "tidied"


@lovage.task
def report() -> None:
    """Tells of itself, until somebody has seen it and cancels it."""
    print("to stdout")
    print("to stderr", file=sys.stderr)
    context.progress(0.5, "half")
    while not context.cancelled():
        time.sleep(0.005)


@lovage.task
def children(count: int) -> list[str]:
    """Enqueues so many jobs, and returns their ids."""
    return jobs.enqueue_all(
        [jobs.NewJob("conformance.echo", {"value": index}) for index in range(count)]
    )


@dataclass
class About:
    id: str
    attempt: int
    max_attempts: int
    tenant: str
    module: str
    task: str
    queue: str
    headers: dict[str, str]


@lovage.task
def about() -> About:
    """What a task knows of its job."""
    job = context.current()
    return About(
        id=job.id,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        tenant=job.tenant,
        module=job.module,
        task=job.task,
        queue=job.queue,
        headers=job.headers,
    )


@lovage.task(
    queue="special",
    priority=7,
    retries=2,
    backoff="1s",
    timeout="5s",
    memory="64MiB",
    unique="done",
    result_ttl="1h",
    concurrency=3,
    rate="100/1m",
)
def optioned() -> None:
    """Has many options."""
