"""LPLD's layout: epoch_E/batch_B.tar as in SRe2L, with the image order in a side file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from labelcodec.batch import LabelBatch
from labelcodec.formats.batch_files import BatchFiles, batch_file_parts
from labelcodec.formats.epoch_folders import (
    EPOCH_SIDE,
    epoch_label_files,
    epoch_side_files,
    has_epochs,
    open_epochs,
    write_epochs,
)
from labelcodec.formats.interface import OpenOptions
from labelcodec.formats.space_detection import unused_label_type


class LPLD:
    """LPLD's layout; methods as in `interface.Layout`."""

    name = "lpld"
    looks_like = "the same with sampler_indices_epoch.json (LPLD)"

    def detect(self, root: Path, names: Mapping[str, bool]) -> bool:
        """Whether there are epoch folders and the side file."""
        return has_epochs(names) and EPOCH_SIDE in names

    def label_files(self, root: Path) -> list[Path]:
        """All batch files."""
        return epoch_label_files(root)

    def side_files(self, root: Path) -> list[Path]:
        """The image order files of the dump."""
        return epoch_side_files(root)

    def file_parts(self, file: Path) -> list[tuple[str, Any]]:
        """Components of a batch file."""
        return batch_file_parts(file)

    def unused_options(self, root: Path, options: Mapping[str, Any]) -> dict[str, str]:
        """A label type of FKD's, and the loader seed beside an image order."""
        unused = unused_label_type(options)
        if options.get("image_order") is not None:
            unused["loader_seed"] = "`image_order` says which images the batches hold"
        return unused

    def open(self, root: Path, options: OpenOptions) -> BatchFiles:
        """Open a dump."""
        return open_epochs(root, self.name, options)

    def write(
        self,
        batches: Iterable[LabelBatch],
        root: Path,
        types: Mapping[str, Any],
        names: Sequence[str] | None,
    ) -> int:
        """As `Layout.write`."""
        return write_epochs(batches, root, self.name, types)
