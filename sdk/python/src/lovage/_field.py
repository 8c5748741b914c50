"""What `Annotated` may say of a value beside its type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Field:
    """Words and bounds of an argument, a field or a result, as in
    `Annotated[int, lovage.Field(description="The longest side.", ge=1, le=4096)]`."""

    description: str | None = None
    #: At least, more than, at most, less than.
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    #: Of a text, of binary data, or of a list.
    min_length: int | None = None
    max_length: int | None = None
    #: A regular expression that a text holds somewhere.
    pattern: str | None = None

    def words(self, of_list: bool) -> dict[str, object]:
        """In the words of JSON Schema."""
        named: dict[str, object] = {
            "description": self.description,
            "minimum": self.ge,
            "exclusiveMinimum": self.gt,
            "maximum": self.le,
            "exclusiveMaximum": self.lt,
            "minItems" if of_list else "minLength": self.min_length,
            "maxItems" if of_list else "maxLength": self.max_length,
            "pattern": self.pattern,
        }
        return {word: value for word, value in named.items() if value is not None}
