"""Builds the examples of other languages than Rust, pushes them, and calls their tasks:

    python3 examples/checks LOVAGE WORK IMAGES.wasm

LOVAGE is the binary; WORK a folder for all that is made, which may be kept for the next time;
IMAGES.wasm the component of `examples/images`. It takes Python 3.11, Node 20 and npm.
"""

import signal
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import calls
import projects
import webhooks
import workflow
from server import Site

CHECKS = [
    (("zip",), calls.zip_over_http),
    (("zip",), calls.zip_on_the_command_line),
    (("zip",), calls.a_mebibyte_of_bytes),
    (("spreadsheet",), calls.spreadsheet),
    (("markdown",), calls.markdown),
    (("webhook",), webhooks.retries),
    (("webhook",), webhooks.refusals),
    (("images", "markdown", "spreadsheet", "zip"), workflow.market_day),
]
BEGUN = time.monotonic()


def say(line: str) -> None:
    print(f"[{time.monotonic() - BEGUN:5.1f} s] {line}", flush=True)


def attempt(what: str, run: Callable[..., str | None], *args: object) -> bool:
    """Runs a step, and tells where it failed."""
    begun = time.monotonic()
    try:
        note = run(*args)
    except Exception as error:
        traceback.print_exc()
        say(f"FAILED {what}: {next(iter(str(error).splitlines()), type(error).__name__)}")
        return False
    say(f"ok {what} ({time.monotonic() - begun:.1f} s{'; ' + note if note else ''})")
    return True


def made(site: Site, work: Path, images: Path) -> set[str]:
    """Builds and pushes all modules, and answers with those that are there."""
    receiver = webhooks.Receiver.port
    tree = projects.copied(work, {"webhook": {"127.0.0.1:47126": f"127.0.0.1:{receiver}"}})
    good = {"images"} if attempt("images: push", site.push, images) else set()

    def make(names: list[str]) -> list[str]:
        """Those of some modules, made one after the other, that are there."""
        good = []
        for name in names:
            steps = projects.steps(name, work, tree)
            steps.append(("push", partial(site.push, work / f"{name}.wasm")))
            if all(attempt(f"{name}: {what}", step) for what, step in steps):
                good.append(name)
        return good

    # Two at a time, since most of it is compiling; and what takes from one environment in turn.
    with ThreadPoolExecutor(2) as threads:
        for names in threads.map(make, [["spreadsheet", "zip"], ["markdown", "webhook"]]):
            good.update(names)
    return good


def main(lovage: str, work: str, images: str) -> int:
    folder = Path(work).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    with Site(Path(lovage).resolve(), folder) as site:
        modules = made(site, folder, Path(images).resolve())
        failed += 5 - len(modules)
        for wanted, check in CHECKS:
            missing = [name for name in wanted if name not in modules]
            if missing:
                say(f"FAILED {check.__name__}: there is no module `{'`, `'.join(missing)}`")
                failed += 1
            elif not attempt(check.__name__, check, site):
                failed += 1
    say("all is well" if not failed else f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    # What was started is stopped, however this ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(*sys.argv[1:]))
