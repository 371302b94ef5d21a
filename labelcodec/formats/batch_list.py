"""Parsing and building of the list that SRe2L, LPLD, LPQLD and their kin save per batch.

[coords, flip | cutout, (RandAugment ops), mix index, ratio, box, values, …]; for the rest, see
`batch_tail`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.mix import Mix
from labelcodec.augmentation.randaugment import RandAugment
from labelcodec.batch import MAX_SAMPLES, LabelBatch, Precision
from labelcodec.errors import DumpError
from labelcodec.formats.batch_tail import WHOLE, parse_tail
from labelcodec.formats.typespec import dtype_of, largest_unsigned, restore, to_numpy, typespec_of
from labelcodec.wording import counted

FLOATS = ("tensor.float16", "tensor.float32", "numpy.float16", "numpy.float32")
BOOLS = ("tensor.bool", "numpy.bool")


@dataclass(frozen=True, eq=False)
class BatchList:
    """Parsed content of a batch file; image indices, class count and pixel boxes are not in it.

    Attributes:
        types: kind of every part (see `typespec`), serializable with msgpack.
        fractions: (B, 4) float16 or float32, crop coordinates as stored, as fractions of the
            image's height and width.
        flip: (B,) bool, or None if the file has `cutout` instead.
        cutout: (B, 7) float32, or None if the file has `flip` instead.
        mix, randaugment: as in `Augmentation`.
        value: (B, C) values if dense, (B, k) if top-k; float16 or float32.
        index: (B, k) int64 class indices, or None if dense.
        image_index: (B,) int64 image indices, or None if the file does not record them.
    """

    types: dict[str, Any]
    fractions: NDArray[Any]
    flip: NDArray[np.bool_] | None
    cutout: NDArray[np.float32] | None
    mix: Mix | None
    randaugment: RandAugment | None
    value: NDArray[Any]
    index: NDArray[np.int64] | None
    image_index: NDArray[np.int64] | None

    @property
    def precision(self) -> Precision:
        """The dtype of the label values; float64 of a file is held in float32."""
        dtype = dtype_of(self.types["values"])
        return "float32" if dtype == "float64" else cast(Precision, dtype)


def parse_batch_list(saved: Any, file: str | Path) -> BatchList:
    """Parse and validate the content of a batch file.

    Args:
        saved: what `safe_load.load` returned.
        file: path of the file, for error messages.

    Raises:
        DumpError: a part has an unexpected type, shape or value; the message names file and part.
    """
    if not isinstance(saved, (list, tuple)):
        fail(file, f"holds a {type(saved).__name__}, expected a list of 6 to 10 parts")
    types: dict[str, Any] = {"sequence": "tuple"} if isinstance(saved, tuple) else {}
    operations = saved[2] if len(saved) > 2 and isinstance(saved[2], (list, tuple)) else None
    rest = saved[3:] if operations is not None else saved[2:]
    if not 4 <= len(rest) <= 7:
        fail(file, f"holds a list of {counted(len(saved), 'part')}, expected 6 to 10")
    fractions = array(saved[0], "coords", FLOATS, (None, 4), types, file)
    size = len(fractions)
    if not 0 < size <= MAX_SAMPLES:
        fail(file, f"holds {counted(size, 'sample')}")
    flip = cutout = None
    if getattr(saved[1], "ndim", 1) == 2:
        cutout = array(saved[1], "cutout", FLOATS[1::2], (size, 7), types, file)
    else:
        flip = array(saved[1], "flip", BOOLS, (size,), types, file)
    randaugment = None
    if operations is not None:
        randaugment = _randaugment(operations, size, types, file)
    mix = _mix(rest[0], rest[1], rest[2], size, types, file)
    tail = parse_tail(rest[3:], size, types, file)
    return BatchList(
        types, fractions, flip, cutout, mix, randaugment, tail.value, tail.index, tail.image_index
    )


def fail(file: str | Path, what: str) -> NoReturn:
    """Raise a `DumpError` that names `file`."""
    raise DumpError(f"{file}: {what}")


def array(
    value: Any,
    part: str,
    kinds: Sequence[str],
    shape: tuple[int | None, ...],
    types: dict[str, Any],
    file: str | Path,
) -> NDArray[Any]:
    """Convert a tensor or array to numpy after checking its kind and shape.

    Args:
        value: the tensor or array.
        part: name of the part; its kind is recorded as `types[part]`.
        kinds: allowed kinds, see `typespec`.
        shape: expected shape; None allows any length of that axis.
        types: kinds of the parts parsed so far; updated.
        file: path of the file, for error messages.

    Raises:
        DumpError: kind or shape differ.
    """
    kind = types[part] = typespec_of(value)
    if kind not in kinds:
        fail(file, f"{part} is {kind}, expected {' or '.join(kinds)}")
    if value.shape != shape and not _fits(value.shape, shape):
        expected = ", ".join("any" if length is None else str(length) for length in shape)
        fail(file, f"{part} has shape {tuple(value.shape)}, expected ({expected})")
    return to_numpy(value)


def _fits(actual: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    """Whether a shape is the expected one, where None allows any length."""
    return len(actual) == len(shape) and all(
        expected in (None, length) for length, expected in zip(actual, shape, strict=True)
    )


def _mix(
    index: Any, ratio: Any, box: Any, size: int, types: dict[str, Any], file: str | Path
) -> Mix | None:
    if index is None:
        if ratio is not None or box is not None:
            fail(file, "has a mix ratio or box but no mix index")
        types.update(mix_index=None, ratio=None, box=None)
        return None
    partner = array(index, "mix_index", WHOLE, (size,), types, file).astype(np.int64)
    if dtype_of(types["mix_index"]) == "uint8" and size > 256:
        # Values wrap modulo 256, so each one below size - 256 stands for two possible partners.
        fail(
            file,
            f"has {counted(size, 'sample')} but mix partners in uint8, which wrapped at 256: the "
            "partners are lost. Write the dump again with batches of at most 256.",
        )
    if largest_unsigned(partner) >= size:
        fail(file, f"mix index must lie in 0..{size - 1}")
    types["ratio"] = typespec_of(ratio)
    number = scalar(ratio, "mix ratio", file, float)
    if box is None:
        types["box"] = None
        return Mix("mixup", partner, number, None)
    row0, col0, row1, col1 = _edges(box, types, file)
    return Mix("cutmix", partner, number, (row0, row1, col0, col1))


def _edges(box: Any, types: dict[str, Any], file: str | Path) -> list[int]:
    """The box as stored: x1, y1, x2, y2, where the peers use x for rows and y for columns."""
    if getattr(box, "shape", None) == (4,):
        types["box"], types["box_form"] = typespec_of(box), "array"
        if types["box"] not in WHOLE:
            fail(file, f"mix box is {types['box']}, expected one int")
        edges: list[int] = to_numpy(box).tolist()
        return edges
    if not isinstance(box, (list, tuple)) or len(box) != 4:
        fail(file, "mix box is not a list of 4 numbers")
    kinds = {typespec_of(edge) for edge in box}
    if len(kinds) != 1:
        fail(file, f"mix box mixes {' and '.join(sorted(kinds))}")
    (kind,) = kinds
    types["box"] = kind
    if isinstance(box, tuple):
        types["box_form"] = "tuple"
    return [_number(edge, kind, "mix box", file, int) for edge in box]


def scalar(value: Any, part: str, file: str | Path, convert: type) -> Any:
    """Convert a number, numpy scalar or 0-dimensional tensor to a Python `int` or `float`.

    Args:
        value: the stored value.
        part: name of the part, for error messages.
        file: the file, for error messages.
        convert: `int` or `float`.

    Raises:
        DumpError: the value is not a scalar of that type.
    """
    return _number(value, typespec_of(value), part, file, convert)


def _number(value: Any, kind: str, part: str, file: str | Path, convert: type) -> Any:
    """As `scalar`, of a value whose kind is known."""
    expected = "float" if convert is float else "int"
    if getattr(value, "ndim", 0) != 0 or expected not in kind:
        fail(file, f"{part} is {kind}, expected one {expected}")
    return convert(value.item() if hasattr(value, "item") else value)


def _randaugment(
    operations: Sequence[Any], size: int, types: dict[str, Any], file: str | Path
) -> RandAugment:
    if not operations or not all(
        isinstance(op, (list, tuple)) and len(op) == 3 for op in operations
    ):
        fail(file, "randaugment is not a list of [op, decision, magnitude]")
    inner: dict[str, Any] = {}
    ops, decisions, magnitudes, dtypes, seen = [], [], [], [], set()
    for op, decision, magnitude in operations:
        ops.append(array(op, "op", ("tensor.int64",), (size,), inner, file))
        decisions.append(array(decision, "decision", FLOATS, (size,), inner, file))
        seen.add(inner["decision"])
        kinds = (*FLOATS, "tensor.int64")
        magnitudes.append(array(magnitude, "magnitude", kinds, (size,), inner, file))
        dtypes.append(dtype_of(inner["magnitude"]))
    if len(seen) != 1:
        fail(file, f"randaugment decisions mix {' and '.join(sorted(seen))}")
    types["randaugment"] = {"operations": len(ops), "decision": seen.pop()}
    return RandAugment(
        np.stack(ops, axis=1),
        np.stack(decisions, axis=1),
        _exact_columns(magnitudes, file),
        tuple(dtypes),
    )


def _exact_columns(columns: list[NDArray[Any]], file: str | Path) -> NDArray[Any]:
    """Stack columns to (B, n): float16 if it represents every value exactly, else float32."""
    if all(column.dtype == np.float16 for column in columns):
        return np.stack(columns, axis=1)
    for dtype in (np.float16, np.float32):
        with np.errstate(over="ignore"):
            stacked = np.stack([column.astype(dtype) for column in columns], axis=1)
        back = zip(stacked.T, columns, strict=True)
        if all(np.array_equal(a, b, equal_nan=b.dtype.kind == "f") for a, b in back):
            return stacked
    fail(file, "randaugment magnitudes are whole numbers beyond what float32 holds")


_PER_EPOCH = {
    "coords": "tensor.float32",
    "flip": "tensor.bool",
    "cutout": "tensor.float32",
    "mix_index": "tensor.int64",
    "ratio": "float",
    "box": "numpy.int64",
    "indices": None,
}
# Kinds that each peer's code writes; None marks a part that its loader cannot read.
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
    "hald": {
        **_PER_EPOCH,
        "cutout": None,
        "coords": "tensor.float16",
        "space": "probabilities",
    },
}


def usual_space(layout: str) -> str:
    """'logits' or 'probabilities': what the labels of a layout are, unless the dump says more."""
    space: str = _USUAL[layout].get("space", "logits")
    return space


def build_batch_list(batch: LabelBatch, layout: str, types: Mapping[str, Any]) -> Sequence[Any]:
    """Build the list of parts of a batch file.

    Args:
        batch: the batch to write.
        layout: 'sre2l', 'lpld', 'lpqld' or 'hald'.
        types: `DumpInfo.types` of the source dump. If that dump has the same layout, its kinds
            are restored; otherwise, and for parts it lacks, the usual kinds of `layout` are used.

    Raises:
        DumpError: the layout cannot represent part of the batch.
    """
    restoring = types.get("layout") == layout
    kinds = dict(_USUAL[layout])
    if restoring:
        kinds.update({part: kind for part, kind in types.items() if kind is not None})
    elif kinds["mix_index"] == "tensor.uint8" and batch.augmentation.mix and len(batch) > 256:
        _refuse(batch, layout, f"mix partners of {counted(len(batch), 'sample')}: uint8 holds 256")
    parts = [_coords(batch, layout, kinds), _flip_or_cutout(batch, layout, kinds)]
    if batch.augmentation.randaugment is not None:
        parts.append(_randaugment_parts(batch, batch.augmentation.randaugment, layout, kinds))
    parts += _mix_parts(batch, layout, kinds)
    parts += _labels(batch, layout, kinds, restoring)
    if restoring:
        parts += _recorded_images(batch, kinds)
    return tuple(parts) if restoring and types.get("sequence") == "tuple" else parts


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


def _randaugment_parts(
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


def _mix_parts(batch: LabelBatch, layout: str, kinds: Mapping[str, Any]) -> list[Any]:
    mix = batch.augmentation.mix
    if mix is None:
        return [None, None, None]
    parts = [restore(mix.partner, kinds["mix_index"]), restore(mix.ratio, kinds["ratio"])]
    if mix.box is None:
        return [*parts, None]
    if dtype_of(kinds["box"]) == "uint8" and not all(0 <= edge <= 255 for edge in mix.box):
        _refuse(batch, layout, f"the mix box {mix.box}: uint8 ends at 255")
    row0, row1, col0, col1 = mix.box
    edges, form = (row0, col0, row1, col1), kinds.get("box_form")
    if form == "array":
        return [*parts, restore(np.array(edges), kinds["box"])]
    box = [restore(edge, kinds["box"]) for edge in edges]
    return [*parts, tuple(box) if form == "tuple" else box]


def _recorded_images(batch: LabelBatch, kinds: Mapping[str, Any]) -> list[Any]:
    """Image indices, and a patch shuffle of zeros, if the source dump has them in its files."""
    parts = []
    if kinds.get("image_index"):
        parts.append(restore(batch.image_index, kinds["image_index"]))
    if kinds.get("patch_shuffle"):
        parts.append(restore(np.zeros((len(batch), 2, 2), np.int64), kinds["patch_shuffle"]))
    return parts


def _labels(batch: LabelBatch, layout: str, kinds: Mapping[str, Any], restoring: bool) -> list[Any]:
    labels = batch.labels.expanded()
    space = kinds.get("space", "logits")
    if labels.space != space:
        _refuse(batch, layout, f"{labels.space}; it holds {space}")
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
