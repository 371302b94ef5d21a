"""A batch as a PNG: each sample's image with its crop, what the student sees, and its label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from labelcodec.files.atomic import atomic_file
from labelcodec.preview.batch_view import BatchView, SampleView
from labelcodec.preview.wording import TEMPERATURE, facts, heading, mixing, title

SIDE, GAP, LINE, TEXT, COLUMNS = 176, 12, 16, 300, 2
BAR = 90  # width of the bar of probability 1
FIRST, SECOND, INK, PALE, BAR_COLOUR = "#d62728", "#1f77b4", "#222222", "#777777", "#9ecae1"
HEADER = 3 * LINE + GAP
CARD = (2 * (SIDE + GAP) + TEXT, SIDE + LINE + 2 * GAP)  # width, height


def draw_sheet(view: BatchView, target: Path) -> None:
    """Draw a view with pixels; an existing file is replaced.

    Raises:
        MismatchError: `target` is a folder or device.
        OSError: it cannot be written.
    """
    rows = -(-len(view.samples) // COLUMNS)
    size = (COLUMNS * (CARD[0] + GAP) + GAP, HEADER + rows * CARD[1] + GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    small, large = _font(12), _font(14)
    _write(draw, (GAP, GAP), f"{Path(view.file).name}, {heading(view)}", large, size[0] - GAP)
    line = "; ".join(filter(None, (mixing(view), TEMPERATURE)))
    _write(draw, (GAP, GAP + LINE + 4), line, small, size[0] - GAP, PALE)
    for i, sample in enumerate(view.samples):
        row, column = divmod(i, COLUMNS)
        corner = (GAP + column * (CARD[0] + GAP), HEADER + row * CARD[1])
        _card(sheet, draw, view, sample, corner, small)
    with atomic_file(target) as file:
        sheet.save(file, "PNG", optimize=True)


def _card(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    view: BatchView,
    sample: SampleView,
    corner: tuple[int, int],
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    left, top = corner
    _write(draw, corner, title(sample), font, left + CARD[0])
    top += LINE
    assert sample.original is not None and sample.student is not None
    crop = sample.crop
    box = None if crop is None else (crop[1], crop[0], crop[1] + crop[3], crop[0] + crop[2])
    _picture(sheet, draw, sample.original, (left, top), box, FIRST)
    pasted = view.box
    box = None if pasted is None else (pasted[2], pasted[0], pasted[3], pasted[1])
    _picture(sheet, draw, sample.student, (left + SIDE + GAP, top), box, SECOND)
    x, y, right = left + 2 * (SIDE + GAP), top, left + CARD[0]
    for entry in sample.top:
        draw.rectangle((x, y + 1, x + max(round(BAR * entry.probability), 1), y + 12), BAR_COLOUR)
        _write(draw, (x + 2, y), f"{100 * entry.probability:.1f} %", font, x + BAR)
        _write(draw, (x + BAR + 6, y), entry.name, font, right)
        y += LINE
    if sample.top:
        _write(draw, (x + 2, y), f"{100 * sample.others:.1f} %  others", font, right, PALE)
    y += LINE + 4
    for text in facts(view, sample):
        _write(draw, (x, y), text, font, right, PALE)
        y += LINE - 2


def _picture(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    pixels: NDArray[np.uint8],
    corner: tuple[int, int],
    box: tuple[float, float, float, float] | None,
    colour: str,
) -> None:
    """Paste an image, scaled to the side of a picture, with a box (left, top, right, bottom)."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    scaled = (max(round(width * scale), 1), max(round(height * scale), 1))
    how = Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.BOX
    sheet.paste(Image.fromarray(pixels).resize(scaled, how), corner)
    if box is None:
        return
    x0, y0, x1, y1 = (round(edge * scale) for edge in box)
    x0, y0 = corner[0] + x0, corner[1] + y0
    x1, y1 = corner[0] + max(x1 - 1, 0), corner[1] + max(y1 - 1, 0)
    draw.rectangle((x0, y0, max(x1, x0), max(y1, y0)), outline=colour, width=2)


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    try:
        return ImageFont.load_default(size)
    except TypeError:  # Pillow before 10.1
        return ImageFont.load_default()


def _write(
    draw: ImageDraw.ImageDraw,
    corner: tuple[float, float],
    text: str,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    right: float,
    colour: str = INK,
) -> None:
    """Write a line, cut where it would pass `right`; letters that the font lacks become '?'."""
    text = text.encode("latin-1", "replace").decode("latin-1")
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    if draw.textlength(text, font) > right - corner[0]:
        while text and draw.textlength(f"{text}...", font) > right - corner[0]:
            text = text[:-1]
        text += "..."
    draw.text(corner, text, colour, font)
