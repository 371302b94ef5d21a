"""The page in examples/javascript shows header, bytes and labels, in a headless browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.spec.golden import VECTORS, expected

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")


DROP = """<!doctype html>
<iframe src="/examples/javascript/index.html"></iframe>
<script type="module">
  const frame = document.querySelector("iframe");
  await new Promise((done) => (frame.onload = done));
  const file = await (await fetch("/spec/vectors/v1.0/container/one-batch.slc")).blob();
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([file], "dropped.slc"));
  const page = frame.contentDocument;
  const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  page.getElementById("drop").dispatchEvent(drop);
  while (!page.body.dataset.shown) await new Promise((done) => setTimeout(done, 20));
  document.body.innerHTML = page.body.innerHTML;
</script>
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves the repository and a page that drops a file on the viewer, without a log."""

    def do_GET(self) -> None:
        if self.path != "/drop.html":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(DROP.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=ROOT)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def page(address: str, path: Path, profile: Path) -> str:
    """The document once the viewer shows a file."""
    viewer = "examples/javascript/index.html"
    return rendered(f"{address}/{viewer}?file=/{path.relative_to(ROOT)}", profile, "data-shown")


def rendered(url: str, profile: Path, last: str) -> str:
    """The document at an address once it has what its scripts write last.

    The browser's clock runs ahead of a busy machine: what is not ready is asked for again.
    """
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    for _ in range(12):
        done = subprocess.run(
            [str(BROWSER), *flags, "--virtual-time-budget=30000", "--dump-dom", url],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        if last in done.stdout:
            break
    return done.stdout


def part(document: str, name: str) -> str:
    """Markup inside the element with an id."""
    found = re.search(rf'<(\w+)[^>]* id="{name}"[^>]*>(.*?)</\1>', document, re.DOTALL)
    assert found, name
    return found[2]


def texts(markup: str, tag: str) -> list[str]:
    """Text of the elements of a tag."""
    found = re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", markup, re.DOTALL)
    return [unescape(re.sub("<[^>]*>", "", text)).replace("\u202f", "") for text in found]


def pairs(document: str, name: str) -> dict[str, str]:
    markup = part(document, name)
    return dict(zip(texts(markup, "dt"), texts(markup, "dd"), strict=True))


def labels_of(document: str) -> list[tuple[str, list[list[str]]]]:
    """Heading and rows of each sample that is shown."""
    articles = re.findall(r"<article\b.*?</article>", document, re.DOTALL)
    rows = [re.findall(r"<tr\b.*?</tr>", article, re.DOTALL) for article in articles]
    cells = [[texts(row, "td") for row in table] for table in rows]
    return [
        (texts(article, "h3")[0], table) for article, table in zip(articles, cells, strict=True)
    ]


def test_the_documentation_site_has_all_of_the_page() -> None:
    """The site copies what pages link to; a README would take the place of index.html there."""
    linked = re.findall(
        r"\(\.\./examples/javascript/([^)]*)\)", (ROOT / "docs/readers.md").read_text()
    )
    files = {path.name for path in (ROOT / "examples/javascript").iterdir()}
    assert set(linked) == files - {"README.md"}


def test_a_topk_file(address: str, tmp_path: Path) -> None:
    path = VECTORS / "v1.2/kept-counts/floor.slc"
    arrays = expected({"expected": path.with_suffix(".npz")})
    document = page(address, path, tmp_path)
    summary, size = pairs(document, "summary"), path.stat().st_size
    assert (summary["codec"], summary["labels"], summary["kept of each"]) == ("topk", "48", "5")
    assert (summary["bytes"], summary["values"]) == (str(size), "float16 logits")
    header = json.loads(str(arrays["header"]))
    shown = pairs(document, "header")
    assert sorted(shown) == sorted(header)
    assert (shown["creator"], shown["classes"]) == (header["creator"], str(header["classes"]))
    *components, total = re.findall(r"<tr\b.*?</tr>", part(document, "sizes"), re.DOTALL)
    sizes = {row[0]: int(row[2]) for row in (texts(tr, "td") for tr in components)}
    assert sum(sizes.values()) == int(texts(total, "td")[2]) == size
    assert {"kept classes", "label values", "floors", "side information"} < set(sizes)
    samples = labels_of(document)
    assert len(samples) == 8
    for i, (heading, rows) in enumerate(samples):
        count = arrays["batch0.label_count"][i]
        value = arrays["batch0.label_value"][i].astype(np.float64)
        assert heading == f"Sample {i}: image {arrays['batch0.image_index'][i]}"
        index = arrays["batch0.label_index"][i]
        assert [row[0] for row in rows] == [f"class {c}" for c in index[:count]]
        left_out = (header["classes"] - 5) * np.exp(float(arrays["batch0.label_floor"][i]))
        share = np.exp(value[:count]) / (np.exp(value).sum() + left_out)
        for row, one_value, probability in zip(rows, value, share, strict=False):
            assert float(row[2]) == pytest.approx(one_value, rel=1e-3)
            assert float(row[3].split("\xa0")[0]) == pytest.approx(100 * probability, abs=0.06)


def test_a_dense_file_with_names_of_images(address: str, tmp_path: Path) -> None:
    path = VECTORS / "v1.0/container/image-names.slc"
    arrays = expected({"expected": path.with_suffix(".npz")})
    document = page(address, path, tmp_path)
    for i, (heading, rows) in enumerate(labels_of(document)):
        name = arrays["names"][arrays["batch0.image_index"][i]]
        assert heading == f"Sample {i}: {name}"
        order = np.argsort(-arrays["batch0.label_value"][i].astype(np.float64), kind="stable")
        assert [row[0] for row in rows] == [f"class {c}" for c in order]


def test_a_dropped_file(address: str, tmp_path: Path) -> None:
    document = rendered(f"{address}/drop.html", tmp_path, "<article")
    assert texts(part(document, "content"), "h2")[0] == "dropped.slc"
    rows = [[(cells[0], float(cells[2])) for cells in table] for _, table in labels_of(document)]
    assert rows == [  # as section 11 of the specification says
        [("class 2", 3.5), ("class 0", 1)],
        [("class 1", 4), ("class 4", 2)],
        [("class 1", 2.5), ("class 2", 2.5)],
    ]


def test_files_that_cannot_be_shown_whole(address: str, tmp_path: Path) -> None:
    document = page(address, VECTORS / "v1.2/vq/codes.slc", tmp_path)
    assert "codec vq" in part(document, "labels") and labels_of(document) == []
    assert pairs(document, "summary")["codec"] == "vq"
    document = page(address, VECTORS / "v1.2/vq/codes.npz", tmp_path)
    assert part(document, "status") == "codes.npz: this is no .slc file"
    assert re.search(r'id="content" hidden', document)
