"""Calls of the modules one by one, with right and wrong arguments."""

import base64
import io
import json
import random
import re
import time
import zipfile
import zlib
from typing import Any
from xml.etree import ElementTree

from server import Site

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def archive_of(content: str | bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(content)))
    assert archive.testzip() is None
    return archive


def zip_over_http(site: Site) -> None:
    files = {"a.txt": b"lovage " * 1000, "b/\u00fc.bin": bytes(range(256)), "empty": b""}
    given = [{"name": name, "content": text_of(content)} for name, content in files.items()]
    sizes = {}
    for level in ("store", "fast", "normal", "best", None):
        packed = site.result("zip.pack", files=given, level=level)
        # Python's zlib reads what miniz wrote, and the other way around.
        archive = archive_of(packed)
        assert {name: archive.read(name) for name in archive.namelist()} == files, level
        assert site.result("zip.unpack", archive=packed) == given, level
        sizes[level] = len(packed)
    assert sizes["store"] > 7000 > sizes["fast"] >= sizes["best"], sizes
    assert sizes[None] == sizes["normal"], sizes

    refused = {"": "", "/etc/passwd": "/etc/passwd", "a/../../b": "a/../../b", "a\\b": "a\\b"}
    for name, told in refused.items():
        message = site.failure("zip.pack", "name", files=[{"name": name, "content": ""}])
        assert message == told, message
    twice = [{"name": "a", "content": ""}] * 2
    assert site.failure("zip.pack", "name", files=twice) == "a"
    assert site.failure("zip.unpack", "too-large", archive=packed, most=100) == "100"
    broken = base64.b64encode(base64.b64decode(packed)[:-30]).decode()
    assert "central" in site.failure("zip.unpack", "archive", archive=broken)
    site.refused("zip.pack", "/args/files/0/name", files=[{"name": 7, "content": ""}])


def zip_on_the_command_line(site: Site) -> None:
    path = site.folder / "made.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/text", "lovage " * 1000)
    entries = json.loads(site.command("call", "zip.entries", f"archive@{path}", "--wait"))
    (info,) = zipfile.ZipFile(path).infolist()
    crc = zlib.crc32(b"lovage " * 1000)
    wanted = {"name": "folder/text", "size": 7000, "packed": info.compress_size, "crc32": crc}
    assert entries == [wanted], entries
    path.write_bytes(b"no archive")
    told = site.command("call", "zip.entries", f"archive@{path}", "--retries", 0, "--wait", code=1)
    assert "not a ZIP archive" in told or "failed finding central directory" in told, told


def a_mebibyte_of_bytes(site: Site) -> str:
    content = random.Random(7).randbytes(1 << 20)
    given = [{"name": "random", "content": text_of(content)}]
    begun = time.monotonic()
    job = site.job("zip.pack", files=given, level="store")
    over_http = time.monotonic() - begun
    (attempt,) = job["attempts"]
    assert archive_of(job["result"]).read("random") == content
    return f"{attempt['seconds'] * 1000:.1f} ms the attempt, {over_http * 1000:.0f} ms over HTTP"


def cells(archive: zipfile.ZipFile, sheet: int) -> list[list[str]]:
    """The values of a sheet, row by row."""
    shared = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
    texts = ["".join(it.itertext()) for it in shared.iter(f"{MAIN}si")]
    rows = []
    for row in ElementTree.fromstring(archive.read(f"xl/worksheets/sheet{sheet}.xml")).iter(
        f"{MAIN}row"
    ):
        values = []
        for cell in row.iter(f"{MAIN}c"):
            value = cell.findtext(f"{MAIN}v") or ""
            values.append(texts[int(value)] if cell.get("t") == "s" else value)
        rows.append(values)
    return rows


def spreadsheet(site: Site) -> None:
    rows: list[dict[str, Any]] = [
        {"day": "2026-11-02", "group": "herbs", "item": "lovage", "count": 3, "price": "2.50"},
        {"day": "2026-11-01", "group": "bulbs", "item": "=1+1", "count": 10, "price": "0.10"},
    ]
    file = site.result("spreadsheet.report", name="sold.xlsx", title="November", rows=rows)
    assert file["name"] == "sold.xlsx"
    archive = archive_of(file["content"])
    sums = [["November"], ["Group", "Amount"], ["bulbs", "1.0"], ["herbs", "7.5"], ["Total", "8.5"]]
    assert cells(archive, 1) == sums, cells(archive, 1)
    assert cells(archive, 2)[1:] == [
        ["46328", "herbs", "lovage", "3", "2.5", "7.5"],
        ["46327", "bulbs", "=1+1", "10", "0.1", "1.0"],
    ], cells(archive, 2)
    assert site.result("spreadsheet.report", name="sold.xlsx", title="November", rows=rows) == file
    site.failure("spreadsheet.report", "empty", name="a.xlsx", rows=[])
    wrong = [rows[0] | {"price": "much"}]
    assert "[0].price" in site.failure("spreadsheet.report", "argument", name="a.xlsx", rows=wrong)
    site.refused(
        "spreadsheet.report", "/args/rows/0/count", name="a", rows=[rows[0] | {"count": "3"}]
    )


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Herbs &amp; more</title>
</head>
<body>
<h1>Herbs &amp; more</h1>
<p class="author">Ann</p>
<p><em>Lovage</em> \u2013 see <a href="https://a.example/">https://a.example/</a></p>
</body>
</html>
"""


def markdown(site: Site) -> None:
    source = "---\ntitle: Herbs & more\nauthor: Ann\n---\n*Lovage* -- see https://a.example/<script>alert(1)</script>\n"
    page = site.result("markdown.render", source=source)
    assert page == {"title": "Herbs & more", "html": PAGE}, page
    evil = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) <svg onload=alert(1)>"
    html = site.result("markdown.render", source=evil, template="{{{body}}}")["html"]
    assert not re.search(r"<svg|<[^>]*\son|href=\"javascript", html), html
    assert "YAML" in site.failure("markdown.render", "front-matter", source="---\na: [\n---\n")
    site.failure("markdown.render", "template", source="", template="{{#a}}")
    site.refused("markdown.file", "/args/name", name="", source="")
