"""Write Lovage task modules in Python.

# Layout

- `task`: declares a task (`_task`, with `_options`, `_schedule` and `_values`)
- `Failure`, `CallError`, `SqlError`, `DeclarationError`: what goes wrong (`_errors`)
- `Field`: words and bounds in `Annotated` (`_field`)
- `context`, `jobs`, `config`, `http`, `bucket`, `sql`: what a task asks of its host (`_host` is
  the contract)
- `testing`: what stands in for a worker in tests; with `_memory_bucket` and `_memory_database`
- `build`: from a project's folder to a component
- `_signature`, `_shapes`, `_msgpack`: types, their schemas, and values on the wire
- `_run`: one attempt; `_traceback`: errors in the author's words
- `_component`: the border of the component, imported in the sandbox alone; with
  `_describe`, `_calls`, `_outgoing`, `_keyvalue` and `_databases`
"""

from lovage import bucket, config, context, http, jobs, sql
from lovage._errors import CallError, DeclarationError, Failure, SqlError
from lovage._field import Field
from lovage._options import Backoff, Batch
from lovage._task import task

__all__ = [
    "Backoff",
    "Batch",
    "CallError",
    "DeclarationError",
    "Failure",
    "Field",
    "SqlError",
    "bucket",
    "config",
    "context",
    "http",
    "jobs",
    "sql",
    "task",
]
