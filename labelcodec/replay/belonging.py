"""Whether an image folder is the one the labels were made from."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.images import ImageListing, content_digest, fingerprint
from labelcodec.reader import Reader


def check_folder(reader: Reader, listing: ImageListing) -> None:
    """Refuse a folder that labels do not belong to.

    Raises:
        MismatchError: naming the first difference: the number of classes or images, a name, or
            just that the listings differ where the labels keep no names; the files' content.
        OSError: an image file cannot be read.
    """
    header, where = reader.header, f"{listing.root}: not the folder of {reader.paths[0]}"
    if len(listing.classes) > header.classes:
        raise MismatchError(
            f"{where}: it has {len(listing.classes)} classes, the labels {header.classes}"
        )
    if header.images is not None and header.images > len(listing):
        raise MismatchError(f"{where}: it has {len(listing)} images, the labels {header.images}")
    if header.fingerprint is None:
        return
    if header.images is not None and header.images != len(listing):
        raise MismatchError(f"{where}: it has {len(listing)} images, the labels {header.images}")
    if fingerprint(listing.paths) == header.fingerprint:
        if header.content is not None and content_digest(listing) != header.content:
            raise MismatchError(
                f"{where}: its images have the same names, but other content; images that were "
                "encoded again are other ones, too"
            )
        return
    for theirs, own in zip_longest(reader.names or (), listing.paths):
        if theirs is not None and theirs != own:
            raise MismatchError(f"{where}: it has {own} where the labels have {theirs}")
    raise MismatchError(f"{where}: other file names, though as many")


def check_images(index: NDArray[np.int64], listing: ImageListing) -> None:
    """Refuse a batch with images that the folder does not have.

    Args:
        index: (B,) positions of its images.
        listing: the folder.

    Raises:
        MismatchError: a position outside the listing.
    """
    if (last := int(index.max())) >= len(listing):
        raise MismatchError(f"image {last}, but {listing.root} has {len(listing)} images")
