"""Number of classes of a dump of top-k labels, whose files do not record it."""

from __future__ import annotations

from labelcodec.batch import MAX_CLASSES
from labelcodec.errors import ConfigError, DumpError
from labelcodec.wording import counted

# ImageNet-1K, ImageNet-21K-P (LPQLD's ImageNet-21K), the whole of ImageNet-21K.
USUAL = (1000, 10450, 21841)


def class_count(given: int | None, folders: int | None, largest: int) -> tuple[int, bool]:
    """Determine the number of classes C.

    Args:
        given: C as passed by the caller, or None.
        folders: number of class folders of the image folder, or None without an image folder.
        largest: largest class index in the labels inspected.

    Returns:
        C, and whether it is a guess: the smallest usual C that exceeds `largest`.

    Raises:
        DumpError: `largest` is outside 0..C-1, or no usual C is large enough.
        ConfigError: C is more than a label set can have.
    """
    if given is not None and given > MAX_CLASSES:
        raise ConfigError(f"`classes={given}` is more than {MAX_CLASSES}")
    classes = folders if given is None else given
    if classes is None:
        classes = next((usual for usual in USUAL if largest < usual), 0)
    if largest >= classes:
        raise DumpError(
            f"labels of class {largest} do not fit {counted(classes or USUAL[-1], 'class')}; "
            "pass the number of classes"
        )
    return classes, given is None and folders is None
