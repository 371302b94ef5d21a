"""Contact sheet of an image folder: a row per class, a few images of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from labelcodec.files.atomic import atomic_file
from labelcodec.images import list_images
from labelcodec.replay.image_source import ImageFiles

ROWS, COLUMNS, GAP, WIDTH = 10, 10, 2, 1200


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
    images = [[files.image(int(index)) for index in row] for row in of_row]
    side = max(max(image.size) for row in images for image in row)
    longest = max(map(len, images))
    shrunk = min(side, (WIDTH - GAP) // longest - GAP)
    cell = shrunk + GAP
    sheet = Image.new("RGB", (longest * cell + GAP, len(images) * cell + GAP), "white")
    for top, row in enumerate(images):
        for left, image in enumerate(row):
            scale = shrunk / side
            size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
            resized = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
            sheet.paste(resized, (left * cell + GAP, top * cell + GAP))
    with atomic_file(target) as file:
        sheet.save(file, "PNG", optimize=True)
