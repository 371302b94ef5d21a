"""Check for dump options that do not apply to the dump at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labelcodec.errors import ConfigError
from labelcodec.formats.interface import Layout
from labelcodec.formats.registry import LAYOUTS

NO_LABEL_TYPE = "only FKD's labels are hard, smoothing, MS or MR"
NO_SEED = "only the order of SRe2L's loader follows from a seed"
NO_TOKENS = "it is for labels of token sequences"
NO_EPOCHS = "the layout does not say which epoch a file belongs to"


def unused_options(root: Path, layout: Layout, options: Mapping[str, Any]) -> dict[str, str]:
    """Options that were passed but do not apply to the dump: name -> reason.

    Args:
        root: directory of the dump.
        layout: its layout.
        options: keyword arguments of `open_dump`; None where not passed.
    """
    unused = layout.unused_options(root, options)
    entry = LAYOUTS.find(layout.name)
    if entry is None or entry.kind is None:
        unused = {"shift": NO_TOKENS, "columns": NO_TOKENS, **unused}
    return {option: why for option, why in unused.items() if options.get(option) is not None}


def check_options(root: Path, layout: Layout, options: Mapping[str, Any]) -> None:
    """Reject options that do not apply to the dump.

    Args:
        root: the dump's directory.
        layout: its layout.
        options: keyword arguments of `open_dump`; None where the user said nothing.

    Raises:
        ConfigError: an option does not apply; the message names it and the reason.
    """
    for option, why in unused_options(root, layout, options).items():
        raise ConfigError(f"{root}: `{option}` does not apply here: {why}")
