"""Images of a folder that cannot be read, found before any work is done on the others."""

from __future__ import annotations

import numpy as np

from labelcodec.errors import MismatchError
from labelcodec.images import ImageListing
from labelcodec.progress import Progress
from labelcodec.wording import counted

SHOWN = 8  # names that a note lists


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
    for done, i in enumerate(listing.stored_order(np.arange(len(listing))).tolist()):
        problem = listing.store.problem(int(listing.item[i]))
        if problem is not None:
            problems[i] = problem
        if progress is not None:
            progress(done + 1, len(listing))
    return dict(sorted(problems.items()))


def without(listing: ImageListing, left_out: set[int]) -> ImageListing:
    """The listing without some images.

    Raises:
        MismatchError: a class would be left without images.
    """
    kept = np.array([i for i in range(len(listing)) if i not in left_out], np.int64)
    class_index = listing.class_index[kept]
    for number in np.unique(listing.class_index).tolist():
        if not (class_index == number).any():
            name = listing.classes[number]
            raise MismatchError(f"{listing.root / name}: none of its images can be read")
    return listing.take(kept)


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
    named = f"{listing.where(first)}: cannot read this image ({reason})"
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
