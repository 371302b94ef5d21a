"""Checks of types, shapes and ranges whose error messages name the batch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec.errors import DataError

INTEGERS, FLOATS, BOOL, SINGLE = "integers", "float16 or float32", "bool", "float32"


class Checker:
    """Raises DataError with the name of what is checked in front of the message.

    Args:
        where: what is checked, for instance 'batch 3'.
    """

    def __init__(self, where: str) -> None:
        self.where = where

    def fail(self, what: str) -> None:
        """Raise DataError.

        Raises:
            DataError: always, with `what` as the message.
        """
        raise DataError(f"{self.where}: {what}")

    def instance(self, name: str, value: object, kind: type) -> None:
        """Check that a value is an instance of a class.

        Args:
            name: name of the value in the message.
            value: the value.
            kind: the class.

        Raises:
            DataError: it is not.
        """
        if not isinstance(value, kind):
            self.fail(f"{name}: expected {kind.__name__}, got {type(value).__name__}")

    def whole(self, name: str, value: object) -> None:
        """Check that a value is an integer.

        Raises:
            DataError: it is not.
        """
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            self.fail(f"{name} is {value!r}, expected an integer")

    def array(
        self, name: str, array: object, dtypes: str, shape: tuple[int, ...] | None = None
    ) -> None:
        """Check that a value is a NumPy array of the right type and shape.

        Args:
            name: name of the array in the message.
            array: the value.
            dtypes: `INTEGERS`, or dtype names in one string, such as 'float16 or float32'.
            shape: expected shape; None for any.

        Raises:
            DataError: it is not.
        """
        if not isinstance(array, np.ndarray):
            self.fail(f"{name}: expected a numpy array, got {type(array).__name__}")
        elif not _is_one_of(array.dtype, dtypes):
            self.fail(f"{name} are {array.dtype}, expected {dtypes}")
        elif shape is not None:
            self.shape(name, array, shape)

    def shape(self, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
        """Check the shape of an array.

        Args:
            name: name of the array in the message.
            array: the array.
            shape: expected shape.

        Raises:
            DataError: it has another shape.
        """
        if array.shape != shape:
            self.fail(f"{name} have shape {array.shape}, expected {shape}")


def check_normalisation(normalisation: Mapping[str, Any] | None) -> None:
    """Check the mean and standard deviation of network inputs in 0..1.

    Raises:
        DataError: 'mean' or 'std' is missing or not three finite numbers, a std is not above 0, or
            a mean is of inputs in another range than 0..1.
    """
    if normalisation is None:
        return
    for key in ("mean", "std"):
        entry = normalisation.get(key)
        try:
            values = np.asarray(entry, np.float64)
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.shape != (3,) or not np.isfinite(values).all():
            raise DataError(f"normalisation: {key!r} is {entry!r}, expected three numbers")
        if key == "std" and not (values > 0).all():
            raise DataError(f"normalisation: 'std' is {entry!r}, expected numbers above 0")
        if key == "mean" and (np.abs(values) > 1).any():
            raise DataError(
                f"normalisation: 'mean' is {entry!r}, but inputs are in 0..1; divide mean and std "
                "of inputs in 0..255 by 255"
            )


@lru_cache(maxsize=64)  # the name of a dtype takes microseconds, and batches have few dtypes
def _is_one_of(dtype: np.dtype[Any], dtypes: str) -> bool:
    fits = dtype.kind in "iu" if dtypes == INTEGERS else dtype.name in dtypes.split()
    return fits and dtype.isnative
