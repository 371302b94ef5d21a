"""What a pickle says about tensors and arrays: unchecked, and nothing is allocated for it yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(slots=True)
class SavedStorage:
    """The persistent id of a storage: `numel` values of `dtype` (bytes if None) at `key`."""

    dtype: str | None
    key: Any
    numel: Any


@dataclass(slots=True)
class SavedTensor:
    """A view of a storage; `offset` and `stride` count values."""

    storage: Any
    offset: Any
    size: Any
    stride: Any
    dtype: str | None


@dataclass(slots=True)
class SavedDtype:
    """A numpy dtype such as 'f4', and its byte order: '<', '>', '=' or '|'."""

    name: str
    order: str


@dataclass(slots=True)
class SavedArray:
    """A numpy array; `data` is None until the pickle says what it holds."""

    shape: Any = None
    dtype: Any = None
    order: str = "C"
    data: Any = None


@dataclass(slots=True)
class SavedScalar:
    """A numpy scalar."""

    dtype: Any
    data: Any


@dataclass(frozen=True, slots=True)
class Opaque:
    """What a pickle makes of a global without a stand-in, where that is allowed: nothing.

    `name` is that of the global.
    """

    name: str


class Allowance(Protocol):
    """Bytes that a pickle may still make of its text."""

    def spend(self, count: int) -> None:
        """Take `count` bytes.

        Raises:
            UnsafeError: there are not as many left.
        """


@dataclass(frozen=True, slots=True)
class Function:
    """A stand-in for a function that a pickle may call: arguments -> description."""

    name: str
    call: Callable[[tuple[Any, ...], Allowance], Any]


@dataclass(frozen=True, slots=True)
class Name:
    """A stand-in for a global that is only ever an argument.

    `kind` is 'storage' (`dtype` is that of its values, None for bytes), 'torch.dtype' or 'ndarray'.
    """

    kind: str
    dtype: str | None = None
