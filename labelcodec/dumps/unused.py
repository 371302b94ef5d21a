"""Which of the things a user can say about a dump mean nothing for this one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelcodec.dumps.detect import BATCH_SIDE, EPOCH_SIDE, ORDER_SIDE
from labelcodec.dumps.info import Layout


def unused(root: Path, layout: Layout, said: Mapping[str, Any]) -> dict[str, str]:
    """Option -> why nothing would come of it.

    Args:
        root: the dump's directory.
        layout: whose layout it is in.
        said: keyword arguments of `open_dump`; None where the user said nothing.
    """
    found = {}
    if layout != "fkd":
        found["label_type"] = "only FKD's labels have several types"
        if why := _order_is_known(root, layout, said):
            found["loader_seed"] = why
    else:
        why = "FKD's label files are named after their images"
        found |= {"image_order": why, "loader_seed": why}
    return {option: why for option, why in found.items() if said.get(option) is not None}


def _order_is_known(root: Path, layout: Layout, said: Mapping[str, Any]) -> str | None:
    """Why no order is drawn from a loader's seed, if so."""
    if said.get("image_order") is not None:
        return "--image-order says which images the batches hold"
    for name in (BATCH_SIDE,) if layout == "lpqld" else (EPOCH_SIDE, ORDER_SIDE):
        if (root / name).is_file():
            return f"{name} in the dump says which images the batches hold"
    return None if layout == "sre2l" else "only the order of SRe2L's loader follows from a seed"
