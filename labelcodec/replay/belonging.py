"""Whether an image folder is the one the labels were made from."""

from __future__ import annotations

from itertools import zip_longest

from labelcodec.errors import MismatchError
from labelcodec.images import ImageListing, fingerprint
from labelcodec.reader import Reader


def check_folder(reader: Reader, listing: ImageListing) -> None:
    """Refuse a folder that labels do not belong to.

    Raises:
        MismatchError: naming the first difference: the number of images, a name, or just that the
            listings differ where the labels keep no names.
    """
    header, where = reader.header, f"{listing.root}: not the folder of {reader.paths[0]}"
    if header.images is not None and header.images > len(listing):
        raise MismatchError(f"{where}: it has {len(listing)} images, the labels {header.images}")
    if header.fingerprint is None:
        return
    if header.images is not None and header.images != len(listing):
        raise MismatchError(f"{where}: it has {len(listing)} images, the labels {header.images}")
    if fingerprint(listing.paths) == header.fingerprint:
        return
    for theirs, own in zip_longest(reader.names or (), listing.paths):
        if theirs is not None and theirs != own:
            raise MismatchError(f"{where}: it has {own} where the labels have {theirs}")
    raise MismatchError(f"{where}: other file names, though as many")
