"""The kinds of image sources, one row each, and `list_images`, which opens any of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelcodec.checks import check_normalisation
from labelcodec.errors import ConfigError, MismatchError
from labelcodec.images.folder import list_folder
from labelcodec.images.listing import ImageListing
from labelcodec.images.shards import matching
from labelcodec.progress import Progress

PathLike = str | os.PathLike[str]
TENSOR_FILES = (".pt", ".pth", ".npy", ".npz", ".safetensors")


@dataclass(frozen=True)
class OpenOptions:
    """What a source is opened with.

    Attributes:
        normalisation: mean and std that the floats of a tensor file were normalised by.
        progress: called with files, shards or members listed, and how many there are.
    """

    normalisation: Mapping[str, Any] | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class Source:
    """A kind of image source.

    Attributes:
        name: what it is.
        detect: whether a path is one.
        open: lists its images; raises MismatchError for what is damaged or lacks classes.
        takes_normalisation: whether its values may be normalised floats.
    """

    name: str
    detect: Callable[[Path], bool]
    open: Callable[[Path, OpenOptions], ImageListing]
    takes_normalisation: bool = False


def list_images(
    source: PathLike | ImageListing,
    *,
    image_normalisation: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> ImageListing:
    """List the images of a source; `docs/images.md` says what each kind holds.

    Args:
        source: an image folder, one sub-folder per class; a tensor file; a folder that
            `Dataset.save_to_disk` wrote; parquet files or webdataset tars: a file, a folder of
            them, or a pattern such as `images-{0000..0010}.tar`. What is listed already stays as
            it is.
        image_normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1, by which the
            floats of a tensor file were normalised that does not say so itself.
        progress: called while a large source is listed.

    Raises:
        ConfigError: a normalisation of something else than a tensor file, or a malformed one.
        MismatchError: it is missing, not a source of images or damaged; has no images, or no class
            for each of them.
        MissingExtraError: parquet or a `datasets` folder, and pyarrow is not installed.
        UnsafeError: a torch file that would run code if a plain unpickler opened it.
        OSError: a file cannot be read.
    """
    if isinstance(source, ImageListing):
        return source
    path = Path(source)
    check_normalisation(image_normalisation)
    row = next((row for row in SOURCES if row.detect(path)), None)
    if row is None:
        raise _unknown(path)
    if image_normalisation is not None and not row.takes_normalisation:
        raise ConfigError(f"{path}: only the floats of a tensor file have a normalisation")
    return row.open(path, OpenOptions(image_normalisation, progress))


def _unknown(path: Path) -> MismatchError:
    if not path.exists():
        return MismatchError(f"{path}: no such image folder")
    return MismatchError(
        f"{path}: is no source of images; expected a folder with one sub-folder per class, a "
        f"tensor file ({', '.join(TENSOR_FILES)}), a `datasets` folder, parquet files or tars"
    )


def _is_tensor_file(path: Path) -> bool:
    return path.suffix.lower() in TENSOR_FILES and path.exists() and not path.is_dir()


def _is_datasets_folder(path: Path) -> bool:
    return any((path / name).is_file() for name in ("state.json", "dataset_dict.json"))


def _open_folder(path: Path, options: OpenOptions) -> ImageListing:
    return list_folder(path)


def _open_tensor_file(path: Path, options: OpenOptions) -> ImageListing:
    from labelcodec.images.tensor_file import list_tensor_file

    return list_tensor_file(path, options.normalisation)


def _open_datasets_folder(path: Path, options: OpenOptions) -> ImageListing:
    from labelcodec.images.datasets_folder import list_datasets_folder

    return list_datasets_folder(path)


def _open_parquet(path: Path, options: OpenOptions) -> ImageListing:
    from labelcodec.images.parquet import list_parquet

    return list_parquet(path, matching(path, ".parquet"), options.progress)


def _open_tars(path: Path, options: OpenOptions) -> ImageListing:
    from labelcodec.images.webdataset import list_tars

    return list_tars(path, matching(path, ".tar"), options.progress)


# The first row that detects a path opens it.
SOURCES = (
    Source("tensor file", _is_tensor_file, _open_tensor_file, takes_normalisation=True),
    Source("datasets folder", _is_datasets_folder, _open_datasets_folder),
    Source("parquet", lambda path: bool(matching(path, ".parquet")), _open_parquet),
    Source("webdataset", lambda path: bool(matching(path, ".tar")), _open_tars),
    Source("image folder", Path.is_dir, _open_folder),
)
