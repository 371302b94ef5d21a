"""A batch, and what a file says, as one HTML page that needs nothing else.

Texts come from files that may be hostile: every one is escaped here, and nowhere else. The page
asks for nothing from a network and runs no script, which its policy forbids besides.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.extras import needing_extra
from labelcodec.files.atomic import atomic_file
from labelcodec.preview.batch_view import BatchView, SampleView
from labelcodec.preview.wording import TEMPERATURE, facts, heading, mixing, title

LONGEST = 384  # side of an original in pixels, on the page
SIDE = 176  # of a picture as it is shown
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
body{font:14px/1.35 system-ui,sans-serif;margin:1.5rem;color:#222;background:#fff}
h1{font-size:1.25rem;margin:0 0 .25rem}h2{font-size:1rem;margin:1.5rem 0 .5rem}
p{margin:.25rem 0;color:#555}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(43rem,100%),1fr));gap:1rem}
article{display:flex;flex-wrap:wrap;gap:.75rem;border-top:1px solid #ddd;padding-top:.5rem;
min-width:0}
article>div{flex:1 1 14rem;min-width:0;overflow-wrap:anywhere}
h3{font-size:.9rem;margin:0 0 .25rem;overflow-wrap:anywhere}
figure{margin:0;flex:none}figcaption{color:#777;font-size:.75rem}
svg{display:block;image-rendering:pixelated;background:#f4f4f4}
table{border-collapse:collapse}td,th{padding:0 .75rem 0 0;text-align:left;vertical-align:top;
font-weight:400;overflow-wrap:anywhere}th{color:#777}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{display:block;height:.7rem;margin-top:.25rem;background:#9ecae1}
"""


def write_page(target: Path, title_: str, sections: Iterable[str]) -> None:
    """Write a page; an existing file is replaced.

    Args:
        target: the file.
        title_: title of the page, as text.
        sections: HTML, from the functions of this module.

    Raises:
        MismatchError: `target` is a folder or device.
        OSError: it cannot be written.
    """
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(_printable(title_))}</title><style>{STYLE}</style>"
    )
    body = f"<h1>{text(title_)}</h1>\n" + "\n".join(sections)
    page = f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'
    with atomic_file(target) as file:
        file.write(page.encode("utf-8", "replace"))


def text(value: object) -> str:
    """A value as HTML text, set apart in its direction of writing; no control characters."""
    return f"<bdi>{escape(_printable(value))}</bdi>"


def _printable(value: object) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in str(value))


def batch_section(view: BatchView) -> str:
    """The batch: its samples with their pictures, as far as the view has pixels."""
    line = "; ".join(filter(None, (mixing(view), TEMPERATURE)))
    cards = "\n".join(_card(view, sample) for sample in view.samples)
    return (
        f"<section><h2>{text(heading(view))}</h2><p>{text(line)}</p>\n"
        f'<div class="cards">{cards}</div></section>'
    )


def table_section(name: str, rows: Sequence[tuple[str, object]]) -> str:
    """Names and values."""
    lines = "".join(f"<tr><th>{text(key)}</th><td>{text(value)}</td></tr>" for key, value in rows)
    return f"<section><h2>{text(name)}</h2><table>{lines}</table></section>"


def bytes_section(name: str, sizes: Mapping[str, int]) -> str:
    """Bytes by component, with their share as a bar."""
    total = sum(sizes.values())
    lines = "".join(
        f'<tr><th>{text(key)}</th><td class="n">{size}</td>'
        f'<td class="n">{100 * size / max(total, 1):.1f} %</td>'
        f"<td>{_bar(size / max(total, 1))}</td></tr>"
        for key, size in sizes.items()
    )
    last = f'<tr><th>all</th><td class="n">{total}</td><td></td><td></td></tr>'
    return f"<section><h2>{text(name)}</h2><table>{lines}{last}</table></section>"


def _card(view: BatchView, sample: SampleView) -> str:
    rows = "".join(
        f'<tr><td class="n">{100 * entry.probability:.1f} %</td>'
        f"<td>{_bar(entry.probability)}</td><td>{text(entry.name)}</td></tr>"
        for entry in sample.top
    )
    if sample.top:
        rows += f'<tr><th class="n">{100 * sample.others:.1f} %</th><th></th><th>others</th></tr>'
    said = "".join(f"<p>{text(line)}</p>" for line in facts(view, sample))
    return (
        f"<article>{_original(sample)}{_student(view, sample)}<div><h3>{text(title(sample))}</h3>"
        f"<table>{rows}</table>{said}</div></article>"
    )


def _bar(share: float) -> str:
    width = 6 * min(max(share, 0.0), 1.0)
    return f'<div style="width:6rem"><span class="bar" style="width:{width:.2f}rem"></span></div>'


def _original(sample: SampleView) -> str:
    """The image with its crop; without pixels an outline; nothing where neither is known."""
    if sample.crop is None and sample.original is None:
        return ""
    height, width = sample.image_size or (1, 1)
    box = None
    if sample.crop is not None:
        top, left, rows, columns = sample.crop
        box = (left, top, columns, rows)
    uri = None if sample.original is None else _shrunk(sample.original)
    return _figure("image", (height, width), uri, box, "#d62728")


def _student(view: BatchView, sample: SampleView) -> str:
    """What the student sees, with CutMix's box; without pixels an outline."""
    if sample.student is None and (view.box is None or view.size is None):
        return ""
    size = view.size if sample.student is None else sample.student.shape[:2]
    assert size is not None
    box = None
    if view.box is not None:
        row0, row1, column0, column1 = view.box
        box = (column0, row0, column1 - column0, row1 - row0)
    uri = None if sample.student is None else _uri(sample.student)
    caption = "network input" if uri is None else "as the student sees it"
    return _figure(caption, (size[0], size[1]), uri, box, "#1f77b4")


def _figure(
    caption: str,
    size: tuple[int, int],
    uri: str | None,
    box: tuple[float, float, float, float] | None,
    colour: str,
) -> str:
    """A picture with a box (left, top, width, height), in the picture's own units."""
    height, width = size
    scale = SIDE / max(height, width)
    shown = f'width="{max(width * scale, 1):.0f}" height="{max(height * scale, 1):.0f}"'
    inside = "" if uri is None else f'<image href="{uri}" width="{width}" height="{height}"/>'
    if box is not None:
        left, top, columns, rows = box
        inside += (
            f'<rect x="{left:g}" y="{top:g}" width="{columns:g}" height="{rows:g}" fill="none" '
            f'stroke="{colour}" stroke-width="2" vector-effect="non-scaling-stroke"/>'
        )
    label = f'role="img" aria-label="{escape(caption)}"'
    drawing = f'<svg viewBox="0 0 {width} {height}" {shown} {label}>{inside}</svg>'
    return f"<figure>{drawing}<figcaption>{text(caption)}</figcaption></figure>"


def _shrunk(pixels: NDArray[np.uint8]) -> str:
    """An image no larger than it is looked at."""
    with needing_extra("a page with images"):
        from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST, LONGEST))
    return _uri(np.asarray(image))


def _uri(pixels: NDArray[np.uint8]) -> str:
    """An image as a data: URI of a PNG."""
    with needing_extra("a page with images"):
        from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    """Nested values as (name, value) rows with 'outer inner' names; None is left out."""
    rows: list[tuple[str, object]] = []
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            rows += flat(value, f"{name} ")
        elif value is not None:
            rows.append((name, value))
    return rows
