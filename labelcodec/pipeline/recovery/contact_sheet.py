"""Contact sheet of an image folder: a row per class, a few images of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from labelcodec.files.atomic import atomic_file
from labelcodec.images import list_images
from labelcodec.replay.image_source import ImageFiles

ROWS, COLUMNS, GAP, WIDTH = 10, 10, 2, 1200
SMALLEST = 64  # side in pixels up to which small images are enlarged


def contact_sheet(folder: Path, target: Path, rows: int = ROWS, columns: int = COLUMNS) -> None:
    """Write a PNG with the first images of classes spread evenly over a folder.

    Args:
        folder: image folder, one sub-folder per class.
        target: the PNG file; an existing one is replaced.
        rows: largest number of classes.
        columns: largest number of images per class.

    Raises:
        MismatchError: not an image folder, or an image cannot be read.
    """
    listing = list_images(folder)
    files = ImageFiles(listing)
    shown = np.unique(np.linspace(0, len(listing.classes) - 1, rows).round().astype(int))
    of_row = [np.flatnonzero(listing.class_index == own)[:columns] for own in shown]
    images = [[Image.fromarray(files.image(int(index))) for index in row] for row in of_row]
    side = max(max(image.size) for row in images for image in row)
    longest = max(map(len, images))
    shown_side = min(side * max(SMALLEST // side, 1), (WIDTH - GAP) // longest - GAP)
    cell = shown_side + GAP
    sheet = Image.new("RGB", (longest * cell + GAP, len(images) * cell + GAP), "white")
    for top, row in enumerate(images):
        for left, image in enumerate(row):
            scale = shown_side / side
            size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
            enlarges = scale > 1
            resized = image.resize(
                size, Image.Resampling.NEAREST if enlarges else Image.Resampling.LANCZOS
            )
            sheet.paste(resized, (left * cell + GAP, top * cell + GAP))
    with atomic_file(target) as file:
        sheet.save(file, "PNG", optimize=True)
