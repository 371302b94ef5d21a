"""Which columns of a table hold images and their classes; needs pyarrow."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from labelcodec.errors import MismatchError
from labelcodec.images.classes import (
    check_range,
    folder_names,
    named_listing,
    numbered,
    unnamed_listing,
)
from labelcodec.images.listing import ImageListing
from labelcodec.images.store import ImageStore

IMAGES = ("image", "img", "images", "jpg", "png", "webp")
LABELS = ("label", "labels", "fine_label", "target", "targets", "class", "y", "cls")


@dataclass(frozen=True)
class Columns:
    """The columns that matter.

    Attributes:
        image: name of the column of images.
        is_struct: whether it holds `bytes` and `path`; else the bytes themselves.
        label: name of the column of classes.
        classes: names of the classes, in the order of their numbers; None if they are not known.
    """

    image: str
    is_struct: bool
    label: str
    classes: tuple[str, ...] | None


def find_columns(schema: Any, features: Mapping[str, Any] | None, where: str) -> Columns:
    """Find the columns of a table.

    Args:
        schema: its Arrow schema.
        features: Hugging Face's description of the columns; None if there is none.
        where: the file, for error messages.

    Raises:
        MismatchError: there is no column of images or of classes, or there are several.
    """
    described = features or {}
    image = _one(
        _of_type(described, schema, "Image")
        or [field.name for field in schema if _is_image(field.type)],
        IMAGES,
        f"{where}: has {{}} of images ({', '.join(schema.names)})",
    )
    labels = _of_type(described, schema, "ClassLabel") or [
        field.name for field in schema if field.name in LABELS and _is_label(field.type)
    ]
    label = _one(labels, LABELS, f"{where}: has {{}} of classes ({', '.join(schema.names)})")
    if not _is_label(schema.field(label).type) or not _is_image(schema.field(image).type):
        raise MismatchError(f"{where}: its columns {image} and {label} are no images and classes")
    names = described.get(label, {}).get("names")
    if isinstance(names, Mapping):  # as some versions write it: {'0': 'cat', '1': 'dog'}
        names = [names.get(str(i)) for i in range(len(names))]
    if names is not None and (
        not isinstance(names, list)
        or not all(isinstance(name, str) for name in names)
        or len(set(names)) != len(names)
        or not pa.types.is_integer(schema.field(label).type)
    ):
        raise MismatchError(f"{where}: the names of its classes are damaged")
    is_struct = pa.types.is_struct(schema.field(image).type)
    return Columns(image, is_struct, label, None if names is None else tuple(names))


def table_listing(
    root: Path, store: ImageStore, columns: Columns, labels: Any, paths: Sequence[str | None]
) -> ImageListing:
    """The listing of a table's images.

    They have names if each has a path, and these tell them apart: then their order is that of an
    image folder. Else they are in the order of the table.

    Args:
        root: the source.
        store: its images.
        columns: the columns.
        labels: Arrow array of N classes, numbers or names.
        paths: N paths of the images' files.

    Raises:
        MismatchError: an image has no class, there are none, or two have one name.
    """
    classes: tuple[str, ...]
    if pa.types.is_integer(labels.type):
        numbers: NDArray[np.int64] = labels.cast(pa.int64()).fill_null(-1).to_numpy()
        index, classes = numbered(numbers, store, str(root))
        if columns.classes is not None:
            classes = columns.classes
            check_range(index, len(classes), store)
    else:
        named = labels.to_pylist()
        if None in named:
            raise MismatchError(f"{store.where(named.index(None))}: has no class")
        if not named:
            raise MismatchError(f"{root}: no images")
        classes = tuple(sorted(set(named)))
        position = {name: i for i, name in enumerate(classes)}
        index = np.array([position[name] for name in named], np.int64)
    names = _names(paths, index, classes)
    if names is None:
        return unnamed_listing(root, store, index, classes)
    is_named = columns.classes is not None or not pa.types.is_integer(labels.type)
    return named_listing(root, store, names, index, classes, is_named=is_named)


def features_of(text: bytes | str | None, *keys: str) -> Mapping[str, Any] | None:
    """Hugging Face's description of columns in a JSON text, under these keys; None without one.

    Raises:
        ValueError: the text is no such JSON.
    """
    if text is None:
        return None
    described = json.loads(text)
    for key in keys:
        described = described.get(key) if isinstance(described, dict) else None
    if described is not None and not (
        isinstance(described, dict) and all(isinstance(v, (dict, list)) for v in described.values())
    ):
        raise ValueError
    return described


def _names(
    paths: Sequence[str | None], index: NDArray[np.int64], classes: Sequence[str]
) -> list[str] | None:
    """Names 'class/file' of images with paths; None if paths do not tell images apart."""
    folders = folder_names(classes)
    if not all(paths):
        return None
    names = [
        f"{folders[own]}/{str(path).replace(chr(92), '/').rpartition('/')[2]}"
        for path, own in zip(paths, index.tolist(), strict=True)
    ]
    # all called alike, as by a program that wrote every image to one temporary file
    return None if len(set(names)) <= len(classes) < len(names) else names


def _of_type(features: Mapping[str, Any], schema: Any, kind: str) -> list[str]:
    return [
        name
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == kind and name in schema.names
    ]


def _one(names: Sequence[str], usual: Sequence[str], problem: str) -> str:
    """The only name, or the only usual one."""
    if len(names) > 1:
        names = [name for name in usual if name in names][:1] or names
    if len(names) != 1:
        raise MismatchError(problem.format("several columns" if names else "no column"))
    return names[0]


def _is_image(kind: Any) -> bool:
    if pa.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" and _is_bytes(kind.field(i).type)
                   for i in range(kind.num_fields))  # fmt: skip
    return _is_bytes(kind)


def _is_bytes(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_label(kind: Any) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    )
