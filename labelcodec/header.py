"""The header: what holds for a whole label set (SPEC, section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from labelcodec.augmentation.sampler_order import GENERATOR as SAMPLER
from labelcodec.augmentation.sampler_order import SamplerOrder
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.batch import MAX_CLASSES, Precision, Space, Tail
from labelcodec.binding.agreement import Agreement, agreement_of
from labelcodec.binding.pixels import PixelSample, sample_of
from labelcodec.errors import ConfigError, CorruptError, FormatError, UnsupportedError
from labelcodec.parts import WHOLE, Part
from labelcodec.version import __version__
from labelcodec.wording import counted

T = TypeVar("T")
CREATOR = "labelcodec"
FREE_IMAGES, IMAGES_PER_LABEL = 1 << 20, 16  # limit of a recipe's images
# Keys in which shards of a set may differ, and those that change neither labels nor training.
OWN = frozenset({"source", "creator", "version", "agreement"})
REMARKS = frozenset({"agreement", "license", "note"})


@dataclass(frozen=True)
class Header:
    """What holds for a whole label set.

    Attributes:
        classes: C, 1..2^20.
        space: 'logits' or 'probabilities'.
        precision: dtype of the source's label values.
        tail: what stands for the classes that a top-k label left out; None when dense.
        k: number of classes kept by top-k labels; None when dense.
        codec: name of the codec, for instance 'topk'.
        config: configuration of the codec.
        images: number of images in the folder that the labels refer to.
        image_size: (height, width) of the network input in pixels.
        fingerprint: SHA-256 (hex) of the names of the images in order; None if they were not given,
            or have no names.
        content: SHA-256 (hex) that distinguishes image files of the same names, see
            `images.content_digest`; None without an image folder.
        stems: SHA-256 (hex) of the image names without extension, see `names.stem_digest`.
        pixels: decoded pixels of a sample of the images, to recognise images saved again.
        image_classes: SHA-256 (hex) of the images' classes, see `folder.classes_digest`.
        class_names: C names of the classes, which are those of the class folders; '' where unknown.
            None if not recorded: the folders are then the first classes, in order.
        agreement: how many labels name the class of their image's folder first.
        teacher: free-form description of the teacher.
        interpolation: 'bilinear' or 'bicubic', for resizing crops.
        normalisation: {'mean': [r, g, b], 'std': [r, g, b]} of inputs in 0..1.
        mix: 'cutmix', 'mixup' or None.
        epochs: T, the number of epochs the student will train for, if known. The epochs kept by
            pruning follow from the index.
        source: where the labels come from; None for a live run. For a dump: its layout, bytes and
            files on disk, the method that recovered the image order, and the tensor types that
            restore it. Also lists earlier lossy codecs of the labels.
        license: terms under which the labels may be used.
        note: free text.
        recipe: the augmentation spec of a seeded file, which stores neither images nor
            augmentations; None if batches store their own.
        image_order: the recipe of the image order of a file whose batches store their augmentation;
            None without one. It excludes `recipe`.
        kind: 'tokens' for labels of token sequences, which every batch then has; None for images.
        shift: 1 if the label of a position is of the token after it, 0 if of its own; of kind
            'tokens' only.
        temperature: at which the teacher's logits or probabilities were taken; None for 1.
        tokenizer: free-form description of the tokenizer, with its `size`.
        creator: the program that wrote the file.
        version: version of that program.
        extra: header keys of later minor versions, kept unchanged.

    Raises:
        ConfigError: both `recipe` and `image_order`.
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
    stems: str | None = None
    pixels: PixelSample | None = None
    image_classes: str | None = None
    class_names: tuple[str, ...] | None = None
    agreement: Agreement | None = None
    teacher: Mapping[str, Any] | None = None
    interpolation: str | None = None
    normalisation: Mapping[str, Any] | None = None
    mix: str | None = None
    epochs: int | None = None
    source: Mapping[str, Any] | None = None
    license: str | None = None
    note: str | None = None
    recipe: AugmentationSpec | None = None
    image_order: SamplerOrder | None = None
    kind: str | None = None
    shift: int | None = None
    temperature: float | None = None
    tokenizer: Mapping[str, Any] | None = None
    creator: str = CREATOR
    version: str = __version__
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.recipe is not None and self.image_order is not None:
            raise ConfigError("a header has either a recipe or an image order")

    def to_map(self) -> dict[str, Any]:
        """Serialize to the msgpack map of SPEC, section 4.1; keys that are None are omitted."""
        labels = {"space": self.space, "precision": self.precision, "tail": self.tail, "k": self.k}
        recipe = self.recipe or self.image_order
        values = {
            "classes": self.classes,
            "labels": {key: value for key, value in labels.items() if value is not None},
            "codec": {"name": self.codec, "config": dict(self.config)},
            "image_size": list(self.image_size) if self.image_size else None,
            "recipe": None if recipe is None else recipe.to_map(),
            "pixels": None if self.pixels is None else self.pixels.to_map(),
            "class_names": None if self.class_names is None else list(self.class_names),
            "agreement": None if self.agreement is None else self.agreement.to_map(),
            "creator": self.creator,
            "version": self.version,
            **{key: getattr(self, key) for key in _DIRECT_KEYS},
        }
        return {key: value for key, value in values.items() if value is not None} | dict(self.extra)

    @classmethod
    def from_map(cls, data: Mapping[str, Any], where: str) -> Header:
        """Deserialize the msgpack map of SPEC, section 4.1.

        Args:
            data: the decoded map.
            where: file name for error messages.

        Raises:
            FormatError: a required key is missing, or a value has the wrong type or range.
            UnsupportedError: an augmentation spec that this version cannot draw from.
        """
        labels = _typed(data, "labels", dict, where)
        recipe, image_order = _recipes(_optional(data, "recipe", dict, where), where)
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
            recipe=recipe,
            image_order=image_order,
            pixels=_parsed(data, "pixels", sample_of, where),
            class_names=_class_names(data, where),
            agreement=_parsed(data, "agreement", agreement_of, where),
            creator=_typed(data, "creator", str, where),
            version=_typed(data, "version", str, where),
            extra={key: value for key, value in data.items() if key not in _KNOWN_KEYS},
            **{key: _optional(data, key, kind, where) for key, kind in _DIRECT_KEYS.items()},
        )
        if not 0 < header.classes <= MAX_CLASSES:
            raise FormatError(
                f"{where}: {counted(header.classes, 'class')}, allowed are 1..{MAX_CLASSES}"
            )
        if header.k is not None and not 0 < header.k <= header.classes:
            raise FormatError(f"{where}: k={header.k}, allowed are 1..{header.classes}")
        if header.k is not None and header.tail is None:
            raise FormatError(
                f"{where}: top-k labels without 'tail', what the left-out classes have"
            )
        if header.kind not in (None, "tokens"):
            raise UnsupportedError(
                f"{where}: labels of kind {header.kind!r} are not known to this version of "
                "labelcodec"
            )
        if header.shift not in (None, 0, 1):
            raise FormatError(f"{where}: header key 'shift' is {header.shift}, expected 0 or 1")
        if header.temperature is not None and not 0 < header.temperature < math.inf:
            raise FormatError(f"{where}: header key 'temperature' is {header.temperature}")
        _check_recipe(header, where)
        return header


_DIRECT_KEYS: dict[str, type] = {
    "images": int,
    "fingerprint": str,
    "content": str,
    "teacher": dict,
    "interpolation": str,
    "normalisation": dict,
    "mix": str,
    "epochs": int,
    "source": dict,
    "stems": str,
    "image_classes": str,
    "license": str,
    "note": str,
    "shift": int,
    "temperature": float,
    "tokenizer": dict,
    "kind": str,
}
_KNOWN_KEYS = {
    *("classes", "labels", "codec", "image_size", "recipe", "creator", "version"),
    *("pixels", "class_names", "agreement"),
    *_DIRECT_KEYS,
}


def check_recipe_images(header: Header, labels: int, where: str) -> None:
    """Check that permutations of a recipe's images are worth the labels (SPEC, section 12.10).

    Args:
        header: header of the label set.
        labels: number of labels in all its files.
        where: file name for error messages.

    Raises:
        CorruptError: the recipe has too many images.
    """
    recipe = header.recipe or header.image_order
    most = FREE_IMAGES + IMAGES_PER_LABEL * labels
    if recipe is not None and recipe.images > most:
        raise CorruptError(
            f"{where}: a recipe of {counted(recipe.images, 'image')} for "
            f"{counted(labels, 'label')}, allowed are {most}; "
            "open all shards of the label set together"
        )


def epochs_range_of(header: Header) -> tuple[int, int] | None:
    """The epochs A to B - 1 that were read of a dump, as (A, B); None for all, or without one."""
    values = (header.source or {}).get("epochs_range")
    if not isinstance(values, list) or [type(value) for value in values] != [int, int]:
        return None
    first, stop = values
    return (first, stop) if 0 <= first < stop else None


def part_of(header: Header) -> Part | None:
    """Which part of a source a shard holds, (I, N) with I from 1; None if it is not said."""
    values = (header.source or {}).get("part")
    if not isinstance(values, list) or [type(value) for value in values] != [int, int]:
        return None
    index, count = values
    return (index, count) if 1 <= index <= count else None


def of_part(header: Header, part: Part, batches: range, total: int) -> Header:
    """The header of the shard that holds a part of the batches of a source.

    Args:
        header: header of the whole label set.
        part: (I, N); of one part, the header stays as it is.
        batches: positions of its batches among all of the source.
        total: number of batches of the source.

    Returns:
        The header with the part, and with the share of the source's bytes that its batches are:
        those of all shards add up to the source's.
    """
    if part == WHOLE:
        return header
    source = dict(header.source or {})
    if type(size := source.get("bytes")) is int:
        source["bytes"] = size * batches.stop // total - size * batches.start // total
    return replace(header, source={**source, "part": list(part)})


def _recipes(
    recipe: dict[str, Any] | None, where: str
) -> tuple[AugmentationSpec | None, SamplerOrder | None]:
    """The augmentation spec or the image order that the header's key `recipe` holds."""
    if recipe is None:
        return None, None
    if recipe.get("generator") == SAMPLER:
        return None, SamplerOrder.from_map(recipe, where)
    return AugmentationSpec.from_map(recipe, where), None


def _parsed(
    data: Mapping[str, Any], key: str, parse: Callable[[Mapping[str, Any]], T], where: str
) -> T | None:
    """An optional map as the object that it describes."""
    values = _optional(data, key, dict, where)
    try:
        return None if values is None else parse(values)
    except ValueError:
        raise FormatError(f"{where}: header key {key!r} is malformed: {values!r:.80}") from None


def _class_names(data: Mapping[str, Any], where: str) -> tuple[str, ...] | None:
    """The names of the classes: C strings, of which none but '' occurs twice."""
    names = _optional(data, "class_names", list, where)
    if names is None:
        return None
    if len(names) != data["classes"] or not all(isinstance(name, str) for name in names):
        raise FormatError(
            f"{where}: header key 'class_names' is not {data['classes']} names, one per class"
        )
    known = [name for name in names if name]
    if len(set(known)) != len(known):
        raise FormatError(f"{where}: header key 'class_names' has a name twice")
    return tuple(names)


def _check_recipe(header: Header, where: str) -> None:
    """Check that the recipe agrees with the rest of the header."""
    pairs: list[tuple[str, Any, Any]] = []
    if header.image_order is not None:
        pairs = [("images", header.images, header.image_order.images)]
    if (recipe := header.recipe) is not None:
        pairs = [
            ("images", header.images, recipe.images),
            ("image_size", header.image_size, recipe.size),
            ("mix", header.mix, recipe.mix),
        ]
    for name, stated, drawn in pairs:
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
