"""What a type looks like on the wire: its JSON Schema, and the way of a value in and out.

# Layout

- `base`: `Shape`, which each of the others is; `Mismatch`, a value that does not fit
- `scalars`, `texts`: null, numbers, text, binary data; what is a text with a form
- `containers`: lists, tuples, sets, dictionaries, unions, and bounds around a shape
- `records`: dataclasses and TypedDicts
- `plain`: any value, by its own type
- `resolve`: from an annotation to its shape
"""

from lovage._shapes.base import Definitions, Mismatch, Schema, Shape
from lovage._shapes.records import Member, Record
from lovage._shapes.resolve import UnsupportedType, shape_of

__all__ = [
    "Definitions",
    "Member",
    "Mismatch",
    "Record",
    "Schema",
    "Shape",
    "UnsupportedType",
    "shape_of",
]
