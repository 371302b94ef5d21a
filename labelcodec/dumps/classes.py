"""The number of classes, which a dump of top-k labels does not record."""

from __future__ import annotations

from labelcodec.errors import DumpError

# ImageNet-1K, ImageNet-21K-P (LPQLD's ImageNet-21K), the whole of ImageNet-21K.
USUAL = (1000, 10450, 21841)


def class_count(given: int | None, folders: int | None, largest: int) -> tuple[int, bool]:
    """The number of classes C and whether it is a guess.

    Args:
        given: C as the user gave it.
        folders: class folders of the image folder, if one was given.
        largest: the largest class index in the labels that were looked at.

    Raises:
        DumpError: a label has a class outside 0..C-1, or no usual C is large enough.
    """
    known = folders if given is None else given
    if known is None:
        known = next((usual for usual in USUAL if largest < usual), 0)
    if largest >= known:
        raise DumpError(
            f"labels of class {largest} do not fit {known or USUAL[-1]} classes; "
            "pass the number of classes"
        )
    return known, given is None and folders is None
