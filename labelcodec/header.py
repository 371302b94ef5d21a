"""The container's header: what a label set is, independent of its batches (SPEC, section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from labelcodec.augment.recipe import Recipe
from labelcodec.batch import MAX_CLASSES, Precision, Space, Tail
from labelcodec.errors import FormatError
from labelcodec.version import __version__

CREATOR = "labelcodec"
OWN = frozenset({"source", "creator", "version"})  # map keys in which shards of a set may differ


@dataclass(frozen=True)
class Header:
    """Everything that is true of a whole label set.

    Attributes:
        classes: C, 1..2^20.
        space: 'logits' or 'probabilities'.
        precision: dtype of the source's label values.
        tail: what stands for classes a top-k label left out; None when dense.
        k: kept classes of the top-k labels, None when dense.
        codec: codec name, for instance 'topk'.
        config: the codec's configuration.
        images: number of images in the folder the labels speak of.
        image_size: (height, width) of the network input in pixels.
        fingerprint: SHA-256 (hex) of the sorted image listing, None when it was not given.
        content: SHA-256 (hex) that tells image files of the same names apart, see
            `images.content_digest`; None when there was no folder.
        teacher: free-form description of the teacher.
        interpolation: 'bilinear' or 'bicubic', of the resized crop.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1.
        mix: 'cutmix', 'mixup' or None.
        epochs: T, the number of epochs the student will train for, where it is known. The kept
            epochs follow from the index.
        source: the dump it was made from: layout, bytes and files on disk, how the image order
            was found, and the tensor types that restore it; lossy codecs that the labels went
            through on their way. None for a live run.
        recipe: what images and augmentations are drawn from in a seeded file, which stores neither;
            None where batches store their own.
        creator: the program that wrote the file.
        version: that program's version.
        extra: header keys of later minor versions, kept as they are.
    """

    classes: int
    space: Space = "logits"
    precision: Precision = "float16"
    tail: Tail | None = None
    k: int | None = None
    codec: str = "dense"
    config: Mapping[str, Any] = field(default_factory=dict)
    images: int | None = None
    image_size: tuple[int, int] | None = None
    fingerprint: str | None = None
    content: str | None = None
    teacher: Mapping[str, Any] | None = None
    interpolation: str | None = None
    normalisation: Mapping[str, Any] | None = None
    mix: str | None = None
    epochs: int | None = None
    source: Mapping[str, Any] | None = None
    recipe: Recipe | None = None
    creator: str = CREATOR
    version: str = __version__
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_map(self) -> dict[str, Any]:
        """The msgpack map of SPEC section 4; keys that are None are left out."""
        labels = {"space": self.space, "precision": self.precision, "tail": self.tail, "k": self.k}
        known = {
            "classes": self.classes,
            "labels": {key: value for key, value in labels.items() if value is not None},
            "codec": {"name": self.codec, "config": dict(self.config)},
            "image_size": list(self.image_size) if self.image_size else None,
            "recipe": None if self.recipe is None else self.recipe.to_map(),
            "creator": self.creator,
            "version": self.version,
            **{key: getattr(self, key) for key in _PLAIN_KEYS},
        }
        return {key: value for key, value in known.items() if value is not None} | dict(self.extra)

    @classmethod
    def from_map(cls, data: Mapping[str, Any], where: str) -> Header:
        """Read the map of SPEC section 4.

        Args:
            data: the decoded msgpack map.
            where: file name for error messages.

        Raises:
            FormatError: a required key is missing or a value has the wrong type or range.
            UnsupportedError: a recipe that this version cannot draw from.
        """
        labels = _typed(data, "labels", dict, where)
        recipe = _optional(data, "recipe", dict, where)
        codec = _typed(data, "codec", dict, where)
        size = _optional(data, "image_size", list, where)
        if size is not None and (len(size) != 2 or not all(isinstance(s, int) for s in size)):
            raise FormatError(f"{where}: header key 'image_size' is not two integers")
        header = cls(
            classes=_typed(data, "classes", int, where),
            space=_choice(labels, "space", ("logits", "probabilities"), where),
            precision=_choice(labels, "precision", ("float16", "bfloat16", "float32"), where),
            tail=_choice(labels, "tail", (None, "zero", "uniform", "floor"), where),
            k=_optional(labels, "k", int, where),
            codec=_typed(codec, "name", str, where),
            config=_typed(codec, "config", dict, where),
            image_size=cast("tuple[int, int]", tuple(size)) if size else None,
            recipe=None if recipe is None else Recipe.from_map(recipe, where),
            creator=_typed(data, "creator", str, where),
            version=_typed(data, "version", str, where),
            extra={key: value for key, value in data.items() if key not in _KNOWN_KEYS},
            **{key: _optional(data, key, kind, where) for key, kind in _PLAIN_KEYS.items()},
        )
        if not 0 < header.classes <= MAX_CLASSES:
            raise FormatError(f"{where}: {header.classes} classes, allowed are 1..{MAX_CLASSES}")
        if header.k is not None and not 0 < header.k <= header.classes:
            raise FormatError(f"{where}: k={header.k}, allowed are 1..{header.classes}")
        if header.recipe is not None:
            _check_recipe(header, header.recipe, where)
        return header


_PLAIN_KEYS: dict[str, type] = {
    "images": int,
    "fingerprint": str,
    "content": str,
    "teacher": dict,
    "interpolation": str,
    "normalisation": dict,
    "mix": str,
    "epochs": int,
    "source": dict,
}
_KNOWN_KEYS = {
    "classes", "labels", "codec", "image_size", "recipe", "creator", "version", *_PLAIN_KEYS
}  # fmt: skip


def _check_recipe(header: Header, recipe: Recipe, where: str) -> None:
    for name, stated, drawn in (
        ("images", header.images, recipe.images),
        ("image_size", header.image_size, recipe.size),
        ("mix", header.mix, recipe.mix),
    ):
        if stated is not None and stated != drawn:
            raise FormatError(f"{where}: header key {name!r} is {stated}, the recipe has {drawn}")


def _typed(data: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    value = data.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise FormatError(f"{where}: header key {key!r} is missing or not a {kind.__name__}")
    return value


def _optional(data: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    return None if data.get(key) is None else _typed(data, key, kind, where)


def _choice(data: Mapping[str, Any], key: str, allowed: tuple[Any, ...], where: str) -> Any:
    value = data.get(key)
    if value not in allowed:
        raise FormatError(f"{where}: header key {key!r} is {value!r}, expected one of {allowed}")
    return value
