"""A `lovage dev` of the tests' own."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest


def needed(name: str, what: str) -> Path:
    """A file that the environment names."""
    path = Path(os.environ.get(name, ""))
    if not path.is_file():
        pytest.fail(f"{name} must be the path of {what}: see README.md, Tests", pytrace=False)
    return path


class Server:
    """A worker, a broker and the API in one process, with the module `basics`. Its broker
    is a file: stopped and started again, it goes on."""

    def __init__(self, folder: Path) -> None:
        self._binary = needed("LOVAGE_BIN", "a `lovage` binary")
        self._module = needed("LOVAGE_TEST_MODULE", "the example module `basics.wasm`")
        self._folder = folder
        self._address = "127.0.0.1:0"
        self.url = ""

    def start(self) -> None:
        """Starts it; again, on the same port."""
        said = self._folder / "said"
        command = [str(self._binary), "dev", "--listen", self._address, "--grace", "1s"]
        # `LOVAGE_…` is configuration to the server, and these are none.
        clean = {k: v for k, v in os.environ.items() if not k.startswith("LOVAGE_")}
        with said.open("wb") as out:
            self._process = subprocess.Popen(
                [*command, f"basics={self._module}"],
                cwd=self._folder,
                env=clean,
                stdout=out,
                stderr=out,
            )
        self.url = self._served(said)
        self._address = self.url.removeprefix("http://")

    def _served(self, said: Path) -> str:
        for _ in range(1200):
            text = re.sub(r"\x1b\[[0-9;]*m", "", said.read_text())
            found = re.search(r"serving (http://\S+)", text)
            if found and "working" in text:
                return found[1]
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        pytest.fail(f"`lovage dev` does not serve:\n{said.read_text()}", pytrace=False)

    def stop(self) -> None:
        """Tells it to stop, and waits until it has."""
        self._process.terminate()
        self._process.wait(60)
