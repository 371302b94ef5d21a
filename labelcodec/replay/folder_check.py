"""Checks that an image folder is the one the labels were made from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.images import ImageListing, content_digest, fingerprint
from labelcodec.reader import Reader


def check_folder(reader: Reader, listing: ImageListing) -> None:
    """Check that labels were made from an image folder.

    Raises:
        MismatchError: they were not; the message names the first difference: the number of
            classes or images, a file name (only that names differ if the labels store none), or
            the files' content.
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
                f"{where}: its images have the same names, but other content: another folder, a "
                "damaged copy, or images that were encoded again"
            )
        return
    names = reader.names or ()
    if fingerprint(names) != header.fingerprint:
        raise MismatchError(
            f"{where}: as many files, but other file names; the labels keep no names to tell which"
        )
    if len(names) != len(listing):
        raise MismatchError(f"{where}: it has {len(listing)} images, the labels {len(names)}")
    first = next(i for i, name in enumerate(names) if name != listing.paths[i])
    raise MismatchError(
        f"{where}: it has {listing.paths[first]} where the labels have {names[first]}"
    )


def check_images(index: NDArray[np.int64], listing: ImageListing) -> None:
    """Check that the folder holds all images of a batch.

    Args:
        index: (B,) int64 positions of the batch's images in the listing.
        listing: the image folder.

    Raises:
        MismatchError: a position is outside the listing.
    """
    if (last := int(index.max())) >= len(listing):
        raise MismatchError(f"image {last}, but {listing.root} has {len(listing)} images")
