"""A place where jobs run: `lovage dev` in a folder of its own, and ways to talk to it."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Site:
    def __init__(self, lovage: Path, work: Path) -> None:
        self.lovage, self.folder = lovage, work / "site"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("LOVAGE_")}
        # On a machine that does much else, a minute is not enough for an engine of a language.
        self.env["LOVAGE_COMPILE__TIMEOUT"] = "150s"
        self.env["LOVAGE_CACHE"] = str(work / "cache")
        self.env["LOVAGE_SECRETS__KEY"] = self.command("secrets", "key").strip()
        self.port = free_port()
        self.pushing = threading.Lock()
        self.dev: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.folder / "log").open("wb") as log:
            command = [
                str(self.lovage),
                "dev",
                "--listen",
                f"127.0.0.1:{self.port}",
                "--grace",
                "1s",
            ]
            self.dev = subprocess.Popen(
                command, cwd=self.folder, env=self.env, stdout=log, stderr=log
            )
        try:
            end = time.monotonic() + 30
            while not self.is_ready():
                assert self.dev.poll() is None, f"it has ended: {(self.folder / 'log').read_text()}"
                assert time.monotonic() < end, (
                    f"it is not ready: {(self.folder / 'log').read_text()}"
                )
                time.sleep(0.1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self.dev is not None
        self.dev.terminate()
        try:
            self.dev.wait(15)
        except subprocess.TimeoutExpired:
            self.dev.kill()
            self.dev.wait()

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                return True
        except OSError:
            return False

    def command(self, *words: object, text: str | None = None, code: int = 0) -> str:
        """What a command prints that ends with that code; of one that fails, its error."""
        line = [str(word) for word in (self.lovage, *words)]
        done = subprocess.run(
            line,
            cwd=self.folder,
            env=self.env,
            input=text or "",
            text=True,
            capture_output=True,
            timeout=170,
        )
        told = f"{' '.join(line[1:3])} ended with {done.returncode}: {done.stdout}{done.stderr}"
        assert done.returncode == code, told
        return done.stderr if code else done.stdout

    def push(self, component: Path) -> None:
        # One by one: two that compile at once take twice as long, each up to its limit.
        with self.pushing:
            self.command("push", component, "--grant")

    def post(self, path: str, body: object) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def job(self, task: str, **args: Any) -> Any:
        """A call over HTTP, and its job once that has ended."""
        return self.waited({"task": task, "args": args})

    def waited(self, call: dict[str, Any]) -> Any:
        task = call["task"]
        status, job = self.post("/v1/jobs?wait=60s", call)
        assert status in (200, 201), f"{task} was answered with {status}: {job}"
        assert job["state"] in ("completed", "discarded"), f"{task} is {job['state']}"
        if job["result_blob"]:
            # What is large lies by itself.
            job["result"] = self.get(f"/v1/jobs/{job['id']}/result")
        return job

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return json.load(answer)

    def result(self, task: str, **args: Any) -> Any:
        job = self.job(task, **args)
        assert job["state"] == "completed", f"{task}: {job['attempts'][-1]['failure']}"
        return job["result"]

    def failure(self, task: str, kind: str, **args: Any) -> str:
        """The message of a call that fails in this way, in its one attempt."""
        # A module with no SDK has no words for what is not to be tried again.
        job = self.waited(
            {"task": task, "args": args, **({"retries": 0} if task.startswith("zip.") else {})}
        )
        assert job["state"] == "discarded", f"{task} is {job['state']}: {job['result']}"
        (attempt,) = job["attempts"]
        assert attempt["failure"]["kind"] == kind, attempt["failure"]
        return str(attempt["failure"]["message"])

    def refused(self, task: str, pointer: str, **args: Any) -> None:
        """A call whose arguments do not fit: there is no job."""
        status, problem = self.post("/v1/jobs", {"task": task, "args": args})
        assert status == 422, f"{task} was answered with {status}: {problem}"
        assert pointer in [it["pointer"] for it in problem["errors"]], problem
