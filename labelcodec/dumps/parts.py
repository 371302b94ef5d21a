"""The list that SRe2L, LPLD and LPQLD save for a batch, taken apart.

[coords, flip | cutout, (RandAugment ops), mix index, ratio, box, values, (indices)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from labelcodec.batch import MAX_SAMPLES, Mix, Precision, RandAugment
from labelcodec.dumps.kinds import dtype_of, kind_of, to_numpy
from labelcodec.errors import DumpError

FLOATS = ("tensor.float16", "tensor.float32")
VALUES = (*FLOATS, "tensor.bfloat16")
INTEGERS = ("tensor.uint8", "tensor.int16", "tensor.int32", "tensor.int64")


@dataclass(frozen=True, eq=False)
class Parts:
    """A batch file's content, before image indices, class count and pixel boxes are known.

    Attributes:
        types: kind of every part; plain enough for msgpack.
        fractions: (B, 4) crop coordinates as stored.
        flip: (B,) bool, or None where `cutout`, (B, 7) float32, stands in its place.
        mix, randaugment: as in `Augmentation`.
        value: (B, C) or (B, k); index: (B, k) int64 or None when dense.
    """

    types: dict[str, Any]
    fractions: NDArray[Any]
    flip: NDArray[np.bool_] | None
    cutout: NDArray[np.float32] | None
    mix: Mix | None
    randaugment: RandAugment | None
    value: NDArray[Any]
    index: NDArray[np.int64] | None

    @property
    def precision(self) -> Precision:
        """The dtype of the stored label values."""
        return cast(Precision, dtype_of(self.types["values"]))

    def top1(self) -> NDArray[np.int64]:
        """(B,) the class with the highest value."""
        best: NDArray[np.int64] = self.value.argmax(axis=1)
        if self.index is None:
            return best
        return self.index[np.arange(len(best)), best]


def read_parts(saved: Any, file: Path) -> Parts:
    """Take one loaded file apart.

    Raises:
        DumpError: naming the file and the part that is not what the layout says.
    """
    if not isinstance(saved, list):
        fail(file, f"holds a {type(saved).__name__}, expected a list of 6 to 8 parts")
    operations = saved[2] if len(saved) > 2 and isinstance(saved[2], list) else None
    rest = saved[3:] if operations is not None else saved[2:]
    if len(rest) not in (4, 5):
        fail(file, f"holds a list of {len(saved)} parts, expected 6 to 8")
    types: dict[str, Any] = {}
    fractions = array(saved[0], "coords", FLOATS, (None, 4), types, file)
    size = len(fractions)
    if not 0 < size <= MAX_SAMPLES:
        fail(file, f"holds {size} samples")
    flip = cutout = None
    if getattr(saved[1], "ndim", 1) == 2:
        cutout = array(saved[1], "cutout", ("tensor.float32",), (size, 7), types, file)
    else:
        flip = array(saved[1], "flip", ("tensor.bool",), (size,), types, file)
    randaugment = None
    if operations is not None:
        randaugment = _randaugment(operations, size, types, file)
    mix = _mix(rest[0], rest[1], rest[2], size, types, file)
    value = array(rest[3], "values", VALUES, (size, None), types, file)
    index = None
    if len(rest) == 5:
        stored = array(rest[4], "indices", INTEGERS, value.shape, types, file)
        index = stored.astype(np.int64)
    return Parts(types, fractions, flip, cutout, mix, randaugment, value, index)


def fail(file: Path, what: str) -> NoReturn:
    """Raise a DumpError about this file."""
    raise DumpError(f"{file}: {what}")


def array(
    value: Any,
    part: str,
    kinds: Sequence[str],
    shape: tuple[int | None, ...],
    types: dict[str, Any],
    file: Path,
) -> NDArray[Any]:
    """A tensor or array of an expected kind and shape (None: any length) as numpy.

    Notes its kind in `types`.
    """
    kind = types[part] = kind_of(value)
    if kind not in kinds:
        fail(file, f"{part} is {kind}, expected {' or '.join(kinds)}")
    if len(value.shape) != len(shape) or any(
        want is not None and have != want for have, want in zip(value.shape, shape, strict=True)
    ):
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        fail(file, f"{part} has shape {tuple(value.shape)}, expected ({wanted})")
    if kind.startswith("tensor") and not _holds_its_own_data(value):
        fail(file, f"{part} is not a plain tensor")
    return to_numpy(value)


def _holds_its_own_data(tensor: Any) -> bool:
    """False for sparse, meta and stride-0 tensors, which a small file can make of any size."""
    import torch

    if tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return False
    return bool(tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes())


def _mix(
    index: Any, ratio: Any, box: Any, size: int, types: dict[str, Any], file: Path
) -> Mix | None:
    if index is None:
        if ratio is not None or box is not None:
            fail(file, "has a mix ratio or box but no mix index")
        types.update(mix_index=None, ratio=None, box=None)
        return None
    partner = array(index, "mix_index", INTEGERS, (size,), types, file).astype(np.int64)
    if types["mix_index"] == "tensor.uint8" and size > 256:
        # Each value below size - 256 stands for two partners, and nothing says which.
        fail(
            file,
            f"has {size} samples but mix partners in uint8, which wrapped at 256: the partners "
            "are lost. Write the dump again with batches of at most 256.",
        )
    if partner.min() < 0 or partner.max() >= size:
        fail(file, f"mix index must lie in 0..{size - 1}")
    types["ratio"] = kind_of(ratio)
    number = scalar(ratio, "mix ratio", file, float)
    if box is None:
        types["box"] = None
        return Mix("mixup", partner, number, None)
    if not isinstance(box, list) or len(box) != 4:
        fail(file, "mix box is not a list of 4 numbers")
    kinds = {kind_of(edge) for edge in box}
    if len(kinds) != 1:
        fail(file, f"mix box mixes {' and '.join(sorted(kinds))}")
    types["box"] = kinds.pop()
    # the peers' lists name both corners: they paste [:, :, box[0]:box[2], box[1]:box[3]]
    row0, col0, row1, col1 = (scalar(edge, "mix box", file, int) for edge in box)
    return Mix("cutmix", partner, number, (row0, row1, col0, col1))


def scalar(value: Any, part: str, file: Path, convert: type) -> Any:
    """A Python number out of a number, a numpy scalar or a 0-dimensional tensor."""
    wanted = "float" if convert is float else "int"
    kind = kind_of(value)
    if getattr(value, "ndim", 0) != 0 or wanted not in kind:
        fail(file, f"{part} is {kind}, expected one {wanted}")
    return convert(value)


def _randaugment(
    operations: list[Any], size: int, types: dict[str, Any], file: Path
) -> RandAugment:
    if not operations or not all(isinstance(op, list) and len(op) == 3 for op in operations):
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


def _exact_columns(columns: list[NDArray[Any]], file: Path) -> NDArray[Any]:
    """(B, n) float16 where that holds every column exactly, else float32."""
    for dtype in (np.float16, np.float32):
        with np.errstate(over="ignore"):
            stacked = np.stack([column.astype(dtype) for column in columns], axis=1)
        back = zip(stacked.T, columns, strict=True)
        if all(np.array_equal(a, b, equal_nan=b.dtype.kind == "f") for a, b in back):
            return stacked
    fail(file, "randaugment magnitudes are whole numbers beyond what float32 holds")
