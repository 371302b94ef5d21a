"""Which classes are recovered, and what their folders are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labelcodec.binding.class_map import as_class_map
from labelcodec.binding.folder import ClassMapLike
from labelcodec.binding.names import same_name
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.images import ClassNumbers, ImageListing
from labelcodec.pipeline.class_statistics import ClassStatistics
from labelcodec.pipeline.recovery.distilled_folder import RECIPE
from labelcodec.wording import counted


def class_names_of(
    statistics: ClassStatistics | None,
    class_map: ClassMapLike | None,
    classes: int | None,
    listing: ImageListing | None,
    where: str,
) -> tuple[str, ...]:
    """Folder name of each of the C classes; '' where a class map does not name a class.

    Raises:
        ConfigError: C is not known, or a name is none of a folder.
        MismatchError: the statistics, in the file `where`, are of other classes.
    """
    mapped = None if class_map is None else as_class_map(class_map)
    recorded = None if statistics is None else statistics.facts.get("class_names")
    folders = () if listing is None else listing.classes
    counts = (
        None if statistics is None else statistics.classes,
        classes,
        None if mapped is None else mapped.classes,
        len(folders) or None,
    )
    count = next((each for each in counts if each), None)
    if count is None:
        raise ConfigError("the number of the teacher's classes is not known: pass `classes`")
    if classes not in (None, count):
        raise MismatchError(
            f"{where}: has the statistics of {counted(count, 'class')}, not of {classes}; leave "
            "`classes` out"
        )
    if mapped is not None:
        root = class_map if listing is None else listing.root
        names = mapped.names(folders, count, str(root))
    elif recorded is not None:
        names = tuple(map(str, recorded))
    elif len(folders) == count and not isinstance(folders, ClassNumbers):
        names = folders
    else:
        width = len(str(count - 1))
        names = tuple(f"{own:0{width}d}" for own in range(count))
    for own, (name, other) in enumerate(zip(names, recorded or names, strict=True)):
        if same_name(name) != same_name(other):
            raise MismatchError(
                f"{where}: class {own} is {other!r} there and {name!r} in the class map; leave "
                "`class_map` out, or squeeze with it"
            )
    for name in names:
        if name and (name.startswith(".") or "/" in name or "\0" in name or name == RECIPE):
            raise ConfigError(f"the class name {name!r} cannot name a folder; pass `class_map`")
    return names


def selected_classes(
    names: Sequence[str],
    statistics: ClassStatistics | None,
    class_range: tuple[int, int] | None,
    note: Callable[[str], None],
) -> list[int]:
    """The classes to recover: those of the range that have a name and, by class, statistics."""
    first, stop = class_range or (0, len(names))
    if not 0 <= first < stop <= len(names):
        raise ConfigError(
            f"`class_range` is {first}:{stop}, the teacher's classes are 0:{len(names)}"
        )
    named_classes = [own for own in range(first, stop) if names[own]]
    empty = [own for own in named_classes if statistics is not None and not statistics.images[own]]
    if empty:
        note(
            f"{counted(len(empty), 'class')} without images in the statistics left out, such as "
            f"{names[empty[0]]!r}"
        )
    selected = [own for own in named_classes if own not in set(empty)]
    single = [own for own in selected if statistics is not None and statistics.images[own] == 1]
    if single:
        note(
            f"{counted(len(single), 'class')} with the statistics of a single image, such as "
            f"{names[single[0]]!r}: what is recovered resembles it; squeeze more images, or more "
            "`epochs` of it under augmentation"
        )
    if not selected:
        raise MismatchError("there is no class to recover: none has a name and statistics")
    return selected
