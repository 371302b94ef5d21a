"""The list that SRe2L, LPLD and LPQLD save for a batch, put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import Crop, LabelBatch, RandAugment
from labelcodec.dumps.kinds import dtype_of, restore
from labelcodec.errors import DumpError

_PER_EPOCH = {
    "coords": "tensor.float32",
    "flip": "tensor.bool",
    "cutout": "tensor.float32",
    "mix_index": "tensor.int64",
    "ratio": "float",
    "box": "numpy.int64",
    "indices": None,
}
# What each peer's generator writes; None is a part its loader has no place for.
_USUAL: dict[str, dict[str, Any]] = {
    "sre2l": {**_PER_EPOCH, "cutout": None},
    "lpld": _PER_EPOCH,
    "lpqld": {
        **_PER_EPOCH,
        "coords": "tensor.float16",
        "mix_index": "tensor.uint8",
        "box": "tensor.uint8",
        "indices": "tensor.int16",
        "randaugment": {"decision": "tensor.float16"},
    },
}


def compose(batch: LabelBatch, layout: str, types: Mapping[str, Any]) -> list[Any]:
    """The parts of one batch file.

    Args:
        batch: what to write.
        layout: 'sre2l', 'lpld' or 'lpqld'.
        types: `DumpInfo.types` of the dump it came from. Where that was in `layout` too, its
            kinds are restored; else, and for parts it lacked, the usual ones of `layout`.

    Raises:
        DumpError: the layout has no place for something in the batch.
    """
    restoring = types.get("layout") == layout
    kinds = dict(_USUAL[layout])
    if restoring:
        kinds.update({part: kind for part, kind in types.items() if kind is not None})
    elif kinds["mix_index"] == "tensor.uint8" and batch.augmentation.mix and len(batch) > 256:
        _refuse(batch, layout, f"mix partners of {len(batch)} samples: uint8 holds 256")
    parts = [_coords(batch, layout, kinds), _flip_or_cutout(batch, layout, kinds)]
    if batch.augmentation.randaugment is not None:
        parts.append(_randaugment(batch, batch.augmentation.randaugment, layout, kinds))
    parts += _mix(batch, layout, kinds)
    parts += _labels(batch, layout, kinds, restoring)
    return parts


def fractions(crop: Crop, dtype: str) -> NDArray[Any]:
    """(B, 4) crop fractions in another precision than the dump's, from the pixels if known."""
    return replace(crop, precision=cast(Any, dtype)).fractions().astype(dtype, copy=False)


def _refuse(batch: LabelBatch, layout: str, what: str) -> NoReturn:
    raise DumpError(f"batch {batch.number}: layout {layout} cannot hold {what}")


def _coords(batch: LabelBatch, layout: str, kinds: Mapping[str, Any]) -> Any:
    crop = batch.augmentation.crop
    if crop is None:
        _refuse(batch, layout, "labels without crop boxes")
    return restore(fractions(crop, dtype_of(kinds["coords"])), kinds["coords"])


def _flip_or_cutout(batch: LabelBatch, layout: str, kinds: Mapping[str, Any]) -> Any:
    flip, cutout = batch.augmentation.flip, batch.augmentation.cutout
    if (flip is None) == (cutout is None):
        _refuse(batch, layout, "both or neither of flips and cutout")
    if cutout is None:
        return restore(flip, kinds["flip"])
    if kinds["cutout"] is None:
        _refuse(batch, layout, "cutout; use layout lpld or lpqld")
    return restore(cutout, kinds["cutout"])


def _randaugment(
    batch: LabelBatch, drawn: RandAugment, layout: str, kinds: Mapping[str, Any]
) -> list[Any]:
    if "randaugment" not in kinds:
        _refuse(batch, layout, "RandAugment; use layout lpqld")
    decision = kinds["randaugment"].get("decision") or "tensor.float16"
    return [
        [
            restore(drawn.op[:, j], "tensor.int64"),
            restore(drawn.decision[:, j], decision),
            restore(drawn.magnitude[:, j], f"tensor.{dtype}"),
        ]
        for j, dtype in enumerate(drawn.magnitude_dtypes)
    ]


def _mix(batch: LabelBatch, layout: str, kinds: Mapping[str, Any]) -> list[Any]:
    mix = batch.augmentation.mix
    if mix is None:
        return [None, None, None]
    parts = [restore(mix.partner, kinds["mix_index"]), restore(mix.ratio, kinds["ratio"])]
    if mix.box is None:
        return [*parts, None]
    if dtype_of(kinds["box"]) == "uint8" and not all(0 <= edge <= 255 for edge in mix.box):
        _refuse(batch, layout, f"the mix box {mix.box}: uint8 ends at 255")
    row0, row1, col0, col1 = mix.box
    return [*parts, [restore(edge, kinds["box"]) for edge in (row0, col0, row1, col1)]]


def _labels(batch: LabelBatch, layout: str, kinds: Mapping[str, Any], restoring: bool) -> list[Any]:
    labels = batch.labels.expanded()
    if labels.space != "logits":
        _refuse(batch, layout, "probabilities; it holds logits")
    kind = kinds["values"] if restoring and "values" in kinds else f"tensor.{labels.precision}"
    values = restore(labels.value, kind)
    if labels.index is None:
        return [values]
    if kinds["indices"] is None:
        _refuse(batch, layout, "top-k labels; use layout lpqld")
    if labels.tail != "zero":
        _refuse(batch, layout, f"top-k labels with a {labels.tail!r} tail")
    largest = np.iinfo(dtype_of(kinds["indices"])).max
    if labels.index.max() > largest:
        _refuse(batch, layout, f"class {labels.index.max()} in {kinds['indices']}")
    return [values, restore(labels.index, kinds["indices"])]
