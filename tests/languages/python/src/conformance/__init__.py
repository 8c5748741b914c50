"""What every language's SDK does alike: the tasks of `tests/languages`, in Python."""

from conformance import failures, values, work

__all__ = ["failures", "values", "work"]
