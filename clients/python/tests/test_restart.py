"""A real server that is stopped and started again, while somebody waits."""

import threading
from pathlib import Path

import pytest
from server import Server

from lovage_client import Client, Job


def test_whoever_waits_outlasts_a_restart(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    results: list[int] = []
    seen: list[str] = []

    def wait(job: Job[int]) -> None:
        results.append(job.result(60))

    def follow(job: Job[int]) -> None:
        seen.extend(it.state for it in job.progress(60))

    with Client(server.url, timeout=30) as client:
        call = client.basics.add.with_options(eta=4, key="one")
        job = call(a=2, b=3)
        waiting = [threading.Thread(target=it, args=(job,)) for it in (wait, follow)]
        for thread in waiting:
            thread.start()
        server.stop()
        restart = threading.Timer(1.0, server.start)
        restart.start()
        # Sent while nobody is there, it arrives.
        again = call(a=2, b=3)
        for thread in [*waiting, restart]:
            thread.join()
        assert (again.id, results, seen[-1]) == (job.id, [5], "completed")
        assert len(client.jobs(task="basics.add")) == 1
    server.stop()


def test_a_missing_binary_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOVAGE_BIN", str(tmp_path / "none"))
    with pytest.raises(pytest.fail.Exception, match="LOVAGE_BIN must be the path"):
        Server(tmp_path)
