"""The flow whose calls are of four languages, as its README runs it."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

from calls import archive_of, cells
from server import Site

FOLDER = Path(__file__).parents[1] / "workflow"


def market_day(site: Site) -> str:
    fill = [sys.executable, str(FOLDER / "fill"), str(FOLDER / "flow.json")]
    filled = subprocess.run(fill, check=True, text=True, stdout=subprocess.PIPE).stdout
    flow = json.loads(site.command("flow", "run", "-", "--wait", "--json", text=filled))
    assert (flow["state"], flow["completed"], flow["failed"]) == ("completed", 5, 0), flow
    archive = archive_of(flow["result"])
    assert archive.namelist() == ["index.html", "sold.xlsx"]

    page = archive.read("index.html").decode()
    assert '<td style="text-align:right;">12</td>' in page, page
    found = re.findall(r'<img src="data:image/(\w+);base64,([^"]+)" alt="([^"]+)">', page)
    assert [(format, alt) for format, _, alt in found] == [("jpeg", "dandelions"), ("png", "a fig")]
    thumbnails = [base64.b64decode(data) for _, data, _ in found]

    with archive.open("sold.xlsx") as file:
        book = archive_of(base64.b64encode(file.read()))
    sums = [["fruit", "15.0"], ["herbs", "57.0"], ["Total", "72.0"]]
    assert cells(book, 1)[2:] == sums, cells(book, 1)
    kept = [book.read(name) for name in sorted(book.namelist()) if name.startswith("xl/media/")]
    assert kept == thumbnails

    # A step that cannot fit is told before there is any job.
    wrong = json.loads(filled)
    wrong["chain"][2] = {"task": "zip.unpack", "results": {"archive": "previous"}}
    told = site.command("flow", "run", "-", text=json.dumps(wrong), code=5)
    assert "chain[2]" in told, told
    return f"{len(base64.b64decode(flow['result']))} bytes"
