"""The command line of the build step."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lovage.build import BuildError
from lovage.build.component import build
from lovage.build.project import Project


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lovage.build", description="Builds a task module into a component."
    )
    parser.add_argument(
        "folder", nargs="?", default=".", type=Path, help="the module's folder [default: .]"
    )
    parser.add_argument(
        "--output", "-o", type=Path, metavar="FILE", help="[default: NAME.wasm in the folder]"
    )
    given = parser.parse_args()
    try:
        project = Project.read(given.folder)
        output = given.output or given.folder / f"{project.name}.wasm"
        build(project, output)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
