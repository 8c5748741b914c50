"""A workbook, by XlsxWriter, in memory: a task has no files."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any

import lovage
import xlsxwriter
from xlsxwriter.exceptions import XlsxWriterException

# So many rows lie between two words of progress.
STEP = 1000


@dataclass
class Row:
    day: date
    group: str
    item: str
    count: int
    price: Decimal


@dataclass
class Picture:
    """A picture, as `images.thumbnail` makes it."""

    image: bytes
    format: str


def workbook(
    rows: Sequence[Row],
    title: str,
    currency: str,
    *,
    chart: bool,
    pictures: Sequence[Picture],
    told: Callable[[int], None],
) -> bytes:
    out = BytesIO()
    # Texts are data of a stranger's: none of them becomes a formula or a link.
    texts = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, {"in_memory": True, **texts})
    # The day of making is in the file; without it the same rows make the same bytes.
    book.set_properties({"title": title, "created": datetime(2000, 1, 1)})
    styles = {
        "title": book.add_format({"bold": True, "font_size": 16}),
        "head": book.add_format({"bold": True, "bottom": 1}),
        "day": book.add_format({"num_format": "yyyy-mm-dd"}),
        "money": book.add_format({"num_format": f'#,##0.00 "{currency.replace(chr(34), "")}"'}),
    }
    sums = book.add_worksheet("Sums")
    table(book.add_worksheet("Rows"), styles, rows, told)
    totals(sums, styles, title, rows)
    if chart:
        draw(book, sums, groups(rows))
    for place, picture in enumerate(pictures):
        show(sums, place, picture)
    book.close()
    return out.getvalue()


def table(
    sheet: Any, styles: dict[str, Any], rows: Sequence[Row], told: Callable[[int], None]
) -> None:
    for column, head in enumerate(["Day", "Group", "Item", "Count", "Price", "Amount"]):
        sheet.write_string(0, column, head, styles["head"])
    for n, row in enumerate(rows, start=1):
        sheet.write_datetime(
            n, 0, datetime(row.day.year, row.day.month, row.day.day), styles["day"]
        )
        sheet.write_string(n, 1, row.group)
        sheet.write_string(n, 2, row.item)
        sheet.write_number(n, 3, row.count)
        sheet.write_number(n, 4, float(row.price), styles["money"])
        # A formula and its value: who reads the file without calculating sees it, too.
        amount = float(row.count * row.price)
        sheet.write_formula(n, 5, f"=D{n + 1}*E{n + 1}", styles["money"], amount)
        if n % STEP == 0 or n == len(rows):
            told(n)
    sheet.autofilter(0, 0, len(rows), 5)
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, 5, 14)


def groups(rows: Sequence[Row]) -> dict[str, Decimal]:
    """The groups' sums, in the order of their names."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        sums[row.group] = sums.get(row.group, Decimal(0)) + row.count * row.price
    return dict(sorted(sums.items()))


def totals(sheet: Any, styles: dict[str, Any], title: str, rows: Sequence[Row]) -> None:
    sheet.set_column(0, 1, 18)
    sheet.write_string(0, 0, title, styles["title"])
    sheet.write_string(2, 0, "Group", styles["head"])
    sheet.write_string(2, 1, "Amount", styles["head"])
    sums, end = groups(rows), len(rows) + 1
    for n, (group, amount) in enumerate(sums.items(), start=3):
        sheet.write_string(n, 0, group)
        formula = f"=SUMIF(Rows!$B$2:$B${end},A{n + 1},Rows!$F$2:$F${end})"
        sheet.write_formula(n, 1, formula, styles["money"], float(amount))
    last = 3 + len(sums)
    sheet.write_string(last, 0, "Total", styles["head"])
    total = float(sum(sums.values()))
    sheet.write_formula(last, 1, f"=SUM(B4:B{last})", styles["money"], total)


def draw(book: Any, sheet: Any, sums: dict[str, Decimal]) -> None:
    chart = book.add_chart({"type": "column"})
    last = 2 + len(sums)
    chart.add_series(
        {"categories": ["Sums", 3, 0, last, 0], "values": ["Sums", 3, 1, last, 1], "name": "Amount"}
    )
    chart.set_legend({"none": True})
    sheet.insert_chart("D3", chart)


def show(sheet: Any, place: int, picture: Picture) -> None:
    data = {"image_data": BytesIO(picture.image), "object_position": 2}
    name = f"picture-{place + 1}.{picture.format}"
    try:
        sheet.insert_image(18 + 12 * place, 3, name, data)
    except (XlsxWriterException, struct.error) as error:
        message = f"picture {place + 1} cannot be read: {error}"
        raise lovage.Failure(message, kind="picture").never_retry() from error
