"""FKD's file names: the path of the image, cut at the first dot of its file name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from labelcodec.binding.names import same_name
from labelcodec.errors import DumpError
from labelcodec.images import ImageListing
from labelcodec.wording import counted

SUFFIX = ".tar"


def match_images(root: Path, files: Sequence[str], listing: ImageListing) -> NDArray[np.int64]:
    """Match label files to images: same folder, same name up to the first dot.

    Args:
        root: the dump's directory, for error messages.
        files: label files, relative to the directory.
        listing: the image folder.

    Returns:
        (files,) int64, the image index of each label file.

    Raises:
        DumpError: two names collide, or files and images do not match one to one.
    """
    stems: dict[str, int] = {}
    for at, path in enumerate(listing.paths):
        folder, _, name = path.rpartition("/")
        stem = same_name(f"{folder}/{name.partition('.')[0]}")
        if stem in stems:
            raise DumpError(
                f"{listing.paths[stems[stem]]} and {path} in the image folder share the label file "
                f"{stem}{SUFFIX}: FKD cuts names at the first dot. Rename one of them."
            )
        stems[stem] = at
    image = np.empty(len(files), np.int64)
    taken: dict[int, str] = {}
    for at, file in enumerate(files):
        parts = same_name(file.removesuffix(SUFFIX)).split("/")
        suffixes = ("/".join(parts[cut:]) for cut in range(len(parts) - 1))
        match = next((stems[stem] for stem in suffixes if stem in stems), None)
        if match is None:
            raise DumpError(f"{root / file} belongs to no image in {listing.root}")
        if match in taken:
            raise DumpError(
                f"{file} and {taken[match]} belong to one image, {listing.paths[match]}"
            )
        taken[match] = file
        image[at] = match
    if len(files) < len(listing):
        missing = next(path for at, path in enumerate(listing.paths) if at not in taken)
        raise DumpError(
            f"{root}: no label file for {missing}; the image folder has "
            f"{counted(len(listing), 'image')}, "
            f"the dump {counted(len(files), 'file')}. Leave out `images` to encode a part: its "
            "labels find their images by name"
        )
    return image


def safe_name(names: Sequence[str], image: int) -> str:
    """The validated file name of an image; names from a container are untrusted.

    Raises:
        DumpError: there is no such name, or it points outside of the target directory.
    """
    if not 0 <= image < len(names):
        raise DumpError(f"image {image} has no file name: there are {len(names)}")
    name = names[image]
    path = PurePosixPath(str(name))
    if (
        not isinstance(name, str)
        or path.is_absolute()
        or ".." in path.parts
        or path.suffix != SUFFIX
        or any(bad in name for bad in ("\\", "\0", ":"))
    ):
        raise DumpError(f"{name!r} is not the name of a file inside a dump")
    return name
