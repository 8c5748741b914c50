"""From a project's folder to a component: `python -m lovage.build FOLDER --output FILE`.

# Layout

- `__main__`: what was typed, and how it ends
- `project`: what the folder's `pyproject.toml` says
- `imports`: what its files import, before anything slow begins
- `world`: the interfaces that the component has
- `component`: the toolchain, and its errors in words
"""


class BuildError(Exception):
    """Why there is no component: what, where, and what to do."""
