"""The logits among what a model returns: a tensor, a tuple, a dict or an object with fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from labelcodec.errors import MismatchError

USUAL = ("logits", "out", "output", "pred", "prediction")  # keys under which models return logits


def logits_of(
    returned: Any, shape: tuple[int, int], who: str, output: str | int | None = None
) -> torch.Tensor:
    """The logits in what a model returned.

    Without `output` they are the tensor itself, the entry under a usual key such as 'logits', the
    first entry of a tuple, or the only entry of the right shape.

    Args:
        returned: what the model returned.
        shape: (B, C), the expected shape.
        who: name of the model, for error messages.
        output: key or position of the logits.

    Raises:
        MismatchError: no such entry, no entry or several could be the logits, or it has another
            shape; the message lists the entries.
    """
    if isinstance(returned, torch.Tensor) and output is None:
        return checked_logits(returned, shape, who)
    entries = _entries(returned)
    if output is not None:
        key = str(output)
        if key not in entries:
            raise MismatchError(f"{who} gave no output {key!r}; {_listed(returned, entries)}")
        return checked_logits(entries[key], shape, f"{who}, output {key!r},")
    usual = [entries[key] for key in USUAL if key in entries]
    if not usual and isinstance(returned, Sequence) and entries:
        usual = [entries["0"]]
    fitting = [value for value in entries.values() if _fits(value, shape)]
    chosen = [value for value in usual if _fits(value, shape)] or fitting
    if len(chosen) == 1 or (chosen and usual):
        return checked_logits(chosen[0], shape, who)
    if not entries:
        kind = type(returned).__name__
        raise MismatchError(f"{who} gave a {kind}, expected a tensor of logits")
    raise MismatchError(
        f"{who} does not say which of its outputs are logits of shape {shape}: pass `output`; "
        f"{_listed(returned, entries)}"
    )


def _entries(returned: Any) -> dict[str, Any]:
    """The entries of a tuple, dict or object, by key or position."""
    if isinstance(returned, Mapping):
        return {str(key): value for key, value in returned.items()}
    if isinstance(returned, (tuple, list)):
        named = getattr(returned, "_fields", ())
        by_name = dict(zip(named, returned, strict=False))
        return {str(i): value for i, value in enumerate(returned)} | by_name
    fields = getattr(returned, "__dict__", {})
    return {key: value for key, value in fields.items() if isinstance(value, torch.Tensor)}


def _fits(value: Any, shape: tuple[int, int]) -> bool:
    return isinstance(value, torch.Tensor) and tuple(value.shape) == shape


def checked_logits(value: Any, shape: tuple[int, int], who: str) -> torch.Tensor:
    """A value, if it is a tensor of this shape.

    Args:
        value: what should be the logits.
        shape: (B, C), the expected shape.
        who: name of the model, for error messages.

    Raises:
        MismatchError: it is not.
    """
    if not isinstance(value, torch.Tensor):
        raise MismatchError(f"{who} gave a {type(value).__name__}, expected a tensor of logits")
    if tuple(value.shape) != shape:
        raise MismatchError(
            f"{who} gave {tuple(value.shape)} for {shape[0]} images, expected {shape}: one logit "
            "per class"
        )
    return value


def _listed(returned: Any, entries: Mapping[str, Any]) -> str:
    described = ", ".join(
        f"{key}: {tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__}"
        for key, value in entries.items()
    )
    return f"the {type(returned).__name__} has {described or 'no entries'}"
