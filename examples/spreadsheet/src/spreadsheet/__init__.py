"""Reports as workbooks of Excel's: a table of what was sold, its totals, a chart, pictures."""

from dataclasses import dataclass
from typing import Annotated

import lovage
from lovage import Field, context

from .workbook import Picture, Row, workbook


@dataclass
class File:
    """What those take who take files."""

    name: str
    content: bytes


@lovage.task(retries=1, timeout="60s", memory="256MiB")
def report(
    name: Annotated[str, Field(description="Of the file.", min_length=1)],
    rows: Annotated[list[Row], "What the report is made of."],
    title: str = "Report",
    currency: Annotated[str, "The sign behind amounts."] = "€",
    chart: Annotated[bool, "Draw the groups' sums."] = True,
    pictures: Annotated[list[Picture] | None, "Shown beside the table."] = None,
) -> File:
    """Makes a workbook of two sheets: all rows, and the sums of their groups."""
    if not rows:
        raise lovage.Failure("there are no rows", kind="empty").never_retry()

    def told(done: int) -> None:
        context.progress(done / len(rows), f"{done} of {len(rows)} rows")

    content = workbook(rows, title, currency, chart=chart, pictures=pictures or [], told=told)
    return File(name, content)
