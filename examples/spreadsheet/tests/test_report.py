from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import lovage
import pytest
from lovage import testing
from openpyxl import load_workbook

from spreadsheet import report
from spreadsheet.workbook import Picture, Row

ROWS = [
    Row(date(2026, 11, 2), "herbs", "lovage", 3, Decimal("2.50")),
    Row(date(2026, 11, 1), "bulbs", "=1+1", 10, Decimal("0.10")),
    Row(date(2026, 11, 3), "herbs", "basil", 1, Decimal("1.99")),
]
PHOTO = Path(__file__).parents[2] / "images" / "photos" / "dogs.jpg"


def made(rows: list[Row] = ROWS, *, values: bool = True, **options: Any) -> Any:
    with testing.Context():
        content = report("sold.xlsx", rows, **options).content
    return load_workbook(BytesIO(content), data_only=values)


def test_rows_and_sums_are_there() -> None:
    book = made(title="November")
    assert book.sheetnames == ["Sums", "Rows"]
    sums = [[cell.value for cell in row[:2]] for row in book["Sums"]["A3:B6"]]
    assert sums == [["Group", "Amount"], ["bulbs", 1], ["herbs", 9.49], ["Total", 10.49]]
    assert book["Sums"]["A1"].value == "November"
    assert [cell.value for cell in book["Rows"][2][1:]] == ["herbs", "lovage", 3, 2.5, 7.5]
    assert book["Rows"]["A2"].value.date() == date(2026, 11, 2)
    assert book["Rows"]["E2"].number_format == '#,##0.00 "€"'


def test_sums_are_formulas_and_texts_are_not() -> None:
    book = made(values=False)
    assert book["Sums"]["B6"].value == "=SUM(B4:B5)"
    assert book["Rows"]["F2"].value == "=D2*E2"
    item = book["Rows"]["C3"]
    assert (item.value, item.data_type) == ("=1+1", "s")


def test_options() -> None:
    book = made(chart=False, currency='C"HF')
    assert book["Rows"]["E2"].number_format == '#,##0.00 "CHF"'
    assert not book["Sums"]._charts
    assert len(made()["Sums"]._charts) == 1


def test_pictures_come_along() -> None:
    photo = PHOTO.read_bytes()
    with testing.Context():
        content = report("sold.xlsx", ROWS, pictures=[Picture(photo, "jpeg")]).content
    with ZipFile(BytesIO(content)) as archive:
        assert archive.read("xl/media/image1.jpeg") == photo


def test_the_same_rows_make_the_same_file() -> None:
    with testing.Context():
        assert report("a.xlsx", ROWS) == report("a.xlsx", ROWS)


def test_it_tells_how_far_it_is() -> None:
    with testing.Context() as job:
        report("many.xlsx", ROWS * 500)
    assert [it.message for it in job.progress] == ["1000 of 1500 rows", "1500 of 1500 rows"]


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("empty", {"rows": []}),
        ("picture", {"rows": ROWS, "pictures": [Picture(b"no picture", "png")]}),
        ("picture", {"rows": ROWS, "pictures": [Picture(bytes(1000), "png")]}),
    ],
)
def test_what_is_wrong_is_not_tried_again(kind: str, args: dict[str, Any]) -> None:
    with testing.Context(), pytest.raises(lovage.Failure) as raised:
        report("a.xlsx", **args)
    assert raised.value.kind == kind
    assert raised.value.retry.advice == "never"


def test_what_callers_send_is_read() -> None:
    row = {"day": "2026-11-01", "group": "a", "item": "b", "count": 1, "price": "0.10"}
    with testing.Context():
        file = testing.call("report", name="a.xlsx", rows=[row])
        with pytest.raises(lovage.Failure, match="day"):
            testing.call("report", name="a.xlsx", rows=[row | {"day": "yesterday"}])
    book = load_workbook(BytesIO(file["content"]), data_only=True)
    assert book["Rows"]["F2"].value == 0.1
