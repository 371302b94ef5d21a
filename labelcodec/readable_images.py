"""Images of a folder that cannot be read, found before any work is done on the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from labelcodec.errors import MismatchError
from labelcodec.extras import needing_extra
from labelcodec.files.regular import check_regular
from labelcodec.images import ImageListing
from labelcodec.progress import Progress
from labelcodec.wording import counted

SHOWN = 8  # names that a note lists
# How a complete file of a format begins and ends. Files that do not end so, or of other formats,
# are decoded.
_COMPLETE = {b"\xff\xd8": b"\xff\xd9", b"\x89PNG\r\n\x1a\n": b"IEND\xaeB`\x82"}


def unreadable(listing: ImageListing, progress: Progress | None = None) -> dict[int, str]:
    """Find images that are missing, cut off or of no known format.

    A JPEG or PNG file that ends as it should is not decoded.

    Args:
        listing: the image folder.
        progress: called with images looked at and total images.

    Returns:
        Position in the listing -> what is wrong with that image.
    """
    problems = {}
    for i, name in enumerate(listing.paths):
        problem = _problem(listing.root / name)
        if problem is not None:
            problems[i] = problem
        if progress is not None:
            progress(i + 1, len(listing))
    return problems


def without(listing: ImageListing, left_out: set[int]) -> ImageListing:
    """The listing without some images.

    Raises:
        MismatchError: a class would be left without images.
    """
    kept = np.array([i for i in range(len(listing)) if i not in left_out], np.int64)
    class_index = listing.class_index[kept]
    for number, name in enumerate(listing.classes):
        if not (class_index == number).any():
            raise MismatchError(f"{listing.root / name}: none of its images can be read")
    paths = tuple(listing.paths[i] for i in kept.tolist())
    return replace(listing, paths=paths, class_index=class_index, _sizes=listing._sizes[kept])


def readable(
    listing: ImageListing, skip_bad: bool, progress: Progress | None = None
) -> tuple[ImageListing, tuple[str, ...]]:
    """The images of a folder that can be read, and a note on those that cannot.

    Args:
        listing: the image folder.
        skip_bad: whether images may be left out.
        progress: called with images looked at and total images.

    Raises:
        MismatchError: an image cannot be read, and none may be left out.
    """
    problems = unreadable(listing, progress)
    if not problems:
        return listing, ()
    first, reason = next(iter(problems.items()))
    named = f"{listing.root / listing.paths[first]}: cannot read this image ({reason})"
    if not skip_bad:
        more = f", and {len(problems) - 1} more of the folder" if len(problems) > 1 else ""
        raise MismatchError(f"{named}{more}; mend them, or pass `skip_bad=True` to leave them out")
    names = ", ".join(listing.paths[i] for i in [*problems][:SHOWN])
    more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    note = (
        f"{listing.root}: left out {counted(len(problems), 'image')} that cannot be read: "
        f"{names}{more}"
    )
    return without(listing, set(problems)), (note,)


def _problem(path: Path) -> str | None:
    try:
        check_regular(path, MismatchError, "an image")
        with path.open("rb") as file:
            start = file.read(8)
            size = file.seek(0, 2)
            file.seek(max(size - 16, 0))
            tail = file.read().rstrip(b"\0")
        if any(start.startswith(magic) and tail.endswith(end) for magic, end in _COMPLETE.items()):
            return None
        with needing_extra("checking images"):
            from PIL import Image
        try:
            with Image.open(path) as image:
                image.load()
        except (SyntaxError, ValueError, Image.DecompressionBombError) as error:
            return str(error)
    except OSError as error:
        return error.strerror or str(error).partition(" '")[0]
    except MismatchError as error:
        return str(error).removeprefix(f"{path}: ")
    return None
